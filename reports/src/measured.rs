//! The blocks of a run, sorted so that a cell's are at hand.

use std::collections::{BTreeMap, BTreeSet};

use pillion_records::{Block, Cell, Outcome, Plan, Run};
use pillion_statistics::{Bootstrap, Estimate, Flagged, Statistic, log_ratios, values};

/// A run sorted by cell, without the lanes that answered wrongly.
pub(crate) struct Measured<'a> {
    pub(crate) plan: &'a Plan,
    /// Every block, in the order of recording, with the wrong answers.
    pub(crate) all: &'a [Block],
    /// Lanes that gave a wrong answer: they are left out of every figure.
    pub(crate) wrong: Vec<String>,
    pub(crate) bootstrap: Bootstrap,
    by_cell: BTreeMap<&'a Cell, Vec<Block>>,
}

// === impl Measured ===

impl<'a> Measured<'a> {
    pub(crate) fn new(run: &'a Run) -> Self {
        let wrong: BTreeSet<&String> = run
            .blocks
            .iter()
            .filter(|block| matches!(block.outcome, Outcome::Wrong { .. }))
            .map(|block| &block.lane)
            .collect();
        let mut by_cell: BTreeMap<&Cell, Vec<Block>> = BTreeMap::new();
        for block in run.blocks.iter().filter(|block| !wrong.contains(&block.lane)) {
            by_cell.entry(&block.cell).or_default().push(block.clone());
        }
        Self {
            plan: &run.plan,
            all: &run.blocks,
            wrong: wrong.into_iter().cloned().collect(),
            bootstrap: Bootstrap::new(run.plan.seed),
            by_cell,
        }
    }

    /// The cells with blocks, in their order.
    pub(crate) fn cells(&self) -> impl Iterator<Item = &'a Cell> + '_ {
        self.by_cell.keys().copied()
    }

    /// Every block of a lane that answered rightly.
    pub(crate) fn blocks_kept(&self) -> Vec<Block> {
        self.by_cell.values().flatten().cloned().collect()
    }

    /// The blocks of a cell.
    pub(crate) fn blocks(&self, cell: &Cell) -> &[Block] {
        self.by_cell.get(cell).map_or(&[], Vec::as_slice)
    }

    /// A statistic by session and round.
    pub(crate) fn values(
        &self,
        entry: &str,
        cell: &Cell,
        statistic: Statistic,
        flagged: Flagged,
    ) -> BTreeMap<(u32, u32), f64> {
        values(self.blocks(cell), entry, cell, statistic, flagged)
    }

    /// The log ratio a / b; `None` for fewer than two rounds with both.
    pub(crate) fn ratio(
        &self,
        a: &str,
        b: &str,
        cell: &Cell,
        statistic: Statistic,
        flagged: Flagged,
    ) -> Option<Estimate> {
        let a = self.values(a, cell, statistic, flagged);
        let b = self.values(b, cell, statistic, flagged);
        self.bootstrap.mean(&log_ratios(&a, &b))
    }

    /// Whether a block of one of the entries in the cell is flagged.
    pub(crate) fn any_flagged(&self, entries: &[&str], cell: &Cell) -> bool {
        self.blocks(cell)
            .iter()
            .any(|block| entries.contains(&block.entry.as_str()) && !block.noise.flags.is_empty())
    }

    /// The geometric mean over rounds, so that the quotient of two is the ratio that the intervals are about.
    pub(crate) fn typical(&self, entry: &str, cell: &Cell, statistic: Statistic) -> Option<f64> {
        let values = self.values(entry, cell, statistic, Flagged::Keep);
        let sum: f64 = values.values().map(|value| value.ln()).sum();
        (!values.is_empty()).then(|| (sum / values.len() as f64).exp())
    }
}
