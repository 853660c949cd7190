//! `report.md`: compact, for a pull request; and the table that a README splices.

use std::fmt::Write as _;

use crate::page;
use crate::results::{CellKey, Results, Verdict};
use crate::words::{self, MISSING};

/// The whole of `report.md`.
pub(crate) fn render(results: &Results) -> String {
    let mut out = String::from("# Pillion: in-process host or sidecar?\n\n");
    for stamp in &results.stamps {
        line(&mut out, &format!("> **{}**", stamp.text));
        line(&mut out, "");
    }
    verdicts(&mut out, &results.verdicts);
    numbers(&mut out, results);
    slopes(&mut out, results);
    control(&mut out, results);
    languages(&mut out, results);
    sizes(&mut out, results);
    errors(&mut out, results);
    line(&mut out, "## Provenance\n");
    for fact in crate::page::facts(results) {
        line(&mut out, &format!("- {}: {}", fact[0], cell(&fact[1])));
    }
    out
}

/// The table for a README: verdicts and the headline cells, with the run they come from.
pub(crate) fn splice(results: &Results) -> String {
    let mut out = String::new();
    for stamp in &results.stamps {
        line(&mut out, &format!("> **{}**\n", stamp.text));
    }
    line(&mut out, "| claim | verdict | figures |\n|---|---|---|");
    for verdict in &results.verdicts {
        line(
            &mut out,
            &format!(
                "| {} “{}” | {} | {} |",
                verdict.claim,
                cell(&verdict.words),
                word(verdict),
                cell(&verdict.finding)
            ),
        );
    }
    line(&mut out, "");
    headline(&mut out, results);
    let run = &results.run;
    line(
        &mut out,
        &format!(
            "\n{} of fresh processes on {}, {}, commit {}. Ratios are of p50, with 95 % intervals over \
             rounds.",
            words::counted(run.rounds_done.into(), "round"),
            results.provenance.machine.cpu,
            results.provenance.began,
            results.provenance.commit.as_deref().and_then(|commit| commit.get(..10)).unwrap_or(MISSING)
        ),
    );
    out
}

fn verdicts(out: &mut String, verdicts: &[Verdict]) {
    line(out, "## Verdicts\n");
    for verdict in verdicts {
        line(out, &format!("### {} “{}”: {}\n", verdict.claim, verdict.words, word(verdict)));
        line(out, &format!("{} {}\n", verdict.finding, verdict.reason));
        line(
            out,
            &format!(
                "Threshold: {} ({}). Caveat: {}\n",
                verdict.threshold,
                verdict.fixed_by.as_deref().map_or_else(
                    || "not yet fixed by a commit".to_owned(),
                    |commit| format!("fixed by {}", commit.get(..10).unwrap_or(commit))
                ),
                verdict.caveat
            ),
        );
    }
}

fn word(verdict: &Verdict) -> String {
    let mut text = format!("**{} {}**", verdict.verdict.shape(), verdict.verdict.words());
    if let Some(condition) = &verdict.condition {
        let _ = write!(text, " ({})", cell(condition));
    }
    if !verdict.for_verdicts {
        text.push_str(", not for verdicts");
    }
    text
}

/// The reference lane against itself, which is what a difference in the same cell must exceed.
fn control(out: &mut String, results: &Results) {
    let Some(aa) = &results.aa else { return };
    line(
        out,
        &format!(
            "## A/A control\n\n`{}` entered twice gives {} against itself over all cells. In each cell, and \
             the margin within which lanes count as equivalent there:\n",
            aa.lane,
            words::ratio(aa.ratio, aa.low, aa.high)
        ),
    );
    line(out, "| cell | against itself | margin |\n|---|---|---|");
    for row in aa.rows() {
        line(out, &format!("| {} |", row.join(" | ")));
    }
    line(out, "");
}

fn numbers(out: &mut String, results: &Results) {
    line(out, "## Headline cells\n");
    headline(out, results);
    line(out, "");
}

