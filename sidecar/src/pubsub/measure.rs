//! What is counted of events: the one place that a registry of metrics would be told by.

use std::time::Duration;

/// What became of an event that was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Processed {
    Success,
    Retry,
    Drop,
}

/// Events were published, or failed to be: Dapr's `component_pubsub_egress_count` and `_latencies`.
pub(super) fn egress(_pubsub: &str, _topic: &str, _events: usize, _success: bool, _took: Duration) {}

/// An event was delivered, or failed to be: Dapr's `component_pubsub_ingress_count` and `_latencies`.
pub(super) fn ingress(_pubsub: &str, _topic: &str, _processed: Processed, _took: Duration) {}
