//! What does not hold, where our choices lean, and what is not in this report.

use maud::{Markup, html};

use crate::page::table;
use crate::results::Results;

const LIMITS: [&str; 5] = [
    "Valid on a shared machine: paired ratios of medians within a run, CPU per operation, counts, sizes, correctness.",
    "Not valid: absolute p99 and beyond, absolutes across runs, operations per second while client and server share cores.",
    "Service time is a closed loop with one request in flight. It says nothing of queues at a given rate of arrivals.",
    "Where one call is too short for the clock, a sample is the mean of a batch, and its percentiles are those of batch means.",
    "A memory provider shows the coupling at its largest; the slower the provider, the less the coupling weighs.",
];

/// Where our choices lean: one source for readers of the checkout and of a report.
const BIAS: &str = include_str!("../../../docs/BIAS.md");

/// Parts that a later version may bring, and why they are not here.
const LATER: [(&str, &str); 3] = [
    ("Waterfall of one call", "no lane records the stages within a call"),
    ("Latency against offered load, and capacity", "there is no open loop yet"),
    ("Density, break-even, security and productivity", "their experiments are not part of this version"),
];

pub(crate) fn render(results: &Results, absent: &[&str]) -> Markup {
    html! {
        h3 { "What these figures cannot say" }
        ul { @for limit in LIMITS { li { (limit) } } }
        h3 { "Where our choices lean" }
        div.scroll tabindex="0" { (bias()) }
        h3 { "Not in this report" }
        ul {
            @for (name, reason) in LATER { li { (name) ": " (reason) "." } }
            @for name in absent { li { (name) ": the run has no figures for it." } }
        }
        h3 { "Lanes" }
        dl.lanes {
            @for lane in &results.lanes { dt { code { (lane.name) } } dd { (lane.description) } }
        }
    }
}

/// The table of [`BIAS`].
fn bias() -> Markup {
    let rows = table_rows(BIAS);
    rows.split_first().map_or_else(
        || html! {},
        |(head, rows)| table(&head.iter().map(String::as_str).collect::<Vec<_>>(), rows),
    )
}

/// The cells of a Markdown table, its head first, without the marks of code and the rule under the head.
fn table_rows(markdown: &str) -> Vec<Vec<String>> {
    markdown
        .lines()
        .filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'))
        .filter(|line| !line.chars().all(|sign| matches!(sign, '-' | ':' | '|' | ' ')))
        .map(|line| line.split('|').map(|cell| cell.trim().replace('`', "")).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_out_of_its_text() {
        let text = "# Title\n\nText | with a bar.\n\n| a | b |\n|---|:-:|\n| `x` and y | 1 |\n";
        assert_eq!(table_rows(text), [["a", "b"], ["x and y", "1"]]);
    }

    #[test]
    fn every_choice_has_its_side_and_its_reason() {
        let rows = table_rows(BIAS);
        assert!(rows.len() > 10, "{}", rows.len());
        for row in &rows {
            assert!(row.len() == 3 && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        }
        for row in &rows[1..] {
            let side = row[1].as_str();
            assert!(["in process", "the sidecar", "the native app", "neither"].contains(&side), "{side}");
        }
    }
}
