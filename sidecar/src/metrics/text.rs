//! Prometheus's text format.

use std::fmt::{Display, Write};

use super::histogram::{Bounds, Histogram};

/// A text that grows, family by family.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// How many nanoseconds a unit of a family of times has: it is in milliseconds, as Dapr's.
pub(super) const MILLISECOND: f64 = 1e6;
/// Sizes are as they are.
pub(super) const BYTE: f64 = 1.0;

// === impl Text ===

impl Text {
    /// Begins a family; what it has follows.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    pub(super) fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        match labels {
            "" => self.line(format_args!("{name} {value}")),
            labels => self.line(format_args!("{name}{{{labels}}} {value}")),
        }
    }

    pub(super) fn histogram(
        &mut self,
        name: &str,
        labels: &str,
        histogram: &Histogram,
        bounds: &Bounds,
        unit: f64,
    ) {
        let distribution = histogram.distribution(bounds);
        for (bound, count) in bounds.iter().zip(&distribution.buckets) {
            let bound = bound as f64 / unit;
            self.line(format_args!("{name}_bucket{{{labels},le=\"{bound}\"}} {count}"));
        }
        self.line(format_args!("{name}_bucket{{{labels},le=\"+Inf\"}} {}", distribution.count));
        self.line(format_args!("{name}_sum{{{labels}}} {}", distribution.sum as f64 / unit));
        self.line(format_args!("{name}_count{{{labels}}} {}", distribution.count));
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// Labels with their values.
pub(super) fn labels(labels: &[(&str, &str)]) -> String {
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    labels.join(",")
}

/// A label's value as the text format wants it.
fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
