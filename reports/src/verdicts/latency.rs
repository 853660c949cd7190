//! C1: in process costs less latency than a sidecar, by at least one decade.

use pillion_records::{Cell, Load};
use pillion_statistics::{Estimate, Flagged, Statistic, holm};

use super::{Finding, UNSTEADY, condition};
use crate::lanes::Lanes;
use crate::measured::Measured;
use crate::results::{CellKey, Part, Word};
use crate::rounding::round;
use crate::words;

/// The family-wise level of all cells' decisions together.
const ALPHA: f64 = 0.05;

/// The rule, as it is printed.
const RULE: &str = "Supported if every cell clears, refuted if every cell falls short, supported with condition \
    if some clear; else inconclusive.";

/// Judges the host against the best sidecar of each cell: the one with the lowest ratio to it.
pub(crate) fn judge(measured: &Measured<'_>, lanes: &Lanes<'_>, threshold: f64) -> Finding {
    let Some(host) = lanes.host else {
        return Finding::nothing("The lane `host` gave no right answers, so there is nothing to compare.");
    };
    if lanes.sidecars.is_empty() {
        return Finding::nothing("No sidecar lane gave right answers, so there is nothing to compare.");
    }
    let names: Vec<&str> = lanes.sidecars.iter().map(|lane| lane.name.as_str()).collect();
    let (keys, mut parts) = parts_of(measured, &host.name, &names, threshold, Flagged::Keep);
    let (_, quiet) = parts_of(measured, &host.name, &names, threshold, Flagged::Drop);
    let (verdict, without_flagged) = (word(&parts), word(&quiet));
    mark_unsteady(&mut parts, &quiet);

    let by_estimate = |a: &&Part, b: &&Part| a.estimate.total_cmp(&b.estimate);
    let (Some(worst), Some(best)) = (parts.iter().min_by(by_estimate), parts.iter().max_by(by_estimate))
    else {
        return Finding::nothing("No cell has two rounds of both the host and a sidecar.");
    };
    let cleared: Vec<bool> = parts.iter().map(|part| part.word == "clears").collect();
    let conditional = verdict == Word::SupportedWithCondition && cleared.contains(&true);
    Finding {
        verdict,
        without_flagged,
        hangs_on_flagged: false,
        condition: conditional.then(|| condition::name(&keys, &cleared)),
        estimate: Some(worst.estimate),
        low: worst.low,
        high: worst.high,
        finding: finding(worst, best, &parts, threshold) + &limit(measured, &host.name, lanes, threshold),
        reason: reason(&parts, threshold),
        parts,
    }
}

/// The range of the ratios, and every cell that falls short.
fn finding(worst: &Part, best: &Part, parts: &[Part], threshold: f64) -> String {
    let range = if parts.len() == 1 {
        let (low, high) = ends(worst);
        let sentence = words::sentence(&worst.against, "the host", worst.estimate, low, high);
        format!("The best sidecar: {sentence} ({}).", worst.name)
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
    let short: Vec<String> = parts
        .iter()
        .filter(|part| part.word == "falls-short")
        .map(|part| format!("{} ({})", part.name, words::digits(part.estimate)))
        .collect();
    let threshold = words::digits(threshold);
    match short.len() {
        0 => range,
        all if all == parts.len() => format!("{range} Every cell falls short of {threshold} ×."),
        _ => format!("{range} Falling short of {threshold} ×: {}.", short.join("; ")),
    }
}

/// What the limit of the architecture would come to, if it was measured: it is not judged, and not to be hidden.
fn limit(measured: &Measured<'_>, host: &str, lanes: &Lanes<'_>, threshold: f64) -> String {
    let names: Vec<&str> = lanes.limits.iter().map(|lane| lane.name.as_str()).collect();
    let (_, parts) = parts_of(measured, host, &names, threshold, Flagged::Keep);
    let by_estimate = |a: &&Part, b: &&Part| a.estimate.total_cmp(&b.estimate);
    let (Some(least), Some(most)) = (parts.iter().min_by(by_estimate), parts.iter().max_by(by_estimate))
    else {
        return String::new();
    };
    format!(
        " Not judged, since no shipped sidecar does it: the limit of the architecture ({}), from {} ({}) to {} ({}).",
        names.join(", "),
        text(least),
        least.name,
        text(most),
        most.name
    )
}

/// The rule, how many cells clear, and which are open.
fn reason(parts: &[Part], threshold: f64) -> String {
    let of = |word: &str| -> Vec<&str> {
        parts.iter().filter(|part| part.word == word).map(|part| part.name.as_str()).collect()
    };
    let mut reason = format!(
        "{RULE} Here {} of {} clear {} ×; Holm's correction is applied over their decisions.",
        of("clears").len(),
        words::counted(parts.len() as u64, "cell"),
        words::digits(threshold)
    );
    for (word, why) in [
        ("straddles", "Open, for the interval straddles the threshold"),
        ("undecided", "Beyond the threshold alone, but not decided after Holm's correction"),
        (UNSTEADY, "Open, for flagged blocks decide"),
    ] {
        let open = of(word);
        if !open.is_empty() {
            reason.push_str(&format!(" {why}: {}.", open.join("; ")));
        }
    }
    reason
}

fn ends(part: &Part) -> (f64, f64) {
    (part.low.unwrap_or(f64::NAN), part.high.unwrap_or(f64::NAN))
}

fn text(part: &Part) -> String {
    let (low, high) = ends(part);
    words::ratio(part.estimate, low, high)
}

/// One part for each service cell with capability calls in it; of the numbers of calls in a `chain` only the
/// least.
fn parts_of(
    measured: &Measured<'_>,
    host: &str,
    sidecars: &[&str],
    threshold: f64,
    flagged: Flagged,
) -> (Vec<CellKey>, Vec<Part>) {
    let judged = |cell: &&Cell| {
        cell.load == Load::Service && CellKey::of(cell).calls_provider() && is_least(measured, cell)
    };
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
            let key = CellKey::of(cell);
            let part = part(&key, name, &best, threshold);
            Some((key, part))
        })
        .unzip();
    let p_values: Vec<f64> = parts.iter().map(|part| part.p.unwrap_or(1.0)).collect();
    for (part, p) in parts.iter_mut().zip(holm(&p_values)) {
        part.p_holm = Some(round(p));
        if p > ALPHA && part.word != "straddles" {
            part.word = "undecided";
        }
    }
    (keys, parts)
}

