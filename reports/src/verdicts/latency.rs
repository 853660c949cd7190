//! C1: in process costs less latency than a sidecar, by at least one decade.

use pillion_records::{Cell, Load};
use pillion_statistics::{Flagged, Statistic, holm};

use super::{Finding, condition};
use crate::lanes::Lanes;
use crate::measured::Measured;
use crate::results::{CellKey, Part, Word};
use crate::rounding::round;
use crate::words;

/// The family-wise level of all cells' decisions together.
const ALPHA: f64 = 0.05;

/// Judges the host against the best sidecar of each cell: the one with the lowest ratio to it.
pub(crate) fn judge(measured: &Measured<'_>, lanes: &Lanes<'_>, threshold: f64) -> Finding {
    let Some(host) = lanes.host else {
        return Finding::nothing("The lane `host` gave no right answers, so there is nothing to compare.");
    };
    if lanes.sidecars.is_empty() {
        return Finding::nothing("No sidecar lane gave right answers, so there is nothing to compare.");
    }
    let names: Vec<&str> = lanes.sidecars.iter().map(|lane| lane.name.as_str()).collect();
    let (keys, parts) = parts(measured, &host.name, &names, threshold, Flagged::Keep);
    let (_, quiet) = parts_without_flagged(measured, &host.name, &names, threshold);
    let (Some(worst), Some(best)) = (
        parts.iter().min_by(|a, b| a.estimate.total_cmp(&b.estimate)),
        parts.iter().max_by(|a, b| a.estimate.total_cmp(&b.estimate)),
    ) else {
        return Finding::nothing("No cell has two rounds of both the host and a sidecar.");
    };
    let clear = parts.iter().filter(|part| part.word == "clears").count();
    let verdict = word(&parts);
    let cleared: Vec<bool> = parts.iter().map(|part| part.word == "clears").collect();
    let undecided: Vec<&str> =
        parts.iter().filter(|part| part.word == "straddles").map(|part| part.name.as_str()).collect();
    let condition = (verdict == Word::SupportedWithCondition).then(|| condition::name(&keys, &cleared));
    let mut reason = format!(
        "{clear} of {} cells clear {} ×; Holm's correction is applied over their decisions.",
        parts.len(),
        words::digits(threshold)
    );
    if !undecided.is_empty() {
        reason.push_str(&format!(
            " Undecided, for the interval straddles the threshold: {}.",
            undecided.join("; ")
        ));
    }
    let finding = if parts.len() == 1 {
        format!("The best sidecar: {} ({}).", sentence(worst), worst.name)
    } else {
        format!(
            "Against the best sidecar of each cell: from {} ({}) to {} ({}); {} to {} decades.",
            text(worst),
            worst.name,
            text(best),
            best.name,
            words::digits(worst.estimate.log10()),
            words::digits(best.estimate.log10())
        )
    };
    Finding {
        verdict,
        without_flagged: if quiet.is_empty() { Word::Inconclusive } else { word(&quiet) },
        condition,
        estimate: Some(worst.estimate),
        low: worst.low,
        high: worst.high,
        finding,
        reason,
        parts,
    }
}

fn sentence(part: &Part) -> String {
    words::sentence(
        &part.against,
        "the host",
        part.estimate,
        part.low.unwrap_or(f64::NAN),
        part.high.unwrap_or(f64::NAN),
    )
}

fn text(part: &Part) -> String {
    words::ratio(part.estimate, part.low.unwrap_or(f64::NAN), part.high.unwrap_or(f64::NAN))
}

fn parts_without_flagged(
    measured: &Measured<'_>,
    host: &str,
    sidecars: &[&str],
    threshold: f64,
) -> (Vec<CellKey>, Vec<Part>) {
    parts(measured, host, sidecars, threshold, Flagged::Drop)
}

/// One part for each service cell with capability calls in it.
fn parts(
    measured: &Measured<'_>,
    host: &str,
    sidecars: &[&str],
    threshold: f64,
    flagged: Flagged,
) -> (Vec<CellKey>, Vec<Part>) {
    let judged = |cell: &&Cell| cell.load == Load::Service && CellKey::of(cell).calls_provider();
    let (keys, mut parts): (Vec<CellKey>, Vec<Part>) = measured
        .cells()
        .filter(judged)
        .filter_map(|cell| {
            let (name, best) = sidecars
                .iter()
                .filter_map(|sidecar| {
                    Some((*sidecar, measured.ratio(sidecar, host, cell, Statistic::P50, flagged)?))
                })
                .min_by(|(_, a), (_, b)| a.interval.value.total_cmp(&b.interval.value))?;
            let interval = best.interval.exp();
            let key = CellKey::of(cell);
            let part = Part {
                name: key.words(),
                against: name.to_owned(),
                estimate: round(interval.value),
                low: Some(round(interval.low)),
                high: Some(round(interval.high)),
                decades: Some(round(interval.value.log10())),
                p: Some(round(best.p_value(threshold.ln()))),
                word: "straddles",
            };
            Some((key, part))
        })
        .unzip();
    let p_values: Vec<f64> = parts.iter().map(|part| part.p.unwrap_or(1.0)).collect();
    for (part, decided) in parts.iter_mut().zip(holm(&p_values, ALPHA)) {
        let beyond =
            |end: Option<f64>, side: fn(&f64, &f64) -> bool| end.is_some_and(|end| side(&end, &threshold));
        part.word = if decided && beyond(part.low, f64::gt) {
            "clears"
        } else if decided && beyond(part.high, f64::lt) {
            "falls-short"
        } else {
            "straddles"
        };
    }
    (keys, parts)
}

fn word(parts: &[Part]) -> Word {
    let count = |word: &str| parts.iter().filter(|part| part.word == word).count();
    let (clear, short) = (count("clears"), count("falls-short"));
    if clear == parts.len() {
        Word::Supported
    } else if short == parts.len() {
        Word::Refuted
    } else if clear > 0 {
        Word::SupportedWithCondition
    } else {
        Word::Inconclusive
    }
}
