//! Puts together what a report says.

use std::collections::{BTreeMap, BTreeSet};

use pillion_records::{
    Artifact, Block, Cell, Load, Loading, Measurement, Outcome, Plan, Run as Recorded, histogram,
};
use pillion_statistics::Statistic;

use crate::compare;
use crate::error::ReportError;
use crate::lanes::Lanes;
use crate::measured::Measured;
use crate::results::{
    Aa, CellKey, CellResult, ErrorRow, Flagged, Loaded, Missing, Overhead, ProcessCpu, RESULTS_SCHEMA,
    Results, Run, Size, Spread, Stamp, Verdict,
};
use crate::rounding::round;
use crate::verdicts::{self, MB, MIB};
use crate::words;

/// A lane within this factor of the empty call is as much harness as lane.
const CLOSE: f64 = 5.0;

/// Reads everything out of a run that a report says.
pub(crate) fn assemble(recorded: &Recorded) -> Result<Results, ReportError> {
    let plan = &recorded.plan;
    let measured = Measured::new(recorded);
    let lanes = Lanes::of(plan, &measured.wrong);
    let aa = compare::aa(&measured);
    let margin = compare::margin_of(aa.as_ref());
    let errors = errors(&recorded.blocks);
    let missing = missing(plan, &measured);
    let run = run(recorded, &measured.wrong);
    let cells = cells(&measured)?;
    let verdicts = verdicts::judge(&measured, &lanes, aa.as_ref());
    let mut stamps = stamps(&run, plan, &measured, aa.as_ref(), &errors);
    stamps.extend(noisy(&run, &verdicts));
    Ok(Results {
        schema: RESULTS_SCHEMA,
        verdicts,
        harness_overhead: overhead(&measured, &lanes, &cells),
        ratios: compare::ratios(&measured, &lanes, aa.as_ref(), margin),
        effects: compare::factorial(&measured, &lanes),
        slopes: compare::slopes(&measured, &lanes),
        sizes: plan.artifacts.iter().map(size).collect(),
        portability: plan.portability.clone(),
        loading: plan.loading.iter().filter_map(loaded).collect(),
        lanes: plan.lanes.clone(),
        provenance: plan.provenance.clone(),
        flagged: flagged(&recorded.blocks),
        run,
        stamps,
        aa,
        margin,
        cells,
        errors,
        missing,
    })
}

/// `None` where there are no figures.
fn loaded(loading: &Loading) -> Option<Loaded> {
    Some(Loaded {
        language: loading.language.clone(),
        compiler: loading.compiler.clone(),
        compiled: spread(&loading.compiled_ns)?,
        cached: spread(&loading.cached_ns)?,
        first_call: spread(&loading.first_call_ns)?,
    })
}

fn spread(figures: &[u64]) -> Option<Spread> {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable();
    let median = *sorted.get(sorted.len() / 2)?;
    let (least, most) = (*sorted.first()?, *sorted.last()?);
    Some(Spread { median, least, most, processes: sorted.len() as u32 })
}

