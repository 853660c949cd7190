//! A state store: a provider under a component's name.

use std::fmt;
use std::sync::Arc;

use pillion_capabilities::KeyValue;
use pillion_capabilities::trace::Tracing;

use super::KeyPrefix;
use super::prefix::prefixed;
use crate::ApiError;
use crate::component::Listed;
use crate::metrics::Meter;
use crate::resiliency::{Direction, Policy, Resiliency};

/// What keeps a store's values; each treats a foreign etag as Dapr's component of that type does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// `state.in-memory`
    Memory,
    /// `state.redis`
    Redis,
    /// `state.redb`, the project's own
    Redb,
}

/// A state store: a provider under a component's name.
#[derive(Clone)]
pub struct Store {
    /// The component's name, by which requests find it.
    pub name: String,
    /// What keeps the values.
    pub backend: Backend,
    /// The component's version, as `v1`.
    pub version: String,
    /// The provider.
    pub provider: Arc<dyn KeyValue>,
    /// What makes a span of each call of the provider.
    pub(crate) tracing: Option<Tracing>,
    /// What is done where a call of the provider fails, if anything is said.
    pub(crate) policy: Option<Arc<Policy>>,
    /// What counts each call of the provider.
    pub(crate) meter: Option<Arc<Meter>>,
    prefix: String,
}

/// The stores of a sidecar.
#[derive(Debug, Default)]
pub struct Stores {
    app_id: String,
    stores: Vec<Store>,
}

// === impl Backend ===

impl Backend {
    /// The component type.
    #[must_use]
    pub const fn component_type(self) -> &'static str {
        match self {
            Self::Memory => "state.in-memory",
            Self::Redis => "state.redis",
            Self::Redb => "state.redb",
        }
    }

    /// What Dapr's component of this type says of itself, whether or not a call of this sidecar's makes use of it.
    pub(crate) const fn capabilities(self) -> &'static [&'static str] {
        match self {
            Self::Memory => &["ETAG", "TRANSACTIONAL", "TTL", "DELETE_WITH_PREFIX", "KEYS_LIKE"],
            Self::Redis => &["ETAG", "TRANSACTIONAL", "TTL", "DELETE_WITH_PREFIX", "KEYS_LIKE", "ACTOR"],
            Self::Redb => &["ETAG", "TRANSACTIONAL", "TTL"],
        }
    }
}

// === impl Store ===

impl Store {
    /// A store of an app over a provider. `namespace` matters for [`KeyPrefix::Namespace`] only.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        backend: Backend,
        provider: Arc<dyn KeyValue>,
        prefix: &KeyPrefix,
        app_id: &str,
        namespace: Option<&str>,
    ) -> Self {
        let name = name.into();
        let prefix = prefix.resolve(app_id, &name, namespace);
        let version = "v1".to_owned();
        Self { name, backend, version, provider, tracing: None, policy: None, meter: None, prefix }
    }

    /// The store as metadata tells it.
    pub(crate) fn listed(&self) -> Listed {
        Listed {
            name: self.name.clone(),
            kind: self.backend.component_type().to_owned(),
            version: self.version.clone(),
            capabilities: self.backend.capabilities(),
        }
    }

    /// The key as the provider knows it.
    pub(super) fn key(&self, key: &str) -> Result<String, ApiError> {
        prefixed(&self.prefix, key, &self.name)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("name", &self.name)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

// === impl Stores ===

impl Stores {
    /// The stores of an app.
    pub(crate) fn new(app_id: &str, stores: Vec<Store>) -> Self {
        Self { app_id: app_id.to_owned(), stores }
    }

    /// Adds a store.
    pub(crate) fn add(&mut self, store: Store) {
        self.stores.push(store);
    }

    /// Sets what is done where calls of the stores fail.
    pub(crate) fn police(&mut self, resiliency: &Resiliency) {
        for store in &mut self.stores {
            let policy = resiliency.component(&store.name, "Statestore", Direction::Outbound);
            store.policy = policy.map(Arc::new);
        }
    }

    /// The store of this name. A handful at most, so that a scan beats hashing the name.
    pub(crate) fn find(&self, name: &str) -> Result<&Store, ApiError> {
        self.stores.iter().find(|store| store.name == name).ok_or_else(|| {
            if self.stores.is_empty() {
                ApiError::store_not_configured(name, &self.app_id)
            } else {
                ApiError::store_not_found(name, &self.app_id)
            }
        })
    }

    /// Has each count its calls.
    pub(crate) fn measure(&mut self, meter: impl Fn() -> Meter) {
        self.stores.iter_mut().for_each(|store| store.meter = Some(Arc::new(meter())));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Store> {
        self.stores.iter()
    }
}
