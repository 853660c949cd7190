//! Prometheus' text format, version 0.0.4.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use super::{BOUNDS, Metrics, Series};

impl Metrics {
    /// All metrics as text. Times are in seconds.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        head(
            &mut text,
            "pillion_actor_call_seconds",
            "Calls into actors, from outside and from other actors.",
        );
        for ((actor, operation, outcome), series) in self.entered.all() {
            let labels = [("actor", &*actor), ("operation", operation), ("outcome", outcome)];
            write(&mut text, "pillion_actor_call_seconds", &labels, &series);
        }
        head(&mut text, "pillion_capability_call_seconds", "Calls that actors made, granted or not.");
        for ((actor, contract, operation, outcome), series) in self.left.all() {
            let labels =
                [("actor", &*actor), ("contract", contract), ("operation", operation), ("outcome", outcome)];
            write(&mut text, "pillion_capability_call_seconds", &labels, &series);
        }
        text
    }
}

fn head(text: &mut String, name: &str, help: &str) {
    // Here and below: writing to a string does not fail.
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} histogram\n");
}

fn write(text: &mut String, name: &str, labels: &[(&str, &str)], series: &Series) {
    // Keys, names of contracts and of operations need no escapes.
    let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    let labels = labels.join(",");
    let mut calls = 0;
    for (at, bucket) in series.buckets.iter().enumerate() {
        calls += bucket.load(Ordering::Relaxed);
        let bound = BOUNDS.get(at).map_or_else(|| "+Inf".to_owned(), |bound| seconds(*bound).to_string());
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {calls}");
    }
    let sum = seconds(series.nanoseconds.load(Ordering::Relaxed));
    let _ = writeln!(text, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {calls}");
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