fn run(recorded: &Recorded, wrong: &[String]) -> Run {
    let Recorded { plan, blocks, .. } = recorded;
    let sessions: BTreeSet<u32> = blocks.iter().map(|block| block.session).collect();
    let mut by_round: BTreeMap<u32, u64> = BTreeMap::new();
    for block in blocks {
        *by_round.entry(block.round).or_default() += 1;
    }
    let cells_of = |entry: &u32| -> u64 {
        let lane = plan.entries.get(*entry as usize).map(|entry| &entry.lane);
        lane.and_then(|lane| plan.cells.get(lane)).map_or(0, |cells| cells.len() as u64)
    };
    let planned = |entries: &[u32]| -> u64 { entries.iter().map(cells_of).sum() };
    let gone =
        |entry: &&u32| plan.entries.get(**entry as usize).is_some_and(|entry| wrong.contains(&entry.lane));
    // A lane that answered wrongly is not measured again.
    let planned_right: u64 = plan.order.iter().flatten().filter(|entry| !gone(entry)).map(cells_of).sum();
    let done_right = blocks.iter().filter(|block| !wrong.contains(&block.lane)).count() as u64;
    let done = |(round, entries): &(usize, &Vec<u32>)| {
        by_round.get(&(*round as u32)).is_some_and(|blocks| *blocks >= planned(entries))
    };
    let measured: Vec<(&Block, &Measurement)> = blocks.iter().filter_map(with_figures).collect();
    let steal: Vec<f64> = measured
        .iter()
        .filter(|(_, figures)| figures.wall_ns > 0)
        .map(|(block, figures)| {
            let time = figures.wall_ns as f64 * f64::from(plan.provenance.machine.cpus.max(1));
            block.noise.steal_ns as f64 / time
        })
        .collect();
    Run {
        name: plan.name.clone(),
        seed: plan.seed,
        quick: plan.quick,
        forced: plan.forced,
        sessions: sessions.len() as u32,
        rounds_planned: plan.rounds,
        rounds_done: plan.order.iter().enumerate().filter(done).count() as u32,
        rounds_reason: plan.rounds_reason.clone(),
        block_ns: plan.block_ns,
        blocks_planned: plan.order.iter().map(|entries| planned(entries)).sum(),
        blocks_done: blocks.len() as u64,
        blocks_pending: planned_right.saturating_sub(done_right),
        blocks_measured: measured.len() as u64,
        blocks_unsettled: measured.iter().filter(|(_, figures)| !figures.warmup_settled).count() as u64,
        blocks_flagged: blocks.iter().filter(|block| !block.noise.flags.is_empty()).count() as u64,
        steal_share_max: round(steal.iter().copied().fold(0.0, f64::max)),
        steal_share_mean: round(steal.iter().sum::<f64>() / steal.len().max(1) as f64),
    }
}

fn with_figures(block: &Block) -> Option<(&Block, &Measurement)> {
    match &block.outcome {
        Outcome::Measured(figures) => Some((block, figures)),
        Outcome::Wrong { .. } | Outcome::Failed { .. } => None,
    }
}

fn stamps(
    run: &Run,
    plan: &Plan,
    measured: &Measured<'_>,
    aa: Option<&Aa>,
    errors: &[ErrorRow],
) -> Vec<Stamp> {
    let mut stamps = Vec::new();
    let mut stamp = |kind, text: String| stamps.push(Stamp { kind, text });
    match aa {
        Some(aa) if !aa.contains_one => stamp(
            "void",
            format!(
                "Void: `{}` measured twice differs from itself, {}. No verdict is given; run it again on a quieter machine.",
                aa.lane,
                words::ratio(aa.ratio, aa.low, aa.high)
            ),
        ),
        Some(_) => {}
        None => stamp(
            "no-aa",
            "No A/A comparison: nothing shows that this machine can tell lanes apart. Not for verdicts."
                .to_owned(),
        ),
    }
    if !measured.wrong.is_empty() {
        stamp(
            "wrong-answer",
            format!(
                "Wrong answers: left out of every figure are {}. See the error rows.",
                measured.wrong.join(", ")
            ),
        );
    }
    let failed = errors.iter().filter(|row| row.kind == "failed").count();
    if run.blocks_done < run.blocks_planned || failed > 0 {
        let remedy = if run.blocks_pending > 0 {
            "`pillion resume` goes on."
        } else if failed > 0 {
            "What failed is not measured again by `pillion resume`."
        } else {
            "All others are of lanes that answered wrongly, which are not measured again."
        };
        stamp(
            "incomplete",
            format!(
                "Incomplete: {} of {} blocks are on record, {} of them without figures. {remedy}",
                words::count(run.blocks_done),
                words::count(run.blocks_planned),
                words::count(errors.len() as u64)
            ),
        );
    }
    if plan.quick {
        stamp(
            "quick",
            format!("Not for verdicts: a quick run of {}.", words::counted(plan.rounds.into(), "round")),
        );
    }
    if plan.forced {
        stamp(
            "forced",
            "Not for verdicts: preflight refused this machine and was overruled with --force.".to_owned(),
        );
    }
    if plan.provenance.dirty {
        stamp("dirty", "The checkout had changes that are in no commit.".to_owned());
    }
    stamps
}

