//! The state API by calls of our own, whatever carries them.

use std::future::Future;

use bytes::Bytes;
use dapr::dapr::proto::runtime::v1::{GetBulkStateRequest, GetStateRequest, SaveStateRequest};
use pillion_calls::{Failure, Outcome, Request};
use pillion_logic::{CallError, Capabilities};
use tonic::Code;

use crate::grpc::item;
use crate::state::{self, Condition, SaveError, State, Versioned};

/// What carries calls to a sidecar.
pub trait Carrier: Send + Sync {
    /// Where the sidecar is, for messages.
    fn place(&self) -> String;

    /// Makes one call; `None` for a change that was made.
    fn call(&self, request: Request) -> impl Future<Output = Result<Option<Outcome>, CallError>> + Send;
}

/// A sidecar that is reached by calls of our own: Dapr's messages, carried otherwise.
pub struct Calls<C> {
    pub(crate) carrier: C,
    pub(crate) store: String,
    pub(crate) bulk: bool,
}

// === impl Calls ===

impl<C> Calls<C> {
    /// The same client that asks for several keys in one call where they are wanted together.
    #[must_use]
    pub fn with_bulk(self) -> Self {
        Self { bulk: true, ..self }
    }
}

impl<C: Carrier> Calls<C> {
    fn refused(&self, failure: &Failure) -> CallError {
        let code = Code::from_i32(failure.code);
        CallError(format!("sidecar at {}: {} ({code:?})", self.carrier.place(), failure.message))
    }

    fn unexpected(&self) -> CallError {
        CallError(format!("sidecar at {}: the reply is to another kind of call", self.carrier.place()))
    }
}

impl<C: Carrier> State for Calls<C> {
    async fn read(&self, key: &str) -> Result<Option<Versioned>, CallError> {
        let request = GetStateRequest {
            store_name: self.store.clone(),
            key: key.to_owned(),
            ..GetStateRequest::default()
        };
        match self.carrier.call(Request::Get(request)).await? {
            Some(Outcome::Got(found)) => {
                let there = !(found.data.is_empty() && found.etag.is_empty());
                Ok(there.then_some(Versioned { value: found.data, etag: found.etag }))
            }
            Some(Outcome::Failure(failure)) => Err(self.refused(&failure)),
            Some(Outcome::BulkGot(_)) | None => Err(self.unexpected()),
        }
    }

    async fn save(&self, key: &str, value: &[u8], condition: Condition<'_>) -> Result<(), SaveError> {
        let states = vec![item(key.to_owned(), value.to_vec(), condition)];
        let request = Request::Save(SaveStateRequest { store_name: self.store.clone(), states });
        match self.carrier.call(request).await.map_err(SaveError::Failed)? {
            None => Ok(()),
            Some(Outcome::Failure(failure)) if failure.code == Code::Aborted as i32 => {
                Err(SaveError::Conflict)
            }
            Some(Outcome::Failure(failure)) => Err(SaveError::Failed(self.refused(&failure))),
            Some(_) => Err(SaveError::Failed(self.unexpected())),
        }
    }
}

impl<C: Carrier> Capabilities for Calls<C> {
    type Value = Bytes;

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CallError> {
        Ok(self.read(key).await?.map(|found| found.value))
    }

    async fn get_two(&self, keys: [&str; 2]) -> Result<[Option<Bytes>; 2], CallError> {
        if !self.bulk {
            return pillion_logic::one_by_one(self, keys).await;
        }
        let request = GetBulkStateRequest {
            store_name: self.store.clone(),
            keys: keys.map(str::to_owned).into(),
            ..GetBulkStateRequest::default()
        };
        match self.carrier.call(Request::BulkGet(request)).await? {
            Some(Outcome::BulkGot(found)) => state::of_bulk(keys, found.items),
            Some(Outcome::Failure(failure)) => Err(self.refused(&failure)),
            Some(Outcome::Got(_)) | None => Err(self.unexpected()),
        }
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), CallError> {
        Ok(self.save(key, value, Condition::None).await?)
    }

    async fn add(&self, key: &str, delta: i64) -> Result<i64, CallError> {
        state::add(self, key, delta).await
    }
}
