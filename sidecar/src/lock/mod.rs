//! The lock API: what both protocols ask of a lock store.

mod error;

use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::lock::Unlocked;
use pillion_capabilities::{Error, Lock};

use crate::ApiError;
use crate::component::Components;
use crate::resiliency::{Policy, called};

/// A lock store: a provider under a component's name.
pub(crate) struct LockStore {
    pub(crate) provider: Arc<dyn Lock>,
    /// What is done where calls of it fail, if anything is said.
    pub(crate) policy: Option<Policy>,
    /// What is put before every resource, as `lock||app||`.
    prefix: String,
}

/// A component's `keyPrefix`: whose locks they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// The app's; without an id, everybody's.
    AppId,
    /// The component's, whichever app uses it.
    Name,
    /// Everybody's.
    None,
    /// Theirs who give this text.
    Literal(String),
}

/// What a lock is asked for.
pub(crate) struct TryLock<'a> {
    pub(crate) store: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) owner: &'a str,
    pub(crate) expiry_in_seconds: i32,
}

const SEPARATOR: &str = "||";

/// Takes a lock; answers whether it was free.
pub(crate) async fn try_lock(components: &Components, asked: TryLock<'_>) -> Result<bool, ApiError> {
    let store = find(components, asked.store, asked.resource, asked.owner)?;
    let seconds = u64::try_from(asked.expiry_in_seconds).unwrap_or(0);
    if seconds == 0 {
        return Err(error::expiry_not_positive(asked.store));
    }
    let resource = store.key(asked.resource).map_err(error::try_lock)?;
    let time = Duration::from_secs(seconds);
    let taken = match &store.policy {
        None => store.provider.try_lock(&resource, asked.owner, time).wait().await,
        Some(policy) => Box::pin(store.try_under(policy, &asked, &resource, time)).await,
    };
    taken.map_err(error::try_lock)
}

/// Gives a lock back. It may safely be done again: of a lock that is somebody else's by then, another try takes nothing.
pub(crate) async fn unlock(
    components: &Components,
    store: &str,
    resource: &str,
    owner: &str,
) -> Result<Unlocked, ApiError> {
    let found = find(components, store, resource, owner)?;
    let resource = found.key(resource).map_err(error::unlock)?;
    let unlocked =
        called(found.policy.as_ref(), || named(store), || found.provider.unlock(&resource, owner)).await;
    unlocked.map_err(error::unlock)
}

/// What a store is called in failures.
fn named(store: &str) -> String {
    format!("lock store {store}")
}

fn find<'a>(
    components: &'a Components,
    store: &str,
    resource: &str,
    owner: &str,
) -> Result<&'a LockStore, ApiError> {
    if components.locks.is_empty() {
        return Err(error::not_configured());
    }
    if resource.is_empty() {
        return Err(error::empty("ResourceId", store));
    }
    if owner.is_empty() {
        return Err(error::empty("LockOwner", store));
    }
    components.locks.find(store).map(|found| &**found).ok_or_else(|| error::not_found(store))
}

// === impl LockStore ===

impl LockStore {
    /// The lock store of an app over a provider.
    pub(crate) fn new(provider: Arc<dyn Lock>, prefix: &Prefix, component: &str, app_id: &str) -> Self {
        let own = match prefix {
            Prefix::AppId => app_id,
            Prefix::Name => component,
            Prefix::None => "",
            Prefix::Literal(text) => text,
        };
        let prefix = match own {
            "" => format!("lock{SEPARATOR}"),
            own => format!("lock{SEPARATOR}{own}{SEPARATOR}"),
        };
        Self { provider, policy: None, prefix }
    }

    /// Takes a lock as often as a policy has it. A try that failed may have taken the lock all the same, and a later one
    /// then finds it taken: whether that is by this owner's own try is not known, and is not said to be by somebody else.
    async fn try_under(
        &self,
        policy: &Policy,
        asked: &TryLock<'_>,
        resource: &str,
        time: Duration,
    ) -> Result<bool, Error> {
        let mut tries = 0_u64;
        let call = || {
            tries += 1;
            self.provider.try_lock(resource, asked.owner, time).wait()
        };
        let taken = policy.call(|| named(asked.store), call).await?;
        if !taken && tries > 1 {
            let reason = format!(
                "it is taken, maybe by one of {tries} tries, whose answers did not come; unlock it, or wait until its time \
                 is over"
            );
            return Err(Error::Failed { provider: named(asked.store), reason });
        }
        Ok(taken)
    }

    fn key(&self, resource: &str) -> Result<String, String> {
        check(resource)?;
        Ok(format!("{}{resource}", self.prefix))
    }
}

impl std::fmt::Debug for LockStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockStore").field("provider", &self.provider.name()).finish_non_exhaustive()
    }
}

// === impl Prefix ===

impl Prefix {
    /// Reads a component's setting.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        check(text)?;
        Ok(match text.to_ascii_lowercase().as_str() {
            "" | "appid" => Self::AppId,
            "name" => Self::Name,
            "none" => Self::None,
            _ => Self::Literal(text.to_owned()),
        })
    }
}

fn check(text: &str) -> Result<(), String> {
    match text.contains(SEPARATOR) {
        true => Err(format!("input key/keyPrefix '{text}' can't contain '{SEPARATOR}'")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use pillion_capabilities::lock::Memory;

    use super::*;

    #[test]
    fn locks_are_named_as_with_dapr() {
        for (setting, app, expected) in [
            ("", "app", "lock||app||r"),
            ("appId", "app", "lock||app||r"),
            ("appid", "", "lock||r"),
            ("name", "app", "lock||locks||r"),
            ("none", "app", "lock||r"),
            ("Shared", "app", "lock||Shared||r"),
        ] {
            let prefix = Prefix::parse(setting).unwrap();
            let store = LockStore::new(Arc::new(Memory::new()), &prefix, "locks", app);
            assert_eq!(store.key("r").as_deref(), Ok(expected), "{setting}");
            assert!(store.key("a||b").is_err());
        }
        assert!(Prefix::parse("a||b").is_err());
    }
}
