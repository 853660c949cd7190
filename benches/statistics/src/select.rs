//! One number per round, out of blocks.

use std::collections::BTreeMap;

use pillion_records::{Block, Cell, Load, Measurement, Outcome, Plan};

/// Which figure of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Statistic {
    /// The median in ns.
    P50,
    /// The 90th percentile in ns.
    P90,
    /// The 99th percentile in ns.
    P99,
    /// The mean in ns.
    Mean,
    /// CPU-ns per operation over all processes.
    CpuPerOp,
    /// Operations per second.
    OpsPerSecond,
    /// Operations per second of CPU time over all processes.
    OpsPerCpuSecond,
}

/// Whether flagged blocks count. A verdict must hold with and without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flagged {
    /// They count like any other.
    Keep,
    /// They are left out, and with each the round of its pair.
    Drop,
}

// === impl Statistic ===

impl Statistic {
    /// Its name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::Mean => "mean",
            Self::CpuPerOp => "cpu_per_op",
            Self::OpsPerSecond => "ops_per_second",
            Self::OpsPerCpuSecond => "ops_per_cpu_second",
        }
    }

    /// Its value in one block.
    #[must_use]
    pub fn of(self, measurement: &Measurement) -> f64 {
        let operations = measurement.operations as f64;
        let cpu = measurement.cpu.iter().map(|cpu| cpu.total_ns).sum::<u64>() as f64;
        match self {
            Self::P50 => measurement.p50_ns,
            Self::P90 => measurement.p90_ns,
            Self::P99 => measurement.p99_ns,
            Self::Mean => measurement.mean_ns,
            Self::CpuPerOp => cpu / operations,
            Self::OpsPerSecond => operations * 1e9 / measurement.wall_ns as f64,
            Self::OpsPerCpuSecond => operations * 1e9 / cpu,
        }
    }
}

/// A statistic by session and round, for one entry and cell. Blocks that were not measured are not in it.
#[must_use]
pub fn values(
    blocks: &[Block],
    entry: &str,
    cell: &Cell,
    statistic: Statistic,
    flagged: Flagged,
) -> BTreeMap<(u32, u32), f64> {
    blocks
        .iter()
        .filter(|block| block.entry == entry && block.cell == *cell)
        .filter(|block| flagged == Flagged::Keep || block.noise.flags.is_empty())
        .filter_map(|block| match &block.outcome {
            Outcome::Measured(measurement) => Some(((block.session, block.round), statistic.of(measurement))),
            Outcome::Wrong { .. } | Outcome::Failed { .. } => None,
        })
        .filter(|(_, value)| value.is_finite() && *value > 0.0)
        .collect()
}

/// The log ratios a / b by session, over the rounds that both have: what [`Bootstrap::mean`](crate::Bootstrap::mean)
/// takes.
#[must_use]
pub fn log_ratios(a: &BTreeMap<(u32, u32), f64>, b: &BTreeMap<(u32, u32), f64>) -> Vec<Vec<f64>> {
    by_session(a.iter().filter_map(|(&at, &a)| b.get(&at).map(|&b| (at, (a / b).ln()))))
}

/// The A/A comparison of a session: the reference lane's second entry over its first, one number a round, the mean
/// of the log ratios of p50 over its service cells. One number over all cells, so that it is one test and not many.
#[must_use]
pub fn aa_ratios(plan: &Plan, blocks: &[Block], flagged: Flagged) -> Vec<Vec<f64>> {
    let second = plan.entries.iter().find(|entry| entry.entry != entry.lane);
    second.map_or_else(Vec::new, |second| {
        let cells = plan.cells.get(&second.lane).map_or(&[][..], Vec::as_slice);
        mean_log_ratios(cells, blocks, &second.entry, &second.lane, flagged)
    })
}

/// The mean over service cells of the log ratio of p50 of entry `a` over entry `b`, one number a round, by session.
#[must_use]
pub fn mean_log_ratios(
    cells: &[Cell],
    blocks: &[Block],
    a: &str,
    b: &str,
    flagged: Flagged,
) -> Vec<Vec<f64>> {
    let mut rounds: BTreeMap<(u32, u32), (f64, f64)> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.load == Load::Service) {
        let a = values(blocks, a, cell, Statistic::P50, flagged);
        let b = values(blocks, b, cell, Statistic::P50, flagged);
        for (at, a) in a {
            if let Some(b) = b.get(&at) {
                let sum = rounds.entry(at).or_default();
                *sum = (sum.0 + (a / b).ln(), sum.1 + 1.0);
            }
        }
    }
    by_session(rounds.into_iter().map(|(at, (sum, count))| (at, sum / count)))
}

pub(crate) fn by_session(rounds: impl Iterator<Item = ((u32, u32), f64)>) -> Vec<Vec<f64>> {
    let mut sessions: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for ((session, _), value) in rounds {
        sessions.entry(session).or_default().push(value);
    }
    sessions.into_values().collect()
}
