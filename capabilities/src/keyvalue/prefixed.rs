//! One binding's keys in a store that several share.

use std::sync::Arc;

use bytes::Bytes;

use super::{Change, Entry, Etag, KeyValue, Operation, SetOptions, When};
use crate::binding::{Binding, Bound};
use crate::condition::{check_changes, check_delete, check_key, check_keys, check_set};
use crate::prefix::{Prefix, Prefixed};
use crate::{Answer, Counters, Result};

/// Makes a binding of a store, which knows one value, `prefix`: with it the binding sees no keys but its own, and they
/// have nothing in common with those of another prefix.
///
/// # Errors
///
/// [`Error::InvalidArgument`](crate::Error) if it was given another value, or the prefix is none.
pub fn prefixed(store: Arc<dyn KeyValue>, binding: &Binding<'_>) -> Result<Bound<dyn KeyValue>> {
    Ok(match Prefix::of(binding, store.name())? {
        None => Bound::by(store),
        Some(prefix) => Bound::by(Arc::new(Prefixed { inner: store, prefix })),
    })
}

// === impl Prefixed ===

impl Prefixed<dyn KeyValue> {
    fn at_all<T: Send + 'static>(
        &self,
        keys: &[&str],
        call: impl FnOnce(&dyn KeyValue, &[&str]) -> Answer<T>,
    ) -> Answer<T> {
        self.after(check_keys(keys), || {
            let keys: Vec<String> = keys.iter().map(|key| self.prefix.with(key)).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            call(&*self.inner, &keys)
        })
    }
}

impl KeyValue for Prefixed<dyn KeyValue> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn counters(&self) -> &Counters<Operation> {
        self.inner.counters()
    }

    fn always_ready(&self) -> bool {
        self.inner.always_ready()
    }

    fn get(&self, key: &str) -> Answer<Option<Entry>> {
        self.at(check_key(key), key, |store, key| store.get(key))
    }

    fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Answer<Etag> {
        self.at(check_set(key, options), key, |store, key| store.set(key, value, options))
    }

    fn delete(&self, key: &str, when: When) -> Answer<bool> {
        self.at(check_delete(key, when), key, |store, key| store.delete(key, when))
    }

    fn exists(&self, key: &str) -> Answer<bool> {
        self.at(check_key(key), key, |store, key| store.exists(key))
    }

    fn add(&self, key: &str, delta: i64) -> Answer<i64> {
        self.at(check_key(key), key, |store, key| store.add(key, delta))
    }

    fn list_push(&self, key: &str, value: Bytes) -> Answer<u64> {
        self.at(check_key(key), key, |store, key| store.list_push(key, value))
    }

    fn list_range(&self, key: &str, start: i64, stop: i64) -> Answer<Vec<Bytes>> {
        self.at(check_key(key), key, |store, key| store.list_range(key, start, stop))
    }

    fn list_remove(&self, key: &str, value: Bytes) -> Answer<u64> {
        self.at(check_key(key), key, |store, key| store.list_remove(key, value))
    }

    fn list_clear(&self, key: &str) -> Answer<bool> {
        self.at(check_key(key), key, |store, key| store.list_clear(key))
    }

    fn set_add(&self, key: &str, member: Bytes) -> Answer<u64> {
        self.at(check_key(key), key, |store, key| store.set_add(key, member))
    }

    fn set_remove(&self, key: &str, member: Bytes) -> Answer<u64> {
        self.at(check_key(key), key, |store, key| store.set_remove(key, member))
    }

    fn set_members(&self, key: &str) -> Answer<Vec<Bytes>> {
        self.at(check_key(key), key, |store, key| store.set_members(key))
    }

    fn set_union(&self, keys: &[&str]) -> Answer<Vec<Bytes>> {
        self.at_all(keys, |store, keys| store.set_union(keys))
    }

    fn set_intersection(&self, keys: &[&str]) -> Answer<Vec<Bytes>> {
        self.at_all(keys, |store, keys| store.set_intersection(keys))
    }

    fn bulk_get(&self, keys: &[&str]) -> Answer<Vec<Option<Entry>>> {
        self.at_all(keys, |store, keys| store.bulk_get(keys))
    }

    fn bulk_get_each(&self, keys: &[&str]) -> Answer<Vec<Result<Option<Entry>>>> {
        let prefix = self.prefix.clone();
        let entries = self.at_all(keys, |store, keys| store.bulk_get_each(keys));
        entries.map(move |entries| {
            entries.into_iter().map(|entry| entry.map_err(|error| prefix.strip(error))).collect()
        })
    }

    fn transact(&self, mut changes: Vec<Change>) -> Answer<()> {
        self.after(check_changes(&changes), || {
            for change in &mut changes {
                let (Change::Set { key, .. } | Change::Delete { key, .. }) = change;
                *key = self.prefix.with(key);
            }
            self.inner.transact(changes)
        })
    }
}
