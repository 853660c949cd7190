//! Questions that all renderings ask of the results.

use crate::results::{Aa, AaCell, CellKey, CellResult, Effect, Ratio, Results, Slope};
use crate::words::{self, MISSING};

// === impl Results ===

impl Results {
    /// The cell that stands for the run where one must: a small read from memory, one request in flight.
    pub(crate) fn reference(&self) -> Option<&CellKey> {
        let rank = |cell: &CellKey| {
            (
                cell.workload != "kv-get",
                !cell.calls_provider(),
                cell.provider != "memory",
                ["same-core", "free", "other-core"].iter().position(|name| *name == cell.placement),
                cell.payload,
                cell.calls,
            )
        };
        self.service_cells().into_iter().min_by_key(|cell| rank(cell))
    }

    /// The lane that the others are shown against: the one that was entered twice. Where that gave no figures, or only
    /// the empty call was, the first that did.
    pub(crate) fn reference_lane(&self) -> Option<&str> {
        let contenders = self.contenders();
        let measured = |lane: &&str| self.cells.iter().any(|row| row.lane == **lane);
        let twice = self.cells.iter().find(|row| row.entry != row.lane).map(|row| row.lane.as_str());
        let twice = twice.filter(|lane| contenders.contains(lane));
        twice.or_else(|| contenders.into_iter().find(measured))
    }

    /// The cells with one request in flight that more than the empty call measured, each once, in order.
    pub(crate) fn service_cells(&self) -> Vec<&CellKey> {
        self.distinct(|cell| cell.is_service() && cell.workload != "noop")
    }

    /// The cells with several requests in flight, each once, in order.
    pub(crate) fn throughput_cells(&self) -> Vec<&CellKey> {
        self.distinct(|cell| !cell.is_service())
    }

    fn distinct(&self, wanted: impl Fn(&CellKey) -> bool) -> Vec<&CellKey> {
        let mut cells: Vec<&CellKey> =
            self.cells.iter().map(|row| &row.cell).filter(|cell| wanted(cell)).collect();
        cells.dedup();
        cells
    }

    /// The lanes that are compared, by name, in the plan's order.
    pub(crate) fn contenders(&self) -> Vec<&str> {
        self.lanes.iter().filter(|lane| lane.app != "none").map(|lane| lane.name.as_str()).collect()
    }

    /// A lane's place among the contenders: its colour, dash and marker in every chart.
    pub(crate) fn series(&self, lane: &str) -> usize {
        self.contenders().iter().position(|name| *name == lane).unwrap_or(0)
    }

    /// What an entry measured in a cell.
    pub(crate) fn cell(&self, entry: &str, cell: &CellKey) -> Option<&CellResult> {
        self.cells.iter().find(|row| row.entry == entry && row.cell == *cell)
    }

    /// What the contenders measured in a cell, in the plan's order.
    pub(crate) fn rows(&self, cell: &CellKey) -> Vec<&CellResult> {
        self.contenders().into_iter().filter_map(|lane| self.cell(lane, cell)).collect()
    }

    /// The ratio of two lanes in a cell, whichever of them stands above the line.
    pub(crate) fn ratio(&self, a: &str, b: &str, cell: &CellKey, statistic: &str) -> Option<Ratio> {
        let of = |a: &str, b: &str| {
            self.ratios.iter().find(|ratio| {
                ratio.a == a && ratio.b == b && ratio.statistic == statistic && ratio.cell == *cell
            })
        };
        of(a, b).cloned().or_else(|| of(b, a).map(Ratio::turned))
    }

    /// The effects of a cell: sandbox, hop, interaction.
    pub(crate) fn effects_of(&self, cell: &CellKey) -> Vec<&Effect> {
        self.effects.iter().filter(|effect| effect.cell == *cell).collect()
    }
}

// === impl Ratio ===

impl Ratio {
    /// The same comparison with the lanes the other way round.
    fn turned(&self) -> Self {
        let word = |word| match word {
            "faster" => "slower",
            "slower" => "faster",
            other => other,
        };
        Self {
            a: self.b.clone(),
            b: self.a.clone(),
            ratio: 1.0 / self.ratio,
            low: 1.0 / self.high,
            high: 1.0 / self.low,
            word: word(self.word),
            word_without_flagged: self.word_without_flagged.map(word),
            ..self.clone()
        }
    }
}

// === impl Aa ===

impl Aa {
    /// The comparison in one cell.
    pub(crate) fn of(&self, cell: &CellKey) -> Option<&AaCell> {
        self.cells.iter().find(|own| own.cell == *cell)
    }

    /// For each cell: its name, the ratio and the margin that it leaves.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        self.cells
            .iter()
            .map(|own| {
                let margin = own.margin.map_or_else(
                    || "none: excludes 1, so every word is unsure".to_owned(),
                    |margin| format!("±{}", words::percent(margin)),
                );
                vec![own.cell.words(), words::ratio(own.ratio, own.low, own.high), margin]
            })
            .collect()
    }
}

// === impl CellResult ===

impl CellResult {
    /// The typical p50 in ns.
    pub(crate) fn p50(&self) -> f64 {
        self.p50_ps as f64 / 1e3
    }

    /// The smallest and the largest round's p50 in ns.
    pub(crate) fn p50_ends(&self) -> (f64, f64) {
        (self.p50_smallest_ps as f64 / 1e3, self.p50_largest_ps as f64 / 1e3)
    }

    /// The typical p50 with the smallest and the largest round's.
    pub(crate) fn p50_words(&self) -> String {
        let (smallest, largest) = self.p50_ends();
        words::time_range(self.p50(), smallest, largest)
    }
}

// === impl Slope ===

impl Slope {
    /// The cost of one call, the cost of entering and how far the line misses.
    pub(crate) fn figures(&self) -> [String; 3] {
        let entering = match (self.entering_ns, self.entering_low_ns, self.entering_high_ns) {
            (Some(ns), Some(low), Some(high)) => words::time_interval(ns, low, high),
            _ => format!("{MISSING} (no request without calls)"),
        };
        [
            words::time_interval(self.slope_ns, self.slope_low_ns, self.slope_high_ns),
            entering,
            words::percent(self.misfit),
        ]
    }
}
