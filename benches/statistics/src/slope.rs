//! The cost of one capability call: the slope of latency over calls per request.

use std::collections::BTreeMap;

use pillion_records::{Block, Cell};

use crate::select::by_session;
use crate::{Bootstrap, Estimate, Flagged, Statistic, values};

/// Latency over calls per request.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// ns per call.
    pub slope: Estimate,
    /// The latency of a request without calls, as it was measured, on the log scale; `None` where it was not.
    pub entering: Option<Estimate>,
    /// How far the line misses: the largest over the cells of the mean over rounds of (measured − line) /
    /// measured, without its sign.
    pub misfit: f64,
}

/// Slope and intercept of the line through `(x, y)` with the least squares of *relative* residuals (weights
/// 1/y²): noise of a latency grows with it, so unweighted the largest point would decide alone. `None` for
/// fewer than two different x, or a y of 0.
#[must_use]
pub fn least_squares(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let weighted =
        |value: fn(f64, f64) -> f64| -> f64 { points.iter().map(|&(x, y)| value(x, y) / (y * y)).sum() };
    let count = weighted(|_, _| 1.0);
    let (centre_x, centre_y) = (weighted(|x, _| x) / count, weighted(|_, y| y) / count);
    let products = |other: &dyn Fn(f64, f64) -> f64| -> f64 {
        points.iter().map(|&(x, y)| (x - centre_x) * other(x, y) / (y * y)).sum()
    };
    let spread = products(&|x, _| x - centre_x);
    if spread.is_nan() || spread <= 0.0 {
        return None;
    }
    let slope = products(&|_, y| y - centre_y) / spread;
    Some((slope, centre_y - slope * centre_x))
}

/// The line of an entry over its `chain` cells (which differ in `calls` alone): one line per round, then the
/// bootstrap over rounds. `None` where fewer than two rounds have the line.
#[must_use]
pub fn lines(
    blocks: &[Block],
    entry: &str,
    cells: &[&Cell],
    flagged: Flagged,
    bootstrap: &Bootstrap,
) -> Option<Line> {
    let mut rounds: BTreeMap<(u32, u32), Vec<(f64, f64)>> = BTreeMap::new();
    let mut entering = None;
    for cell in cells {
        let calls = cell.calls?;
        let p50 = values(blocks, entry, cell, Statistic::P50, flagged);
        if calls == 0 {
            entering = bootstrap.mean(&by_session(p50.iter().map(|(&at, p50)| (at, p50.ln()))));
        }
        for (at, p50) in p50 {
            rounds.entry(at).or_default().push((f64::from(calls), p50));
        }
    }
    // A round that lacks a point would have a line of another shape.
    rounds.retain(|_, points| points.len() == cells.len());
    let fitted: Vec<_> =
        rounds.iter().filter_map(|(&at, points)| Some((at, least_squares(points)?, points))).collect();
    Some(Line {
        slope: bootstrap.mean(&by_session(fitted.iter().map(|&(at, (slope, _), _)| (at, slope))))?,
        entering,
        misfit: misfit(fitted.iter().map(|&(_, line, points)| (line, points.as_slice()))),
    })
}

/// What [`Line::misfit`] says, of each round's line and points.
fn misfit<'a>(rounds: impl Iterator<Item = ((f64, f64), &'a [(f64, f64)])>) -> f64 {
    let mut sums: Vec<f64> = Vec::new();
    let mut count = 0.0;
    for ((slope, intercept), points) in rounds {
        sums.resize(points.len(), 0.0);
        for (sum, (x, y)) in sums.iter_mut().zip(points) {
            *sum += (y - (intercept + slope * x)) / y;
        }
        count += 1.0;
    }
    sums.into_iter().map(|sum| (sum / count).abs()).fold(0.0, f64::max)
}
