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
    /// ns to enter the app.
    pub intercept: Estimate,
}

/// Slope and intercept of the least squares line through `(x, y)`; `None` for fewer than two different x.
#[must_use]
pub fn least_squares(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    let (x, y) = (x / count, y / count);
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if spread.is_nan() || spread <= 0.0 {
        return None;
    }
    let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    Some((slope, y - slope * x))
}

/// The line of an entry over its `chain` cells (which differ in `calls` alone): one line per round by least squares,
/// then the bootstrap over rounds. `None` where fewer than two rounds have the line.
#[must_use]
pub fn lines(
    blocks: &[Block],
    entry: &str,
    cells: &[&Cell],
    flagged: Flagged,
    bootstrap: &Bootstrap,
) -> Option<Line> {
    let mut rounds: BTreeMap<(u32, u32), Vec<(f64, f64)>> = BTreeMap::new();
    for cell in cells {
        let calls = f64::from(cell.calls?);
        for (at, p50) in values(blocks, entry, cell, Statistic::P50, flagged) {
            rounds.entry(at).or_default().push((calls, p50));
        }
    }
    // A round that lacks a point would have a line of another shape.
    rounds.retain(|_, points| points.len() == cells.len());
    let fitted: BTreeMap<_, _> =
        rounds.into_iter().filter_map(|(at, points)| Some((at, least_squares(&points)?))).collect();
    Some(Line {
        slope: bootstrap.mean(&by_session(fitted.iter().map(|(&at, line)| (at, line.0))))?,
        intercept: bootstrap.mean(&by_session(fitted.iter().map(|(&at, line)| (at, line.1))))?,
    })
}
