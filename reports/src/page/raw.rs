//! Every cell, every flagged block, every error.

use maud::{Markup, html};

use crate::page::table;
use crate::results::{CellResult, Results};
use crate::words;

pub(crate) fn render(results: &Results) -> Markup {
    let (service, throughput): (Vec<&CellResult>, Vec<&CellResult>) =
        results.cells.iter().partition(|cell| cell.cell.is_service());
    html! {
        h3 { "Errors" }
        @if results.errors.is_empty() { p { "None: every answer was right, and every block was measured." } }
        @else { div.scroll tabindex="0" { (errors(results)) } }
        h3 { "Missing" }
        @if results.missing.is_empty() { p { "None: every planned lane and cell has figures." } }
        @else {
            details { summary { (results.missing.len()) " planned cells without figures" }
                div.scroll tabindex="0" { (missing(results)) } }
        }
        h3 { "Flagged blocks" }
        @if results.flagged.is_empty() { p { "None: nothing disturbed a block." } }
        @else {
            p { "Something disturbed these blocks. They are kept; a verdict must hold with and without them." }
            details { summary { (results.flagged.len()) " flagged blocks" } div.scroll tabindex="0" { (flagged(results)) } }
        }
        h3 { "Service time" }
        p { "One request in flight. Geometric means over rounds, p50 with its smallest and largest round; tails beyond p99 of a shared machine say little." }
        details { summary { (service.len()) " rows" } div.scroll tabindex="0" { (cells(&service)) } }
        h3 { "Throughput" }
        @if throughput.is_empty() { p { "Several requests in flight were not measured." } }
        @else { details { summary { (throughput.len()) " rows" } div.scroll tabindex="0" { (cells(&throughput)) } } }
    }
}

fn errors(results: &Results) -> Markup {
    let rows: Vec<Vec<String>> = results
        .errors
        .iter()
        .map(|row| {
            vec![
                row.entry.clone(),
                if row.kind == "wrong" { "✕ wrong answer" } else { "! failed" }.to_owned(),
                row.cell.words(),
                words::round(row.round),
                row.reason.clone(),
            ]
        })
        .collect();
    table(&["Entry", "Kind", "Cell", "Round", "Reason"], &rows)
}

fn missing(results: &Results) -> Markup {
    let rows: Vec<Vec<String>> = results
        .missing
        .iter()
        .map(|row| vec![row.entry.clone(), row.cell.words(), format!("{} ({})", words::MISSING, row.reason)])
        .collect();
    table(&["Entry", "Cell", "Figure"], &rows)
}

fn flagged(results: &Results) -> Markup {
    let rows: Vec<Vec<String>> = results
        .flagged
        .iter()
        .map(|row| vec![row.entry.clone(), row.cell.words(), words::round(row.round), row.flags.join("; ")])
        .collect();
    table(&["Entry", "Cell", "Round", "Why"], &rows)
}

fn cells(rows: &[&CellResult]) -> Markup {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let ns = |value: u64| words::time(value as f64);
            let switches: Vec<String> = row
                .cpu
                .iter()
                .map(|cpu| {
                    format!(
                        "{} {} + {}",
                        cpu.process,
                        words::digits(cpu.voluntary),
                        words::digits(cpu.involuntary)
                    )
                })
                .collect();
            let memory: Vec<String> = row
                .pss_bytes
                .iter()
                .map(|bytes| {
                    if *bytes == 0 { format!("{} (not known)", words::MISSING) } else { words::bytes(*bytes) }
                })
                .collect();
            vec![
                row.entry.clone(),
                row.cell.words(),
                row.p50_words(),
                ns(row.p90_ns),
                ns(row.p99_ns),
                ns(row.mean_ns),
                ns(row.max_ns),
                row.cpu_per_op_ns.map_or(format!("{} (below the clock)", words::MISSING), |value| {
                    words::time(value as f64)
                }),
                switches.join("; "),
                memory.join("; "),
                words::count(row.samples),
                row.batch.to_string(),
                format!("{} ({} flagged, {} not warm)", row.blocks, row.flagged, row.warmup_capped),
            ]
        })
        .collect();
    table(
        &[
            "Entry",
            "Cell",
            "p50 [smallest…largest round]",
            "p90",
            "p99",
            "Mean",
            "Max",
            "CPU per operation",
            "Switches per operation (own + forced)",
            "PSS",
            "Samples",
            "Batch",
            "Blocks",
        ],
        &rows,
    )
}
