//! What is counted of messages.

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
pub(super) struct Messages(RwLock<Series>);

#[derive(Debug, Default)]
struct Series {
    components: BTreeMap<String, BTreeMap<String, Outcomes>>,
    /// How many there are.
    count: usize,
}

/// What came of messages of a topic.
type Outcomes = Vec<(&'static str, Arc<Histogram>)>;
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
        if let Some(found) =
            self.0.read().unwrap_or_else(PoisonError::into_inner).find(component, topic, outcome)
        {
            return found.add_time(bounds, took);
        }
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .add(component, topic, outcome)
            .add_time(bounds, took);
    }

    /// What was counted.
    pub(super) fn all(&self) -> BTreeMap<Key, Arc<Histogram>> {
        let series = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let topics = series.components.iter().flat_map(|(component, topics)| {
            topics.iter().map(move |(topic, outcomes)| (component, topic, outcomes))
        });
        let all = topics.flat_map(|(component, topic, outcomes)| {
            outcomes.iter().map(move |(outcome, histogram)| {
                ((component.clone(), topic.clone(), *outcome), Arc::clone(histogram))
            })
        });
        all.collect()
    }
}

// === impl Series ===

impl Series {
    fn find(&self, component: &str, topic: &str, outcome: &str) -> Option<&Histogram> {
        let outcomes = self.components.get(component)?.get(topic)?;
        outcomes.iter().find(|(known, _)| *known == outcome).map(|(_, histogram)| &**histogram)
    }

    fn add(&mut self, component: &str, topic: &str, outcome: &'static str) -> Arc<Histogram> {
        let topic =
            if self.count < MOST || self.find(component, topic, outcome).is_some() { topic } else { OTHER };
        let topics = self.components.entry(component.to_owned()).or_default();
        let outcomes = topics.entry(topic.to_owned()).or_default();
        if let Some((_, found)) = outcomes.iter().find(|(known, _)| *known == outcome) {
            return Arc::clone(found);
        }
        self.count += 1;
        let histogram = Arc::<Histogram>::default();
        outcomes.push((outcome, Arc::clone(&histogram)));
        histogram
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
