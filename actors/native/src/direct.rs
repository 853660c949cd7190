//! The floor: a provider called direct.

use std::sync::Arc;

use bytes::Bytes;
use pillion_capabilities::keyvalue::SetOptions;
use pillion_capabilities::{Error, KeyValue};
use pillion_logic::{CallError, Capabilities};

/// A provider in the same process.
#[derive(Clone)]
pub struct Direct(
    /// The provider.
    pub Arc<dyn KeyValue>,
);

// === impl Direct ===

impl Capabilities for Direct {
    type Value = Bytes;

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CallError> {
        let entry = self.0.get(key).wait().await.map_err(failed)?;
        Ok(entry.map(|entry| entry.value))
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), CallError> {
        let value = Bytes::copy_from_slice(value);
        self.0.set(key, value, SetOptions::default()).wait().await.map(drop).map_err(failed)
    }

    async fn add(&self, key: &str, delta: i64) -> Result<i64, CallError> {
        self.0.add(key, delta).wait().await.map_err(failed)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn failed(error: Error) -> CallError {
    CallError(error.to_string())
}