/// The reference cell in every placement: one row a lane, its typical p50, and the ratio to the reference
/// lane.
fn headline(out: &mut String, results: &Results) {
    let Some(reference) = results.reference() else {
        line(out, "No cell was measured.");
        return;
    };
    let against = results.reference_lane().unwrap_or("host");
    let places: Vec<&CellKey> = results
        .service_cells()
        .into_iter()
        .filter(|cell| CellKey { placement: reference.placement, ..(*cell).clone() } == *reference)
        .collect();
    let heads: Vec<String> = places
        .iter()
        .map(|place| format!("{}, p50 | against `{against}`", place.placement_words()))
        .collect();
    line(
        out,
        &format!(
            "`{}` over {}, one request in flight. Typical p50: geometric mean over rounds, with the smallest \
             and the largest round in brackets:\n",
            reference.subject(),
            reference.provider
        ),
    );
    let here = reference.placement_words();
    line(out, &format!("| lane | {} | CPU per operation, {here} |", heads.join(" | ")));
    line(out, &format!("|---|{}---|", "---|---|".repeat(places.len())));
    for lane in results.contenders() {
        let mut row = format!("| `{lane}` |");
        for place in &places {
            match results.cell(lane, place) {
                Some(found) => {
                    let ratio = results
                        .ratio(lane, against, place, "p50")
                        .map_or(MISSING.to_owned(), |ratio| words::ratio(ratio.ratio, ratio.low, ratio.high));
                    let _ = write!(row, " {} | {ratio} |", found.p50_words());
                }
                None => {
                    let _ = write!(row, " {MISSING} ({}) | {MISSING} |", cell(&why(results, lane, place)));
                }
            }
        }
        let cpu = results.cell(lane, reference).and_then(|found| found.cpu_per_op_ns);
        let _ = write!(row, " {} |", cpu.map_or(MISSING.to_owned(), |ns| words::time(ns as f64)));
        line(out, &row);
    }
}

fn why(results: &Results, lane: &str, place: &CellKey) -> String {
    results
        .missing
        .iter()
        .find(|missing| missing.entry == lane && missing.cell == *place)
        .map_or_else(|| "not planned".to_owned(), |missing| missing.reason.clone())
}

fn slopes(out: &mut String, results: &Results) {
    if results.slopes.is_empty() {
        return;
    }
    line(
        out,
        "## One capability call\n\nThe slope of latency over calls per request, with the least relative \
         residuals; entering is the measured p50 of a request without calls. The line's miss is the largest, \
         over the numbers of calls, of the rounds' mean relative residual.\n",
    );
    line(out, "| lane | values | where | one call | entering | misses by up to |\n|---|---|---|---|---|---|");
    for slope in &results.slopes {
        line(
            out,
            &format!(
                "| `{}` | {} | {}, {} | {} |",
                slope.lane,
                words::payload(slope.payload),
                slope.provider,
                slope.placement,
                slope.figures().join(" | ")
            ),
        );
    }
    line(out, "");
}

fn languages(out: &mut String, results: &Results) {
    let (engines, played) = page::languages::rows(&results.portability);
    if !played.is_empty() {
        line(out, "## Transcripts by language and engine\n");
        rows(out, &std::iter::once("language").chain(engines).collect::<Vec<_>>(), &played);
        let remarks = page::languages::remarks(&results.portability);
        if !remarks.is_empty() {
            rows(out, &["where", "apps", "outcome", "what was seen"], &remarks);
        }
    }
    let speed = page::languages::speed(results);
    if !speed.is_empty() {
        line(out, "## Speed by language\n");
        rows(out, &["cell", "language", "to Rust’s guest", "to native, direct"], &speed);
    }
    let loading = page::languages::loading(results);
    if !loading.is_empty() {
        line(out, "## Loading\n");
        rows(out, &["language, compiler", "compiled", "from the cache", "first call", "processes"], &loading);
    }
}

/// A table, with a blank line after it.
fn rows(out: &mut String, head: &[&str], rows: &[Vec<String>]) {
    line(out, &format!("| {} |\n|{}", head.join(" | "), "---|".repeat(head.len())));
    for row in rows {
        line(out, &format!("| {} |", row.iter().map(|text| cell(text)).collect::<Vec<_>>().join(" | ")));
    }
    line(out, "");
}

fn sizes(out: &mut String, results: &Results) {
    if results.sizes.is_empty() {
        return;
    }
    line(
        out,
        "## Sizes in bytes\n\n| what | as built | stripped | wasm-opt −Oz | gzip | zstd |\n|---|---|---|---|---|---|",
    );
    for size in &results.sizes {
        let artifact = &size.artifact;
        let [raw, stripped, gzip, zstd] =
            [artifact.raw, artifact.stripped, artifact.gzip, artifact.zstd].map(words::count);
        let optimized = artifact.optimized.map_or_else(|| MISSING.to_owned(), words::count);
        let name = format!("{} ({}, {})", artifact.name, artifact.language, artifact.kind);
        line(out, &format!("| {} | {raw} | {stripped} | {optimized} | {gzip} | {zstd} |", cell(&name)));
    }
    line(out, "");
}

fn errors(out: &mut String, results: &Results) {
    if results.errors.is_empty() {
        return;
    }
    line(out, "## Errors\n\n| entry | kind | cell | round | reason |\n|---|---|---|---|---|");
    for row in &results.errors {
        line(
            out,
            &format!(
                "| `{}` | {} | {} | {} | {} |",
                row.entry,
                row.kind,
                row.cell.words(),
                words::round(row.round),
                cell(&row.reason)
            ),
        );
    }
    line(out, "");
}

/// Text that cannot break a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
