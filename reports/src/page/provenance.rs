//! Where the figures come from.

use maud::{Markup, html};
use pillion_records::{CheckOutcome, LoadAverage};

use crate::page::table;
use crate::results::Results;
use crate::words::{self, MISSING};

pub(crate) fn render(results: &Results) -> Markup {
    let checks: Vec<Vec<String>> = results
        .provenance
        .preflight
        .iter()
        .map(|check| {
            let outcome = match check.outcome {
                CheckOutcome::Pass => "✓ passes",
                CheckOutcome::Warn => "! warns",
                CheckOutcome::Refuse => "✕ refuses",
            };
            vec![check.name.clone(), outcome.to_owned(), check.found.clone()]
        })
        .collect();
    html! {
        p { "What was measured, where and how. A run resumes, and figures compare, only where these agree." }
        div.scroll tabindex="0" { (table(&["What", "Found"], &facts(results))) }
        h3 { "Preflight" }
        @if checks.is_empty() { p { "No check is on record." } }
        @else { div.scroll tabindex="0" { (table(&["Check", "Outcome", "Found"], &checks)) } }
    }
}

/// Name and finding, in order.
pub(crate) fn facts(results: &Results) -> Vec<Vec<String>> {
    let Results { run, provenance, .. } = results;
    let machine = &provenance.machine;
    let commit = match &provenance.commit {
        Some(commit) if provenance.dirty => format!("{commit}, with changes of its own"),
        Some(commit) => commit.clone(),
        None => format!("{MISSING} (outside a checkout)"),
    };
    let list = |map: &std::collections::BTreeMap<String, String>| {
        if map.is_empty() {
            format!("{MISSING} (none on record)")
        } else {
            map.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join("; ")
        }
    };
    let overhead = results.harness_overhead.as_ref().map_or_else(
        || format!("{MISSING} (the empty call was not measured)"),
        |overhead| {
            let close = if overhead.close_lanes.is_empty() {
                "no lane is within five times of it".to_owned()
            } else {
                format!(
                    "within five times of it, so as much harness as lane: {}",
                    overhead.close_lanes.join("; ")
                )
            };
            format!("{} a call, never subtracted; {close}", words::time(overhead.p50_ns))
        },
    );
    let aa = results.aa.as_ref().map_or_else(
        || format!("{MISSING} (fewer than two rounds)"),
        |aa| {
            format!(
                "{} over {} of {}, half-width {}",
                words::ratio(aa.ratio, aa.low, aa.high),
                words::counted(aa.n_rounds.into(), "round"),
                aa.lane,
                words::percent(aa.half_width)
            )
        },
    );
    [
        ("Command", provenance.command.join(" ")),
        ("Began", provenance.began.clone()),
        ("Commit", commit),
        ("Compiler", provenance.rustc.clone()),
        ("Guest's compiler", provenance.guest_rustc.clone()),
        ("Profile", provenance.profile.clone()),
        ("Cargo.lock, SHA-256", provenance.lockfile_sha256.clone()),
        ("Modules, SHA-256", list(&provenance.modules)),
        ("Programs, SHA-256", list(&provenance.programs)),
        ("Servers", list(&provenance.servers)),
        ("CPU", format!("{}, {} logical", machine.cpu, machine.cpus)),
        ("Memory", words::bytes(machine.memory_bytes)),
        ("System", format!("{}, kernel {}", machine.os, machine.kernel)),
        ("Hypervisor", machine.hypervisor.clone()),
        ("Clock source", machine.clock_source.clone()),
        (
            "Steal in blocks",
            format!(
                "{} on average, {} at most",
                words::percent(run.steal_share_mean),
                words::percent(run.steal_share_max)
            ),
        ),
        ("Load average", loads(&provenance.load_averages)),
        ("Seed", run.seed.to_string()),
        (
            "Rounds",
            format!(
                "{} of {} complete ({}), over {}",
                run.rounds_done,
                run.rounds_planned,
                run.rounds_reason,
                words::counted(run.sessions.into(), "session")
            ),
        ),
        (
            "Blocks",
            format!(
                "{} of {} done, {} flagged, {} without figures; {} each",
                words::count(run.blocks_done),
                words::count(run.blocks_planned),
                words::count(run.blocks_flagged),
                results.errors.len(),
                words::time(run.block_ns as f64)
            ),
        ),
        (
            "Warm-up",
            format!(
                "{} of {} blocks with figures did not get steady before the cap",
                words::count(run.blocks_unsettled),
                words::count(run.blocks_measured)
            ),
        ),
        ("A/A", aa),
        ("Harness overhead", overhead),
    ]
    .into_iter()
    .map(|(name, found)| vec![name.to_owned(), found])
    .collect()
}

/// The load average before and after each stretch of the run.
fn loads(stretches: &[LoadAverage]) -> String {
    let stretch = |load: &LoadAverage| {
        let Some(before) = load.before else { return format!("{MISSING} (not on record)") };
        let after = load
            .after
            .map_or_else(|| format!("{MISSING} (broken off) after"), |after| format!("{after:.2} after"));
        format!("{before:.2} before, {after}")
    };
    if stretches.is_empty() {
        format!("{MISSING} (not on record)")
    } else {
        stretches.iter().map(stretch).collect::<Vec<_>>().join("; resumed: ")
    }
}
