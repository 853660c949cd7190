//! What does not hold, where our choices lean, and what is not in this report.

use maud::{Markup, html};

use crate::results::Results;

const LIMITS: [&str; 5] = [
    "Valid on a shared machine: paired ratios of medians within a run, CPU per operation, counts, sizes, correctness.",
    "Not valid: absolute p99 and beyond, absolutes across runs, operations per second while client and server share cores.",
    "Service time is a closed loop with one request in flight. It says nothing of queues at a given rate of arrivals.",
    "Where one call is too short for the clock, a sample is the mean of a batch, and its percentiles are those of batch means.",
    "A memory provider shows the coupling at its largest; the slower the provider, the less the coupling weighs.",
];

const BIAS: [(&str, &str, &str); 9] = [
    (
        "the headline cell uses a memory provider",
        "in process",
        "other providers stand beside it, and there the difference shrinks",
    ),
    (
        "one request in flight",
        "in process",
        "several in flight are a table of their own, in operations per CPU-second too",
    ),
    (
        "app and sidecar on one core in the headline cell",
        "the sidecar",
        "it spares the wake-up of an idle core; the other placements are shown",
    ),
    (
        "the load loop runs inside the app's process",
        "the sidecar",
        "no inbound hop is measured on either side",
    ),
    (
        "our own engine instead of the published one",
        "in process",
        "the published engine is a lane of its own",
    ),
    ("our own sidecar instead of daprd", "the sidecar", "it is leaner"),
    (
        "an atomic counter takes two calls on Dapr's state API",
        "in process",
        "that is the API's cost; the counts are in the raw cells",
    ),
    (
        "tracing, tokens and access lists are off in the sidecar",
        "the sidecar",
        "the host's signature and capability checks are always on",
    ),
    (
        "compile time of a module is in no latency",
        "in process",
        "modules are precompiled and cached; sizes are in the report",
    ),
];

/// Parts that a later version may bring, and why they are not here.
const LATER: [(&str, &str); 3] = [
    ("Waterfall of one call", "no lane records the stages within a call"),
    ("Latency against offered load, and capacity", "there is no open loop yet"),
    (
        "Density, break-even, security, portability and productivity",
        "their experiments are not part of this version",
    ),
];

pub(crate) fn render(results: &Results, absent: &[&str]) -> Markup {
    html! {
        h3 { "What these figures cannot say" }
        ul { @for limit in LIMITS { li { (limit) } } }
        h3 { "Where our choices lean" }
        div.scroll tabindex="0" {
            table {
                thead { tr { th scope="col" { "Choice" } th scope="col" { "Favours" } th scope="col" { "What softens it" } } }
                tbody { @for (choice, side, softened) in BIAS {
                    tr { th scope="row" { (choice) } td { (side) } td { (softened) } }
                } }
            }
        }
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