/// Why disturbances weigh too much: verdicts hang on flagged blocks, or most blocks are flagged.
fn noisy(run: &Run, verdicts: &[Verdict]) -> Option<Stamp> {
    let hanging: Vec<&str> = verdicts
        .iter()
        .filter(|verdict| verdict.hangs_on_flagged)
        .map(|verdict| verdict.claim.as_str())
        .collect();
    let mut why = Vec::new();
    if run.blocks_flagged * 2 > run.blocks_measured {
        let (flagged, all) = (words::count(run.blocks_flagged), words::count(run.blocks_measured));
        why.push(format!("something disturbed {flagged} of {all} blocks with figures"));
    }
    if !hanging.is_empty() {
        why.push(format!("flagged blocks decide over {}", hanging.join(", ")));
    }
    (!why.is_empty()).then(|| Stamp {
        kind: "noisy",
        text: format!("Noisy: {}. Run it again on a quieter machine.", why.join("; ")),
    })
}

fn errors(blocks: &[Block]) -> Vec<ErrorRow> {
    let row = |block: &Block| {
        let (kind, reason) = match &block.outcome {
            Outcome::Measured(_) => return None,
            Outcome::Wrong { reason } => ("wrong", reason),
            Outcome::Failed { reason } => ("failed", reason),
        };
        Some(ErrorRow {
            kind,
            entry: block.entry.clone(),
            session: block.session,
            round: block.round,
            cell: CellKey::of(&block.cell),
            reason: reason.clone(),
        })
    };
    blocks.iter().filter_map(row).collect()
}

fn flagged(blocks: &[Block]) -> Vec<Flagged> {
    blocks
        .iter()
        .filter(|block| !block.noise.flags.is_empty())
        .map(|block| Flagged {
            entry: block.entry.clone(),
            session: block.session,
            round: block.round,
            cell: CellKey::of(&block.cell),
            flags: block.noise.flags.clone(),
        })
        .collect()
}

/// Planned pairs of entry and cell without figures, and why.
fn missing(plan: &Plan, measured: &Measured<'_>) -> Vec<Missing> {
    let mut rows = Vec::new();
    for entry in &plan.entries {
        for cell in plan.cells.get(&entry.lane).into_iter().flatten() {
            let mut own =
                measured.all.iter().filter(|block| block.entry == entry.entry && block.cell == *cell);
            let reason = if measured.wrong.contains(&entry.lane) {
                "the lane gave a wrong answer".to_owned()
            } else if own.clone().any(|block| matches!(block.outcome, Outcome::Measured(_))) {
                continue;
            } else {
                match own.next().map(|block| &block.outcome) {
                    Some(Outcome::Failed { reason }) => format!("failed: {reason}"),
                    _ => "not measured yet".to_owned(),
                }
            };
            rows.push(Missing { entry: entry.entry.clone(), cell: CellKey::of(cell), reason });
        }
    }
    rows
}

fn overhead(measured: &Measured<'_>, lanes: &Lanes<'_>, cells: &[CellResult]) -> Option<Overhead> {
    let noop = lanes.noop?;
    let own = measured.cells().filter(|cell| cell.load == Load::Service);
    let p50 =
        own.filter_map(|cell| measured.typical(&noop.name, cell, Statistic::P50)).min_by(f64::total_cmp)?;
    let close = cells
        .iter()
        .filter(|cell| cell.lane != noop.name && cell.entry == cell.lane && cell.cell.is_service())
        .filter(|cell| cell.p50() < p50 * CLOSE)
        .map(|cell| format!("{} ({})", cell.lane, cell.cell.words()))
        .collect();
    Some(Overhead { p50_ns: round(p50), close_lanes: close })
}

fn size(artifact: &Artifact) -> Size {
    Size {
        artifact: artifact.clone(),
        raw_below_2_mb: artifact.raw < MB,
        raw_below_2_mib: artifact.raw < MIB,
    }
}

fn cells(measured: &Measured<'_>) -> Result<Vec<CellResult>, ReportError> {
    let mut rows = Vec::new();
    for cell in measured.cells() {
        for entry in &measured.plan.entries {
            let blocks: Vec<(&Block, &Measurement)> = measured
                .blocks(cell)
                .iter()
                .filter(|block| block.entry == entry.entry)
                .filter_map(with_figures)
                .collect();
            if !blocks.is_empty() {
                rows.push(cell_result(measured, &entry.entry, &entry.lane, cell, &blocks)?);
            }
        }
    }
    Ok(rows)
}

