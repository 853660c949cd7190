//! The secrets API: what both protocols ask of a secret store.
//!
//! No value of a secret is ever in an error or a log line.

mod error;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use pillion_capabilities::secrets::{Secret, SecretString};
use pillion_capabilities::{Error, Secrets};

use crate::component::Components;
use crate::metrics::Meter;
use crate::resiliency::{Policy, called};
use crate::{ApiError, Sidecar};

/// A secret store: a provider under a component's name.
pub(crate) struct SecretStore {
    pub(crate) provider: Arc<dyn Secrets>,
    missing: Missing,
    /// What is done where a request for secrets fails, if anything is said. What components need of it is not under it.
    pub(crate) policy: Option<Policy>,
    pub(crate) meter: OnceLock<Meter>,
}

/// The operations that are counted, by Dapr's names.
pub(crate) const MEASURED: &[&str] = &["get", "bulk_get"];

/// What a store of this type answers for a secret that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The empty text, as for a variable that is not set.
    Empty,
    /// A failure.
    Failure,
}

/// One secret.
pub(crate) async fn get(
    sidecar: &Sidecar,
    components: &Components,
    store: &str,
    key: &str,
) -> Result<Secret, ApiError> {
    let found = find(components, store)?;
    if !sidecar.settings.secret_scopes.allow(store, key) {
        return Err(error::denied(store, key));
    }
    let begun = Instant::now();
    let secret = called(found.policy.as_ref(), || named(store), || found.provider.get(key)).await;
    let secret = found.said(key, secret);
    found.count("get", secret.is_ok(), begun);
    secret.map_err(|reason| error::get(store, key, &reason))
}

/// Every secret that the app may read, by name.
pub(crate) async fn bulk(
    sidecar: &Sidecar,
    components: &Components,
    store: &str,
) -> Result<BTreeMap<String, Secret>, ApiError> {
    let found = find(components, store)?;
    let begun = Instant::now();
    let secrets = called(found.policy.as_ref(), || named(store), || found.provider.bulk()).await;
    found.count("bulk_get", secrets.is_ok(), begun);
    let mut secrets = secrets.map_err(|reason| error::bulk(store, &reason))?;
    secrets.retain(|key, _| sidecar.settings.secret_scopes.allow(store, key));
    Ok(secrets)
}

/// What a store is called in failures.
fn named(store: &str) -> String {
    format!("secret store {store}")
}

fn find<'a>(components: &'a Components, store: &str) -> Result<&'a Arc<SecretStore>, ApiError> {
    components.secrets.find(store).ok_or_else(|| match components.secrets.is_empty() {
        true => error::not_configured(),
        false => error::not_found(store),
    })
}

// === impl SecretStore ===

impl SecretStore {
    pub(crate) fn new(provider: Arc<dyn Secrets>, missing: Missing) -> Self {
        Self { provider, missing, policy: None, meter: OnceLock::new() }
    }

    fn count(&self, operation: &str, success: bool, begun: Instant) {
        if let Some(meter) = self.meter.get() {
            meter.count(operation, success, Some(begun));
        }
    }

    /// One secret, whoever asks.
    pub(crate) async fn get(&self, key: &str) -> Result<Secret, String> {
        self.said(key, self.provider.get(key).wait().await)
    }

    /// What the provider's answer comes to.
    fn said(&self, key: &str, answer: Result<Option<Secret>, Error>) -> Result<Secret, String> {
        match answer {
            Ok(Some(secret)) => Ok(secret),
            Ok(None) if self.missing == Missing::Empty => {
                Ok(Secret::from([(key.to_owned(), SecretString::from(String::new()))]))
            }
            Ok(None) => Err(format!("secret {key} not found")),
            Err(Error::InvalidArgument(reason)) => Err(reason),
            Err(reason) => Err(reason.to_string()),
        }
    }
}

impl std::fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretStore").field("provider", &self.provider.name()).finish_non_exhaustive()
    }
}
