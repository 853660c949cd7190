//! What is counted of one component.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::histogram::{Bounds, Histogram};

/// The calls of a component by operation: how many went well and how many did not, and how long they took.
#[derive(Debug)]
pub(crate) struct Meter {
    bounds: Bounds,
    operations: Box<[(&'static str, [OnceLock<Box<Histogram>>; 2])]>,
}

// === impl Meter ===

impl Meter {
    /// Nothing is counted yet of these operations.
    pub(crate) fn new(bounds: &Bounds, operations: &[&'static str]) -> Self {
        let operations = operations.iter().map(|operation| (*operation, Default::default()));
        Self { bounds: bounds.clone(), operations: operations.collect() }
    }

    /// Counts a call. One that answered without waiting took no time that is worth a look at the clock.
    #[inline]
    pub(crate) fn count(&self, operation: &str, success: bool, begun: Option<Instant>) {
        let found = self.operations.iter().find(|(known, _)| *known == operation);
        let Some((_, [failed, done])) = found else { return };
        let histogram = if success { done } else { failed }.get_or_init(Box::default);
        histogram.add_time(&self.bounds, begun.map_or(Duration::ZERO, |begun| begun.elapsed()));
    }

    /// What was counted of each operation, if anything was.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, bool, &Histogram)> {
        self.operations.iter().flat_map(|(operation, outcomes)| {
            let outcome = [false, true].into_iter().zip(outcomes);
            outcome.filter_map(|(success, histogram)| Some((*operation, success, &**histogram.get()?)))
        })
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }
}