/// A cell as it stands alone, before the correction.
fn part(key: &CellKey, against: &str, best: &Estimate, threshold: f64) -> Part {
    let interval = best.interval.exp();
    Part {
        name: key.words(),
        against: against.to_owned(),
        estimate: round(interval.value),
        low: Some(round(interval.low)),
        high: Some(round(interval.high)),
        decades: Some(round(interval.value.log10())),
        // Where rounds hardly differ, the digits of a p value are those of the last bits.
        p: Some((best.p_value(threshold.ln()) * 1e9).round() / 1e9),
        p_holm: None,
        word: if interval.low > threshold {
            "clears"
        } else if interval.high < threshold {
            "falls-short"
        } else {
            "straddles"
        },
    }
}

/// Whether no cell that differs in its calls alone has fewer of them, but for none. Chains of other lengths
/// say the same again, and would count as cells of their own.
fn is_least(measured: &Measured<'_>, cell: &Cell) -> bool {
    let Some(calls) = cell.calls else { return true };
    !measured.cells().any(|other| {
        (1..calls).contains(&other.calls.unwrap_or(0)) && Cell { calls: cell.calls, ..other.clone() } == *cell
    })
}

/// A cell whose word hangs on flagged blocks is open.
fn mark_unsteady(parts: &mut [Part], quiet: &[Part]) {
    for part in parts {
        let without = quiet.iter().find(|quiet| quiet.name == part.name).map(|quiet| quiet.word);
        if matches!(part.word, "clears" | "falls-short") && without != Some(part.word) {
            part.word = UNSTEADY;
        }
    }
}

fn word(parts: &[Part]) -> Word {
    let count = |word: &str| parts.iter().filter(|part| part.word == word).count();
    let (clear, short) = (count("clears"), count("falls-short"));
    if parts.is_empty() {
        Word::Inconclusive
    } else if clear == parts.len() {
        Word::Supported
    } else if short == parts.len() {
        Word::Refuted
    } else if clear > 0 {
        Word::SupportedWithCondition
    } else {
        Word::Inconclusive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_flagged_blocks_decide_is_open() {
        let of = |name: &str, word| Part {
            name: name.into(),
            against: "sidecar".into(),
            estimate: 20.0,
            low: None,
            high: None,
            decades: None,
            p: None,
            p_holm: None,
            word,
        };
        let mut parts =
            [of("same", "clears"), of("other", "clears"), of("gone", "falls-short"), of("open", "straddles")];
        mark_unsteady(&mut parts, &[of("same", "clears"), of("other", "undecided"), of("open", "clears")]);
        assert_eq!(parts.map(|part| part.word), ["clears", UNSTEADY, UNSTEADY, "straddles"]);
    }
}
