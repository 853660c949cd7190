//! What the components of a sidecar come to.

use std::sync::Arc;

use crate::pubsub::{PubSub, Subscription};
use crate::state::{Store, Stores};

/// Everything that requests find by a component's name. A reload replaces it as a whole; what did not change is the same
/// in the new one.
#[derive(Debug, Default)]
pub struct Components {
    pub(crate) state: Stores,
    pub(crate) pubsub: Named<PubSub>,
    /// What files say that the app subscribes to.
    pub(crate) subscriptions: Vec<Arc<Subscription>>,
    /// Every component, as metadata tells it.
    pub(crate) listed: Vec<Listed>,
}

/// A component as metadata tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// Its type, as `state.redis`.
    pub(crate) kind: String,
    pub(crate) version: String,
    pub(crate) capabilities: &'static [&'static str],
}

/// Things of one kind by the names of their components. A handful at most, so that a scan beats hashing the name.
#[derive(Debug)]
pub(crate) struct Named<T>(Vec<(String, Arc<T>)>);

// === impl Components ===

impl Components {
    /// The components of a sidecar that has state stores alone.
    pub(crate) fn of_stores(app_id: &str, stores: Vec<Store>) -> Self {
        let listed = stores.iter().map(Store::listed).collect();
        Self { state: Stores::new(app_id, stores), listed, ..Self::default() }
    }
}

// === impl Named ===

impl<T> Named<T> {
    pub(crate) fn add(&mut self, name: impl Into<String>, thing: Arc<T>) {
        self.0.push((name.into(), thing));
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<T>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, thing)| thing)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Arc<T>)> {
        self.0.iter().map(|(name, thing)| (name.as_str(), thing))
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
