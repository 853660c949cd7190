//! What is counted of messages.
#![allow(dead_code, reason = "counted by whoever publishes and delivers")]

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::histogram::{Bounds, Histogram};

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

/// Messages one way.
#[derive(Debug, Default)]
pub(super) struct Messages(RwLock<BTreeMap<Key, Arc<Histogram>>>);

/// Component, topic and outcome.
type Key = (String, String, &'static str);

/// Topics are the app's to invent: so many series there are of one way at most, and the rest is counted under this name.
const MOST: usize = 1000;
const OTHER: &str = "other";

// === impl PubSub ===

impl PubSub {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let bounds = bounds.clone();
        let [egress, bulk_egress, ingress, bulk_ingress] = Default::default();
        Self { bounds, egress, bulk_egress, ingress, bulk_ingress }
    }

    /// Counts what was published, or what was not.
    pub(crate) fn egress(&self, component: &str, topic: &str, success: bool, took: Duration) {
        self.egress.count(&self.bounds, component, topic, if success { "true" } else { "false" }, took);
    }

    /// Counts a request to publish in bulk.
    pub(crate) fn bulk_egress(&self, component: &str, topic: &str, success: bool, took: Duration) {
        self.bulk_egress.count(&self.bounds, component, topic, if success { "true" } else { "false" }, took);
    }

    /// Counts what was delivered: `success`, `retry` or `drop`.
    pub(crate) fn ingress(&self, component: &str, topic: &str, status: &'static str, took: Duration) {
        self.ingress.count(&self.bounds, component, topic, status, took);
    }

    /// Counts what was delivered in bulk.
    pub(crate) fn bulk_ingress(&self, component: &str, topic: &str, status: &'static str, took: Duration) {
        self.bulk_ingress.count(&self.bounds, component, topic, status, took);
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }
}

// === impl Messages ===

impl Messages {
    fn count(&self, bounds: &Bounds, component: &str, topic: &str, outcome: &'static str, took: Duration) {
        self.series(component, topic, outcome).add_time(bounds, took);
    }

    fn series(&self, component: &str, topic: &str, outcome: &'static str) -> Arc<Histogram> {
        let key: Key = (component.to_owned(), topic.to_owned(), outcome);
        if let Some(found) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(found);
        }
        let mut series = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let full = series.len() >= MOST && !series.contains_key(&key);
        let key = if full { (key.0, OTHER.to_owned(), outcome) } else { key };
        Arc::clone(series.entry(key).or_default())
    }

    /// What was counted.
    pub(super) fn all(&self) -> BTreeMap<Key, Arc<Histogram>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_bounded() {
        let bounds = Bounds::times();
        let pubsub = PubSub::new(&bounds);
        for number in 0..10_000 {
            pubsub.egress("bus", &number.to_string(), true, Duration::ZERO);
        }
        pubsub.egress("bus", "5", true, Duration::ZERO);
        let all = pubsub.egress.all();
        assert_eq!(all.len(), MOST + 1);
        let count = |topic: &str| {
            let key = ("bus".to_owned(), topic.to_owned(), "true");
            all[&key].distribution(&bounds).count
        };
        assert_eq!((count("5"), count(OTHER)), (2, 9_000));
    }
}
