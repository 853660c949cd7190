//! Lanes against each other: ratios, effects, slopes, and the A/A comparison.

use std::collections::BTreeMap;

use pillion_records::{Cell, Load};
use pillion_statistics::{
    EQUIVALENCE, Factorial, Flagged, Interval, Statistic, Word, aa_ratios, effects, lines, margin, word,
};

use crate::lanes::Lanes;
use crate::measured::Measured;
use crate::results::{Aa, AaCell, CellKey, Effect, Ratio, Slope};
use crate::rounding::round;

const LATENCIES: [Statistic; 4] = [Statistic::P50, Statistic::P90, Statistic::P99, Statistic::Mean];
const COSTS: [Statistic; 2] = [Statistic::CpuPerOp, Statistic::OpsPerCpuSecond];

/// The A/A comparison, over all service cells and for each.
pub(crate) fn aa(measured: &Measured<'_>) -> Option<Aa> {
    let estimate =
        measured.bootstrap.mean(&aa_ratios(measured.plan, &measured.blocks_kept(), Flagged::Keep))?;
    let second = measured.plan.entries.iter().find(|entry| entry.entry != entry.lane)?;
    let overall = estimate.interval.exp();
    let session = margin(overall).unwrap_or(EQUIVALENCE);
    let cells = measured
        .cells()
        .filter(|cell| cell.load == Load::Service)
        .filter_map(|cell| {
            let ratio = measured
                .ratio(&second.entry, &second.lane, cell, Statistic::P50, Flagged::Keep)?
                .interval
                .exp();
            Some(AaCell {
                cell: CellKey::of(cell),
                ratio: round(ratio.value),
                low: round(ratio.low),
                high: round(ratio.high),
                margin: margin(ratio).map(|own| round(own.max(session))),
            })
        })
        .collect();
    Some(Aa {
        lane: second.lane.clone(),
        ratio: round(overall.value),
        low: round(overall.low),
        high: round(overall.high),
        half_width: round(overall.half_width()),
        contains_one: margin(overall).is_some(),
        n_rounds: estimate.rounds as u32,
        cells,
    })
}

/// The margin of equivalence that an A/A comparison leaves.
pub(crate) fn margin_of(aa: Option<&Aa>) -> f64 {
    aa.and_then(|aa| margin(Interval { value: aa.ratio, low: aa.low, high: aa.high })).unwrap_or(EQUIVALENCE)
}

/// Every pair of lanes in every cell that both measured, the later in the plan over the earlier. `margin` is
/// the session's, for cells without an A/A comparison of their own.
pub(crate) fn ratios(measured: &Measured<'_>, lanes: &Lanes<'_>, aa: Option<&Aa>, margin: f64) -> Vec<Ratio> {
    let mut ratios = Vec::new();
    for cell in measured.cells() {
        let margin = aa.and_then(|aa| aa.of(&CellKey::of(cell))).map_or(Some(margin), |own| own.margin);
        for (index, a) in lanes.contenders.iter().enumerate() {
            for b in &lanes.contenders[..index] {
                let (a, b) = (a.name.as_str(), b.name.as_str());
                // Beside the medians, sidecars among themselves are of no interest.
                let central =
                    [lanes.host, lanes.direct].iter().flatten().any(|lane| lane.name == a || lane.name == b);
                let latencies: &[Statistic] = match cell.load {
                    Load::Service if central => &LATENCIES,
                    Load::Service => &LATENCIES[..1],
                    // Latency with requests queueing behind each other is not service time.
                    Load::Throughput { .. } => &[],
                };
                let costs: &[Statistic] = if central { &COSTS } else { &[] };
                for &statistic in latencies.iter().chain(costs) {
                    ratios.extend(ratio(measured, a, b, cell, statistic, margin));
                }
            }
        }
    }
    ratios
}

fn ratio(
    measured: &Measured<'_>,
    a: &str,
    b: &str,
    cell: &Cell,
    statistic: Statistic,
    margin: Option<f64>,
) -> Option<Ratio> {
    let estimate = measured.ratio(a, b, cell, statistic, Flagged::Keep)?;
    let interval = estimate.interval.exp();
    let said = describe(interval, statistic, margin);
    let without = if measured.any_flagged(&[a, b], cell) {
        measured
            .ratio(a, b, cell, statistic, Flagged::Drop)
            .map(|estimate| describe(estimate.interval.exp(), statistic, margin))
    } else {
        Some(said)
    };
    Some(Ratio {
        a: a.to_owned(),
        b: b.to_owned(),
        cell: CellKey::of(cell),
        statistic: statistic.name(),
        ratio: round(interval.value),
        low: round(interval.low),
        high: round(interval.high),
        n_rounds: estimate.rounds as u32,
        word: said,
        word_without_flagged: without,
    })
}

