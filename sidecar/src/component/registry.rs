//! What the components of a sidecar come to.

use std::sync::Arc;

use super::Manifest;
use crate::bindings::OutputBinding;
use crate::bindings::input::{self, InputBinding};
use crate::configuration::ConfigurationStore;
use crate::lock::LockStore;
use crate::metrics::{Bounds, Meter};
use crate::middleware::Middleware;
use crate::pubsub::{PubSub, Subscription};
use crate::resiliency::{Direction, Resiliency};
use crate::secrets::SecretStore;
use crate::state::{Store, Stores};

/// Everything that requests find by a component's name. A reload replaces it as a whole; what did not change is the same
/// in the new one.
#[derive(Debug, Default)]
pub struct Components {
    pub(crate) state: Stores,
    pub(crate) secrets: Named<SecretStore>,
    pub(crate) configuration: Named<ConfigurationStore>,
    pub(crate) locks: Named<LockStore>,
    pub(crate) middleware: Named<Middleware>,
    pub(crate) pubsub: Named<PubSub>,
    /// What files say that the app subscribes to.
    pub(crate) subscriptions: Vec<Arc<Subscription>>,
    pub(crate) outputs: Named<OutputBinding>,
    pub(crate) inputs: Named<InputBinding>,
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

// === impl Listed ===

impl Listed {
    /// A component by its file.
    pub(crate) fn of(manifest: &Manifest, capabilities: &'static [&'static str]) -> Self {
        let Manifest { name, kind, version, .. } = manifest;
        Self { name: name.clone(), kind: kind.clone(), version: version.clone(), capabilities }
    }
}

// === impl Components ===

impl Components {
    /// The components of a sidecar that has state stores alone.
    pub(crate) fn of_stores(app_id: &str, stores: Vec<Store>) -> Self {
        let listed = stores.iter().map(Store::listed).collect();
        Self { state: Stores::new(app_id, stores), listed, ..Self::default() }
    }

    /// Sets what is done where calls of components fail. Nobody else has them yet.
    pub(super) fn police(&mut self, resiliency: &Resiliency) {
        self.state.police(resiliency);
        let outbound = |name: &str, kind: &str| resiliency.component(name, kind, Direction::Outbound);
        let inbound = |name: &str, kind: &str| resiliency.component(name, kind, Direction::Inbound);
        for (name, pubsub) in self.pubsub.own() {
            pubsub.policy = outbound(name, "Pubsub");
            pubsub.inbound = inbound(name, "Pubsub");
        }
        self.secrets.own().for_each(|(name, store)| store.policy = outbound(name, "Secretstore"));
        self.configuration.own().for_each(|(name, store)| store.policy = outbound(name, "Configuration"));
        self.locks.own().for_each(|(name, store)| store.policy = outbound(name, "Lock"));
        self.outputs.own().for_each(|(name, binding)| binding.policy = outbound(name, "Binding"));
        self.inputs.own().for_each(|(name, binding)| binding.inbound = inbound(name, "Binding"));
    }

    /// Has each count its calls, if it is of a kind of which Dapr does.
    pub(super) fn measure(&mut self, times: &Bounds) {
        self.state.measure(|| Meter::new(times, crate::state::MEASURED));
        for (_, store) in self.secrets.iter() {
            store.meter.get_or_init(|| Meter::new(times, crate::secrets::MEASURED));
        }
        for (_, store) in self.configuration.iter() {
            store.meter.get_or_init(|| Meter::new(times, crate::configuration::MEASURED));
        }
        for (_, binding) in self.inputs.iter() {
            binding.meter.get_or_init(|| Meter::new(times, input::MEASURED));
        }
        for (_, binding) in self.outputs.iter() {
            binding.meter.get_or_init(|| Meter::new(times, binding.output.operations()));
        }
    }

    /// Adds what others have.
    pub(super) fn add(&mut self, others: &Self) {
        // By name, so that nothing is forgotten.
        let Self {
            state,
            secrets,
            configuration,
            locks,
            outputs,
            inputs,
            middleware,
            pubsub,
            subscriptions,
            listed,
        } = others;
        state.iter().for_each(|store| self.state.add(store.clone()));
        self.pubsub.add_all(pubsub);
        self.subscriptions.extend(subscriptions.iter().cloned());
        self.secrets.add_all(secrets);
        self.configuration.add_all(configuration);
        self.locks.add_all(locks);
        self.outputs.add_all(outputs);
        self.middleware.add_all(middleware);
        self.inputs.add_all(inputs);
        self.listed.extend(listed.iter().cloned());
    }
}

// === impl Named ===

impl<T> Named<T> {
    pub(crate) fn add(&mut self, name: impl Into<String>, thing: Arc<T>) {
        self.0.push((name.into(), thing));
    }

    pub(crate) fn add_all(&mut self, others: &Self) {
        self.0.extend(others.0.iter().cloned());
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<T>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, thing)| thing)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that nobody else has yet.
    fn own(&mut self) -> impl Iterator<Item = (&str, &mut T)> {
        self.0.iter_mut().filter_map(|(name, thing)| Some((name.as_str(), Arc::get_mut(thing)?)))
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
