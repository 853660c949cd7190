//! What is counted of events.

use std::time::Duration;

use crate::Sidecar;

/// What became of an event that was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Processed {
    Success,
    Retry,
    Drop,
}

/// Events were published, or failed to be: Dapr's `component_pubsub_egress_count` and `_latencies`.
pub(super) fn egress(sidecar: &Sidecar, pubsub: &str, topic: &str, success: bool, took: Duration) {
    if let Some(metrics) = &sidecar.metrics {
        metrics.pubsub.egress(pubsub, topic, success, took);
    }
}

/// Events were published in one go, or some of them failed to be: Dapr's `component_pubsub_egress_bulk_count`.
pub(super) fn bulk_egress(sidecar: &Sidecar, pubsub: &str, topic: &str, success: bool, took: Duration) {
    if let Some(metrics) = &sidecar.metrics {
        metrics.pubsub.bulk_egress(pubsub, topic, success, took);
    }
}

/// An event was delivered, or failed to be: Dapr's `component_pubsub_ingress_count` and `_latencies`.
pub(super) fn ingress(sidecar: &Sidecar, pubsub: &str, topic: &str, processed: Processed, took: Duration) {
    let status = match processed {
        Processed::Success => "success",
        Processed::Retry => "retry",
        Processed::Drop => "drop",
    };
    if let Some(metrics) = &sidecar.metrics {
        metrics.pubsub.ingress(pubsub, topic, status, took);
    }
}