fn cell_result(
    measured: &Measured<'_>,
    entry: &str,
    lane: &str,
    cell: &Cell,
    blocks: &[(&Block, &Measurement)],
) -> Result<CellResult, ReportError> {
    let typical = |statistic| measured.typical(entry, cell, statistic);
    let whole = |statistic| typical(statistic).unwrap_or_default().round() as u64;
    let figures = || blocks.iter().map(|(_, figures)| *figures);
    let p50 = || figures().map(|figures| figures.p50_ns);
    let picoseconds = |ns: f64| (ns * 1e3).round() as u64;
    let mut merged = histogram::empty()?;
    for figures in figures() {
        let own = histogram::decode(&figures.histogram_ps)?;
        merged.add(&own).map_err(|error| pillion_records::RecordError::Histogram(error.to_string()))?;
    }
    Ok(CellResult {
        entry: entry.to_owned(),
        lane: lane.to_owned(),
        cell: CellKey::of(cell),
        blocks: blocks.len() as u32,
        samples: figures().map(|figures| figures.samples).sum(),
        batch: figures().map(|figures| figures.batch).max().unwrap_or(1),
        p50_ns: whole(Statistic::P50),
        p50_ps: picoseconds(typical(Statistic::P50).unwrap_or_default()),
        p50_smallest_ps: picoseconds(p50().fold(f64::INFINITY, f64::min)),
        p50_largest_ps: picoseconds(p50().fold(0.0, f64::max)),
        p90_ns: whole(Statistic::P90),
        p99_ns: whole(Statistic::P99),
        mean_ns: whole(Statistic::Mean),
        max_ns: figures().map(|figures| figures.max_ns).fold(0.0, f64::max).round() as u64,
        cpu_per_op_ns: typical(Statistic::CpuPerOp).map(|ns| ns.round() as u64),
        ops_per_cpu_second: typical(Statistic::OpsPerCpuSecond).map(round),
        ops_per_second: typical(Statistic::OpsPerSecond).map(round),
        cpu: processes(blocks),
        pss_bytes: (0..figures().map(|figures| figures.pss_bytes.len()).max().unwrap_or(0))
            .map(|index| {
                figures().filter_map(|figures| figures.pss_bytes.get(index)).copied().max().unwrap_or(0)
            })
            .collect(),
        provider_calls: figures().map(|figures| figures.provider_calls).max().unwrap_or(0),
        warmup_capped: figures().filter(|figures| !figures.warmup_settled).count() as u32,
        flagged: blocks.iter().filter(|(block, _)| !block.noise.flags.is_empty()).count() as u32,
        histogram_ps: histogram::encode(&merged)?,
    })
}

/// CPU time per request by process, over all blocks, in the order of the first.
fn processes(blocks: &[(&Block, &Measurement)]) -> Vec<ProcessCpu> {
    let names: Vec<&str> = blocks
        .first()
        .map(|(_, figures)| figures.cpu.iter().map(|cpu| cpu.process.as_str()).collect())
        .unwrap_or_default();
    let operations = blocks.iter().map(|(_, figures)| figures.operations).sum::<u64>().max(1) as f64;
    names
        .into_iter()
        .map(|name| {
            let sum = |part: fn(&pillion_records::Cpu) -> u64| -> f64 {
                let own =
                    blocks.iter().flat_map(|(_, figures)| &figures.cpu).filter(|cpu| cpu.process == name);
                own.map(part).sum::<u64>() as f64 / operations
            };
            ProcessCpu {
                process: name.to_owned(),
                // System time comes from coarse ticks and may exceed the total by one.
                user_ns: sum(|cpu| cpu.total_ns.saturating_sub(cpu.system_ns)).round() as u64,
                system_ns: sum(|cpu| cpu.system_ns.min(cpu.total_ns)).round() as u64,
                voluntary: round(sum(|cpu| cpu.voluntary)),
                involuntary: round(sum(|cpu| cpu.involuntary)),
            }
        })
        .collect()
}
