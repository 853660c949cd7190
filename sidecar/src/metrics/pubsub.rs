//! What is counted of messages.

use std::time::Duration;

use super::histogram::{Bounds, Histogram};
use super::series::Series;

/// The messages of all components, by topic and outcome.
#[derive(Debug)]
pub(crate) struct PubSub {
    bounds: Bounds,
    /// What was published.
    pub(super) egress: Messages,
    /// What was published in bulk.
    pub(super) bulk_egress: Messages,
    /// What was delivered to the app.
    pub(super) ingress: Messages,
    /// What was delivered to the app in bulk.
    pub(super) bulk_ingress: Messages,
}

/// Messages one way, by topic: topics are the app's to invent.
pub(super) type Messages = Series<Sort, Histogram>;

/// What messages of a topic are told apart by.
#[derive(Clone, Debug)]
pub(super) struct Sort {
    pub(super) component: String,
    pub(super) outcome: &'static str,
}

/// The same, of a message that is counted.
struct Borrowed<'a> {
    component: &'a str,
    outcome: &'static str,
}

// === impl PubSub ===

impl PubSub {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let bounds = bounds.clone();
        let [egress, bulk_egress, ingress, bulk_ingress] = Default::default();
        Self { bounds, egress, bulk_egress, ingress, bulk_ingress }
    }

    /// Counts what was published, or what was not.
    pub(crate) fn egress(&self, component: &str, topic: &str, success: bool, took: Duration) {
        self.count(&self.egress, component, topic, if success { "true" } else { "false" }, took);
    }

    /// Counts a request to publish in bulk.
    pub(crate) fn bulk_egress(&self, component: &str, topic: &str, success: bool, took: Duration) {
        self.count(&self.bulk_egress, component, topic, if success { "true" } else { "false" }, took);
    }

    /// Counts what was delivered: `success`, `retry` or `drop`.
    pub(crate) fn ingress(&self, component: &str, topic: &str, status: &'static str, took: Duration) {
        self.count(&self.ingress, component, topic, status, took);
    }

    /// Counts what was delivered in bulk.
    pub(crate) fn bulk_ingress(&self, component: &str, topic: &str, status: &'static str, took: Duration) {
        self.count(&self.bulk_ingress, component, topic, status, took);
    }

    fn count(&self, way: &Messages, component: &str, topic: &str, outcome: &'static str, took: Duration) {
        way.with(topic, Borrowed { component, outcome }, |histogram| histogram.add_time(&self.bounds, took));
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }
}

// === impl Borrowed ===

impl PartialEq<Sort> for Borrowed<'_> {
    fn eq(&self, known: &Sort) -> bool {
        self.outcome == known.outcome && self.component == known.component
    }
}

impl From<Borrowed<'_>> for Sort {
    fn from(Borrowed { component, outcome }: Borrowed<'_>) -> Self {
        Self { component: component.to_owned(), outcome }
    }
}
