//! A sidecar in the shape of a provider.

use std::sync::Arc;

use bytes::Bytes;
use pillion_capabilities::keyvalue::{Change, Entry, Etag, SetOptions, When};
use pillion_capabilities::{Answer, Counters, Error, KeyValue, Operation, Result};
use pillion_logic::CallError;

use crate::grpc::{GrpcSidecar, item};
use crate::state::{self, Condition, SaveError, State};

const NAME: &str = "sidecar";

/// A provider whose store is behind a sidecar, reached over gRPC.
///
/// Dapr's state API covers `get`, `set`, `exists`, and `add` as a read and a conditional save. It does not tell the
/// version of what was saved, so `set` answers [`Etag`] 0, which matches nothing; nor is an etag that is not a number,
/// as some of Dapr's stores have, told otherwise. It does not tell expiries here, and `add` ends one. The other
/// operations fail.
pub struct SidecarKeyValue {
    sidecar: Arc<GrpcSidecar>,
    counters: Counters,
}

// === impl SidecarKeyValue ===

impl SidecarKeyValue {
    /// A provider over this sidecar. Its calls are made inside a Tokio runtime.
    #[must_use]
    pub fn new(sidecar: GrpcSidecar) -> Self {
        Self { sidecar: Arc::new(sidecar), counters: Counters::default() }
    }

    fn read(&self, key: &str) -> impl Future<Output = Result<Option<Entry>>> + Send + use<> {
        let (sidecar, key) = (Arc::clone(&self.sidecar), key.to_owned());
        async move {
            let Some(found) = sidecar.read(&key).await.map_err(failed)? else {
                return Ok(None);
            };
            Ok(Some(Entry { value: found.value, etag: found.etag.parse().unwrap_or(Etag(0)), expires: None }))
        }
    }

    fn unsupported<T>(&self, operation: Operation) -> Answer<T> {
        self.counters.count(operation);
        Answer::Ready(Err(Error::InvalidArgument(format!(
            "Dapr's state API has no {}; bind a provider of this process instead of a sidecar",
            operation.name()
        ))))
    }
}

fn failed(CallError(reason): CallError) -> Error {
    Error::Failed { provider: NAME.to_owned(), reason }
}

impl KeyValue for SidecarKeyValue {
    fn name(&self) -> &'static str {
        NAME
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        false
    }

    fn get(&self, key: &str) -> Answer<Option<Entry>> {
        self.counters.count(Operation::Get);
        Answer::pending(self.read(key))
    }

    fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Answer<Etag> {
        self.counters.count(Operation::Set);
        let etag = match options.when {
            When::Matches(etag) => etag.to_string(),
            _ => String::new(),
        };
        let condition = match options.when {
            When::Always => Condition::None,
            When::Absent => Condition::Absent,
            When::Matches(_) => Condition::Etag(&etag),
        };
        let mut item = item(key.to_owned(), value.into(), condition);
        if let Some(ttl) = options.ttl {
            if ttl.is_zero() {
                return Answer::Ready(Err(Error::InvalidArgument(
                    "a time to live of zero is no time".to_owned(),
                )));
            }
            // Dapr counts whole seconds; a value must not go away too early.
            let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
            item.metadata.insert("ttlInSeconds".to_owned(), seconds.to_string());
        }
        let (sidecar, key) = (Arc::clone(&self.sidecar), key.to_owned());
        Answer::pending(async move {
            match sidecar.save_item(item).await {
                Ok(()) => Ok(Etag(0)),
                Err(SaveError::Conflict) => Err(Error::EtagMismatch { key }),
                Err(SaveError::Failed(error)) => Err(failed(error)),
            }
        })
    }

    fn exists(&self, key: &str) -> Answer<bool> {
        self.counters.count(Operation::Exists);
        let read = self.read(key);
        Answer::pending(async move { Ok(read.await?.is_some()) })
    }

    fn add(&self, key: &str, delta: i64) -> Answer<i64> {
        self.counters.count(Operation::Add);
        let (sidecar, key) = (Arc::clone(&self.sidecar), key.to_owned());
        Answer::pending(async move {
            state::add(&*sidecar, &key, delta).await.map_err(|error| {
                // It is the client that adds, and finds this out; a provider says it in the same words.
                let not_an_integer = Error::NotAnInteger { key };
                if error.0 == not_an_integer.to_string() { not_an_integer } else { failed(error) }
            })
        })
    }

    fn delete(&self, _key: &str, _when: When) -> Answer<bool> {
        self.unsupported(Operation::Delete)
    }

    fn list_push(&self, _key: &str, _value: Bytes) -> Answer<u64> {
        self.unsupported(Operation::ListPush)
    }

    fn list_range(&self, _key: &str, _start: i64, _stop: i64) -> Answer<Vec<Bytes>> {
        self.unsupported(Operation::ListRange)
    }

    fn list_remove(&self, _key: &str, _value: Bytes) -> Answer<u64> {
        self.unsupported(Operation::ListRemove)
    }

    fn list_clear(&self, _key: &str) -> Answer<bool> {
        self.unsupported(Operation::ListClear)
    }

    fn set_add(&self, _key: &str, _member: Bytes) -> Answer<u64> {
        self.unsupported(Operation::SetAdd)
    }

    fn set_remove(&self, _key: &str, _member: Bytes) -> Answer<u64> {
        self.unsupported(Operation::SetRemove)
    }

    fn set_members(&self, _key: &str) -> Answer<Vec<Bytes>> {
        self.unsupported(Operation::SetMembers)
    }

    fn set_union(&self, _keys: &[&str]) -> Answer<Vec<Bytes>> {
        self.unsupported(Operation::SetUnion)
    }

    fn set_intersection(&self, _keys: &[&str]) -> Answer<Vec<Bytes>> {
        self.unsupported(Operation::SetIntersection)
    }

    fn bulk_get(&self, _keys: &[&str]) -> Answer<Vec<Option<Entry>>> {
        self.unsupported(Operation::BulkGet)
    }

    fn transact(&self, _changes: Vec<Change>) -> Answer<()> {
        self.unsupported(Operation::Transact)
    }
}
