//! The contract `Configuration`: values that an app reads and is told the changes of.
//!
//! It serves Dapr's configuration API; waSCC hands an actor its configuration when it is bound.

mod file;
mod prefixed;
mod redis;
mod subscriptions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::binding::{Binding, Bound};
use crate::{Answer, Counters, Error, Result, counters};

pub use file::File;
pub use prefixed::prefixed;
pub use redis::Redis;
pub use subscriptions::{MOST_SUBSCRIPTIONS, Subscription};

counters::operations! {
    Get = "get",
    Subscribe = "subscribe",
    Unsubscribe = "unsubscribe",
}

/// What stands under a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// The value, as text.
    pub value: String,
    /// What tells this value from others of its key; may be empty if the provider does not know.
    pub version: String,
    /// What else is said of it.
    pub metadata: BTreeMap<String, String>,
}

/// Items by key.
pub type Items = BTreeMap<String, Item>;

/// What became of some keys: the new item, or `None` for one that was removed.
pub type Changes = BTreeMap<String, Option<Item>>;

/// Which keys are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Every key.
    All,
    /// These; those that are not there have no item.
    These(BTreeSet<String>),
}

/// The capability contract for configuration. It is read, and written by other means.
pub trait Configuration: Send + Sync + 'static {
    /// The provider's name, for errors and metrics: `file`, `redis`.
    fn name(&self) -> &'static str;

    /// How often this provider was reached.
    fn counters(&self) -> &Counters<Operation>;

    /// Whether every call answers [`Answer::Ready`]. Changes are waited for all the same.
    fn always_ready(&self) -> bool;

    /// The items of these keys, as they were at one moment.
    fn get(&self, keys: Keys) -> Answer<Items>;

    /// Begins to tell the changes of these keys, from now on. [`Error::TooMuch`] if there are
    /// [`MOST_SUBSCRIPTIONS`].
    fn subscribe(&self, keys: Keys) -> Answer<Subscription>;

    /// Ends the subscription of this id; answers whether there was one. To drop it ends it too.
    fn unsubscribe(&self, id: &str) -> Answer<bool>;

    /// Makes a binding: answers what serves it, which knows the values of [`prefixed`]. See
    /// [`crate::binding`]; `this` is the provider itself.
    fn bind(&self, this: Arc<dyn Configuration>, binding: &Binding<'_>) -> Result<Bound<dyn Configuration>> {
        prefixed(this, binding)
    }
}

// === impl Keys ===

impl Keys {
    /// Some keys by their names, all if none is named.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
        if names.is_empty() { Self::All } else { Self::These(names) }
    }

    /// Those of the items that are asked for.
    fn of(&self, items: &Items) -> Items {
        match self {
            Self::All => items.clone(),
            Self::These(names) => {
                let item = |name: &String| Some((name.clone(), items.get(name)?.clone()));
                names.iter().filter_map(item).collect()
            }
        }
    }
}

// === free functions ===

/// Refuses to look for changes all the time.
fn check_period(every: Duration) -> Result<()> {
    if every.is_zero() {
        let said = "changes cannot be looked for all the time; give a time between two looks, such as 1 s";
        return Err(Error::InvalidArgument(said.to_owned()));
    }
    Ok(())
}
