//! The logic's capabilities as calls of the host.

use pillion_logic::{CallError, Capabilities};
use pillion_sdk::{Bytes, Error, KeyValue};

/// The store of keys and values behind the binding `default`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Store;

const STORE: KeyValue<'_> = KeyValue::new();

// === impl Store ===

impl Capabilities for Store {
    type Value = Bytes;

    #[inline]
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CallError> {
        STORE.get(key).map_err(call_error)
    }

    #[inline]
    async fn set(&self, key: &str, value: &[u8]) -> Result<(), CallError> {
        STORE.set(key, value).map_err(call_error)
    }

    #[inline]
    async fn add(&self, key: &str, delta: i64) -> Result<i64, CallError> {
        STORE.add(key, delta).map_err(call_error)
    }
}

#[cold]
fn call_error(error: Error) -> CallError {
    CallError(error.into_text())
}
