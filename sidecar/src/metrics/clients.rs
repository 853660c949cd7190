//! What is counted of requests to the app.

use std::sync::OnceLock;
use std::time::Duration;

use http::{Method, StatusCode};
use tonic::Code;

use super::histogram::{Bounds, Histogram};
use super::requests::{self, GRPC, HTTP};

/// How long the app took, by method and outcome.
#[derive(Debug)]
pub(crate) struct Clients {
    bounds: Bounds,
    http: [[OnceLock<Box<Histogram>>; HTTP]; METHODS.len()],
    grpc: [[OnceLock<Box<Histogram>>; GRPC]; CALLBACKS.len()],
}

/// What apps are asked by over HTTP; other methods, which callers may invent, are the last.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "OTHER"];
/// What apps are asked over gRPC; their own methods, whose calls are passed on, are the last.
const CALLBACKS: [&str; 8] = [
    "/dapr.proto.runtime.v1.AppCallback/OnInvoke",
    "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent",
    "/dapr.proto.runtime.v1.AppCallback/OnBulkTopicEvent",
    "/dapr.proto.runtime.v1.AppCallbackAlpha/OnBulkTopicEventAlpha1",
    "/dapr.proto.runtime.v1.AppCallback/OnBindingEvent",
    "/dapr.proto.runtime.v1.AppCallback/ListTopicSubscriptions",
    "/dapr.proto.runtime.v1.AppCallback/ListInputBindings",
    "Other",
];

/// What was counted of one method and outcome.
pub(super) type Counted<'a> = (&'static str, String, &'a Histogram);

// === impl Clients ===

impl Clients {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            bounds: bounds.clone(),
            http: [const { [const { OnceLock::new() }; HTTP] }; METHODS.len()],
            grpc: [const { [const { OnceLock::new() }; GRPC] }; CALLBACKS.len()],
        }
    }

    /// Counts a request over HTTP that the app answered.
    pub(crate) fn count_http(&self, method: &Method, status: StatusCode, took: Duration) {
        let row = place(&METHODS, method.as_str());
        self.count(&self.http[row], requests::of_status(status), took);
    }

    /// Counts a call over gRPC that the app answered, by its path.
    pub(crate) fn count_grpc(&self, path: &str, code: Code, took: Duration) {
        let row = place(&CALLBACKS, path);
        self.count(&self.grpc[row], usize::try_from(code as i32).unwrap_or(Code::Unknown as usize), took);
    }

    fn count(&self, row: &[OnceLock<Box<Histogram>>], outcome: usize, took: Duration) {
        if let Some(histogram) = row.get(outcome) {
            histogram.get_or_init(Box::default).add_time(&self.bounds, took);
        }
    }

    pub(super) fn http(&self) -> Vec<Counted<'_>> {
        counted(&METHODS, &self.http, requests::status)
    }

    pub(super) fn grpc(&self) -> Vec<Counted<'_>> {
        counted(&CALLBACKS, &self.grpc, |outcome| requests::code(outcome).to_owned())
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }
}

// === free functions ===

/// The place of a name in a list, whose last is all others.
fn place(names: &[&str], name: &str) -> usize {
    let last = names.len() - 1;
    names.iter().take(last).position(|known| *known == name).unwrap_or(last)
}

fn counted<'a, const N: usize>(
    names: &[&'static str],
    rows: &'a [[OnceLock<Box<Histogram>>; N]],
    text: impl Fn(usize) -> String,
) -> Vec<Counted<'a>> {
    let mut all = Vec::new();
    for (name, row) in names.iter().zip(rows) {
        for (outcome, histogram) in row.iter().enumerate() {
            if let Some(histogram) = histogram.get() {
                all.push((*name, text(outcome), &**histogram));
            }
        }
    }
    all
}