/// The word for a ratio; without a margin, as where the A/A comparison fails, there is but one.
fn describe(ratio: Interval, statistic: Statistic, margin: Option<f64>) -> &'static str {
    let more_is_better = matches!(statistic, Statistic::OpsPerCpuSecond | Statistic::OpsPerSecond);
    let ratio = if more_is_better {
        Interval { value: 1.0 / ratio.value, low: 1.0 / ratio.high, high: 1.0 / ratio.low }
    } else {
        ratio
    };
    match margin.map_or(Word::Unsure, |margin| word(ratio, margin)) {
        Word::Faster => "faster",
        Word::Slower => "slower",
        Word::Equivalent => "equivalent",
        Word::Unsure => "unsure",
    }
}

/// Sandbox, hop and interaction for each service cell that all four corners measured. Without a call of a
/// provider there is no hop to tell of.
pub(crate) fn factorial(measured: &Measured<'_>, lanes: &Lanes<'_>) -> Vec<Effect> {
    let Some(corners) = lanes.corners else { return Vec::new() };
    let mut rows = Vec::new();
    let calling = |cell: &&Cell| cell.load == Load::Service && CellKey::of(cell).calls_provider();
    for cell in measured.cells().filter(calling) {
        let [direct, twin, host, fourth] =
            corners.map(|lane| measured.values(&lane.name, cell, Statistic::P50, Flagged::Keep));
        let factorial = Factorial {
            native_in_process: direct,
            native_sidecar: twin,
            wasm_in_process: host,
            wasm_sidecar: fourth,
        };
        let Some(found) = effects(&factorial, &measured.bootstrap) else { continue };
        let typical =
            corners.map(|lane| measured.typical(&lane.name, cell, Statistic::P50).unwrap_or_default());
        for (name, estimate) in
            [("sandbox", found.sandbox), ("hop", found.hop), ("interaction", found.interaction)]
        {
            let interval = estimate.interval.exp();
            rows.push(Effect {
                cell: CellKey::of(cell),
                statistic: Statistic::P50.name(),
                corners: corners.map(|lane| lane.name.clone()),
                corner_p50_ns: typical.map(round),
                effect: name,
                ratio: round(interval.value),
                low: round(interval.low),
                high: round(interval.high),
            });
        }
    }
    rows
}

/// The line of latency over calls for each lane, payload, provider and placement.
pub(crate) fn slopes(measured: &Measured<'_>, lanes: &Lanes<'_>) -> Vec<Slope> {
    let mut chains: BTreeMap<(u64, &str, &'static str), Vec<&Cell>> = BTreeMap::new();
    for cell in measured.cells().filter(|cell| cell.calls.is_some() && cell.load == Load::Service) {
        let key = CellKey::of(cell);
        chains.entry((cell.payload, &cell.provider, key.placement)).or_default().push(cell);
    }
    let mut rows = Vec::new();
    for ((payload, provider, placement), cells) in chains {
        for lane in &lanes.contenders {
            let planned = measured.plan.cells.get(&lane.name).map_or(&[][..], Vec::as_slice);
            let own: Vec<&Cell> = cells.iter().copied().filter(|cell| planned.contains(cell)).collect();
            let blocks: Vec<_> = own
                .iter()
                .flat_map(|cell| measured.blocks(cell))
                .filter(|block| block.entry == lane.name)
                .cloned()
                .collect();
            let Some(line) = lines(&blocks, &lane.name, &own, Flagged::Keep, &measured.bootstrap) else {
                continue;
            };
            let slope = line.slope.interval;
            let entering = line.entering.map(|entering| entering.interval.exp());
            rows.push(Slope {
                lane: lane.name.clone(),
                payload,
                provider: provider.to_owned(),
                placement,
                slope_ns: round(slope.value),
                slope_low_ns: round(slope.low),
                slope_high_ns: round(slope.high),
                entering_ns: entering.map(|entering| round(entering.value)),
                entering_low_ns: entering.map(|entering| round(entering.low)),
                entering_high_ns: entering.map(|entering| round(entering.high)),
                // A difference of almost equal numbers: significant digits would be noise.
                misfit: (line.misfit * 1e4).round() / 1e4,
                n_rounds: line.slope.rounds as u32,
            });
        }
    }
    rows
}
