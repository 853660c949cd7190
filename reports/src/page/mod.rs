//! `report.html`: one file, no network, no script.

mod calls;
mod distribution;
mod factorial;
mod forest;
mod ladder;
pub(crate) mod languages;
mod limits;
mod placement;
mod provenance;
mod raw;
mod sizes;
mod throughput;
mod verdicts;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(crate) use provenance::facts;

use crate::results::Results;
use crate::words;

const STYLE: &str = include_str!("style.css");

/// A part of the page; `None` where the run has no figures for it.
type Section = (&'static str, String, Option<Markup>);

/// Renders the page.
pub(crate) fn render(results: &Results) -> String {
    let sections: Vec<Section> = vec![
        ("provenance", "Provenance".to_owned(), Some(provenance::render(results))),
        ("ladder", "Where the calls stand on the latency ladder".to_owned(), ladder::render(results)),
        ("factorial", "Sandbox and hop: two effects".to_owned(), factorial::render(results)),
        ("forest", forest::heading(results), forest::render(results)),
        ("distribution", "Latency distributions".to_owned(), distribution::render(results)),
        ("throughput", "Throughput and CPU per operation".to_owned(), throughput::render(results)),
        ("placement", "Placement".to_owned(), placement::render(results)),
        ("calls", "Calls per request".to_owned(), calls::render(results)),
        ("languages", "Languages and engines".to_owned(), languages::render(results)),
        ("sizes", "Sizes".to_owned(), sizes::render(results)),
        ("raw", "Raw cells".to_owned(), Some(raw::render(results))),
        ("limits", "Limits and bias".to_owned(), None),
    ];
    let absent: Vec<&str> = sections
        .iter()
        .filter(|(id, _, body)| body.is_none() && *id != "limits")
        .map(|(_, name, _)| name.as_str())
        .collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Pillion: " (results.run.name) ", " (results.provenance.began) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.brand { "Pillion" }
                    h1 { "In-process host or sidecar?" }
                    p.lede { (lede(results)) }
                    @for stamp in &results.stamps {
                        p class={ "stamp " (stamp.kind) } { (stamp.text) }
                    }
                }
                main {
                    (verdicts::render(results))
                    nav aria-label="Sections" {
                        @for (id, name, body) in &sections {
                            @if body.is_some() || *id == "limits" { a href={ "#" (id) } { (name) } }
                        }
                    }
                    @for (id, name, body) in &sections {
                        @if let Some(body) = body {
                            section id=(id) { h2 { (name) } (body) }
                        }
                    }
                    section id="limits" { h2 { "Limits and bias" } (limits::render(results, &absent)) }
                }
                footer {
                    p { "Drawn from " code { "plan.json" } " and " code { "blocks.jsonl" } " beside this file; "
                        code { "pillion report --check" } " proves that it fits them. All figures, with their intervals, are in "
                        code { "results.json" } "." }
                }
            }
        }
    };
    page.into_string()
}

fn lede(results: &Results) -> Markup {
    let run = &results.run;
    html! {
        "The same app over the same key-value providers: as a WebAssembly module in a waSCC-style host, and natively beside a Dapr-compatible sidecar. "
        (words::counted(run.rounds_done.into(), "round")) " of fresh processes on " (results.provenance.machine.cpu) ", "
        (results.provenance.began) "."
    }
}

/// A table: the first column names the row. A row of another length is padded by the browser.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        table {
            thead { tr { @for name in head { th scope="col" { (name) } } } }
            tbody {
                @for row in rows {
                    tr {
                        @for (index, value) in row.iter().enumerate() {
                            @if index == 0 { th scope="row" { (value) } } @else { td { (value) } }
                        }
                    }
                }
            }
        }
    }
}
