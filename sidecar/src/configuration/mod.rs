//! The configuration API: what both protocols ask of a configuration store, and how an app that is called over HTTP is
//! told of changes.

mod deliver;
mod error;
mod item;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use http::StatusCode;
use pillion_capabilities::configuration::{Items, Keys, Subscription};
use pillion_capabilities::{Answer, Configuration, Error};
use tonic::Code;

use crate::component::Components;
use crate::metrics::Meter;
use crate::resiliency::{Policy, called};
use crate::{ApiError, Sidecar};

pub(crate) use item::Item;

/// A configuration store: a provider under a component's name.
pub(crate) struct ConfigurationStore {
    pub(crate) provider: Arc<dyn Configuration>,
    /// What is done where reading and subscribing fails, if anything is said. A subscription that was not begun leaves
    /// nothing behind; one is always ended, whatever became of the circuit.
    pub(crate) policy: Option<Policy>,
    pub(crate) meter: OnceLock<Meter>,
}

/// The operations that are counted, by Dapr's names.
pub(crate) const MEASURED: &[&str] = &["get", "subscribe", "unsubscribe"];

/// The items of these keys, of all if none is named.
pub(crate) async fn get(
    components: &Components,
    store: &str,
    keys: &[impl AsRef<str>],
) -> Result<Items, ApiError> {
    let found = find(components, store)?;
    let got = found.counted("get", found.called(store, || found.provider.get(named(keys)))).await;
    got.map_err(|reason| error::get(store, keys, &reason))
}

/// Begins to tell the changes of these keys, of all if none is named.
pub(crate) async fn subscribe(
    components: &Components,
    store: &str,
    keys: &[impl AsRef<str>],
) -> Result<Subscription, ApiError> {
    let found = find(components, store)?;
    let begun =
        found.counted("subscribe", found.called(store, || found.provider.subscribe(named(keys)))).await;
    begun.map_err(|reason| error::subscribe(store, keys, &reason))
}

/// Begins to tell the app of the changes of these keys; answers the subscription's id.
pub(crate) async fn subscribe_app(
    sidecar: &Arc<Sidecar>,
    components: &Components,
    store: &str,
    keys: &[impl AsRef<str>],
) -> Result<String, ApiError> {
    find(components, store)?;
    if sidecar.app.is_none() {
        return Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Internal,
            "ERR_APP_CHANNEL_NIL",
            "app channel is not initialized. cannot subscribe to configuration updates",
        ));
    }
    let subscription = subscribe(components, store, keys).await?;
    let id = subscription.id().to_owned();
    deliver::begin(Arc::clone(sidecar), store.to_owned(), subscription);
    Ok(id)
}

/// Ends a subscription; what keeps it from that is a text for the answer.
pub(crate) async fn unsubscribe(
    components: &Components,
    store: &str,
    id: &str,
) -> Result<Result<(), String>, ApiError> {
    let found = find(components, store)?;
    Ok(match found.counted("unsubscribe", found.provider.unsubscribe(id).wait()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(error::unsubscribe(id, &format!("subscription with id {id} does not exist"))),
        Err(reason) => Err(error::unsubscribe(id, &reason.to_string())),
    })
}

fn named(keys: &[impl AsRef<str>]) -> Keys {
    Keys::named(keys.iter().map(AsRef::as_ref))
}

fn find<'a>(components: &'a Components, store: &str) -> Result<&'a Arc<ConfigurationStore>, ApiError> {
    components.configuration.find(store).ok_or_else(|| match components.configuration.is_empty() {
        true => error::not_configured(),
        false => error::not_found(store),
    })
}

// === impl ConfigurationStore ===

impl ConfigurationStore {
    pub(crate) fn new(provider: Arc<dyn Configuration>) -> Self {
        Self { provider, policy: None, meter: OnceLock::new() }
    }

    /// Has the provider called, as the store's policy has it if there is one.
    fn called<T>(
        &self,
        name: &str,
        call: impl FnMut() -> Answer<T>,
    ) -> impl Future<Output = Result<T, Error>> {
        called(self.policy.as_ref(), move || format!("configuration store {name}"), call)
    }

    async fn counted<T>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        let result = call.await;
        if let Some(meter) = self.meter.get() {
            meter.count(operation, result.is_ok(), Some(begun));
        }
        result
    }
}

impl std::fmt::Debug for ConfigurationStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigurationStore").field("provider", &self.provider.name()).finish_non_exhaustive()
    }
}
