//! One binding's keys in a configuration that several share.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Configuration, Items, Keys, Operation, Subscription};
use crate::binding::{Binding, Bound};
use crate::prefix::{Prefix, Prefixed};
use crate::{Answer, Counters, Result};

/// Makes a binding of a configuration, which knows one value, `prefix`: with it the binding sees no keys but its own,
/// and they have nothing in common with those of another prefix.
///
/// # Errors
///
/// [`Error::InvalidArgument`](crate::Error) if it was given another value, or the prefix is none.
pub fn prefixed(
    configuration: Arc<dyn Configuration>,
    binding: &Binding<'_>,
) -> Result<Bound<dyn Configuration>> {
    Ok(match Prefix::of(binding, configuration.name())? {
        None => Bound::by(configuration),
        Some(prefix) => Bound::by(Arc::new(Prefixed { inner: configuration, prefix })),
    })
}

/// Of what stands under some keys, what is of the prefix.
pub(super) fn own<T>(prefix: &Prefix, all: BTreeMap<String, T>) -> BTreeMap<String, T> {
    let own = |(key, item): (String, T)| Some((prefix.without(&key)?.to_owned(), item));
    all.into_iter().filter_map(own).collect()
}

// === impl Prefixed ===

impl Prefixed<dyn Configuration> {
    fn keys(&self, keys: Keys) -> Keys {
        match keys {
            Keys::All => Keys::All,
            Keys::These(names) => Keys::These(names.iter().map(|name| self.prefix.with(name)).collect()),
        }
    }
}

impl Configuration for Prefixed<dyn Configuration> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn counters(&self) -> &Counters<Operation> {
        self.inner.counters()
    }

    fn always_ready(&self) -> bool {
        self.inner.always_ready()
    }

    fn get(&self, keys: Keys) -> Answer<Items> {
        let prefix = self.prefix.clone();
        self.inner.get(self.keys(keys)).map(move |items| own(&prefix, items))
    }

    fn subscribe(&self, keys: Keys) -> Answer<Subscription> {
        let prefix = self.prefix.clone();
        self.inner.subscribe(self.keys(keys)).map(move |subscription| subscription.within(prefix))
    }

    fn unsubscribe(&self, id: &str) -> Answer<bool> {
        self.inner.unsubscribe(id)
    }
}
