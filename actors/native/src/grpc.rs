//! A sidecar over gRPC.

use bytes::Bytes;
use dapr::dapr::proto::common::v1::state_options::StateConcurrency;
use dapr::dapr::proto::common::v1::{Etag, StateItem, StateOptions};
use dapr::dapr::proto::runtime::v1::dapr_client::DaprClient;
use dapr::dapr::proto::runtime::v1::{
    GetBulkStateRequest, GetStateRequest, GetStateResponse, SaveStateRequest,
};
use pillion_logic::{CallError, Capabilities};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::Address;
use crate::channel::{self, MOST_BYTES};
use crate::state::{self, Condition, SaveError, State, Versioned};
use crate::token::{API_TOKEN, ApiToken};

/// A Dapr sidecar over gRPC: one HTTP/2 connection, on which any number of calls are under way. Clones share it.
#[derive(Clone)]
pub struct GrpcSidecar {
    client: DaprClient<Channel>,
    address: Address,
    store: String,
    token: Option<MetadataValue<Ascii>>,
    bulk: bool,
}

// === impl GrpcSidecar ===

impl GrpcSidecar {
    /// Connects to the sidecar at `address` for the state store `store`.
    ///
    /// # Errors
    /// When the sidecar cannot be reached.
    pub async fn connect(address: Address, store: &str) -> Result<Self, CallError> {
        let channel = channel::connect(&address).await?;
        let client = DaprClient::new(channel).max_decoding_message_size(MOST_BYTES);
        Ok(Self { client, address, store: store.to_owned(), token: None, bulk: false })
    }

    /// The same client with the token that the sidecar asks for.
    #[must_use]
    pub fn with_token(self, token: &ApiToken) -> Self {
        // What a token consists of goes over gRPC too.
        let token = token.0.to_str().ok().and_then(|token| token.parse().ok());
        Self { token, ..self }
    }

    /// The same client that asks for several keys in one call where they are wanted together.
    #[must_use]
    pub fn with_bulk(self) -> Self {
        Self { bulk: true, ..self }
    }

    /// The request that reads a key: what the client does before anything is sent.
    #[must_use]
    pub fn read_request(&self, key: &str) -> Request<GetStateRequest> {
        self.request(GetStateRequest {
            store_name: self.store.clone(),
            key: key.to_owned(),
            ..GetStateRequest::default()
        })
    }

    /// The value in the response to [`Self::read_request`], if the key is there: what the client does after all has
    /// come.
    #[must_use]
    pub fn read_answer(response: GetStateResponse) -> Option<Bytes> {
        versioned(response).map(|found| found.value)
    }

    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert(API_TOKEN, token.clone());
        }
        request
    }

    fn refused(&self, status: &Status) -> CallError {
        CallError(format!("sidecar at {}: {} ({:?})", self.address, status.message(), status.code()))
    }

    pub(crate) async fn save_item(&self, item: StateItem) -> Result<(), SaveError> {
        let request = SaveStateRequest { store_name: self.store.clone(), states: vec![item] };
        match self.client.clone().save_state(self.request(request)).await {
            Ok(_) => Ok(()),
            Err(status) if status.code() == Code::Aborted => Err(SaveError::Conflict),
            Err(status) => Err(SaveError::Failed(self.refused(&status))),
        }
    }
}

/// What a response says of a key. One that is not there has neither value nor version.
fn versioned(found: GetStateResponse) -> Option<Versioned> {
    let there = !(found.data.is_empty() && found.etag.is_empty());
    there.then(|| Versioned { value: found.data.into(), etag: found.etag })
}

/// A state item that is saved if the condition holds.
pub(crate) fn item(key: String, value: Vec<u8>, condition: Condition<'_>) -> StateItem {
    let first = StateOptions { concurrency: StateConcurrency::ConcurrencyFirstWrite.into(), consistency: 0 };
    let etag = condition.etag().map(|etag| Etag { value: etag.to_owned() });
    let options = condition.is_first_write().then_some(first);
    StateItem { key, value, etag, options, ..StateItem::default() }
}

impl State for GrpcSidecar {
    async fn read(&self, key: &str) -> Result<Option<Versioned>, CallError> {
        let response = self.client.clone().get_state(self.read_request(key)).await;
        Ok(versioned(response.map_err(|status| self.refused(&status))?.into_inner()))
    }

    async fn save(&self, key: &str, value: &[u8], condition: Condition<'_>) -> Result<(), SaveError> {
        self.save_item(item(key.to_owned(), value.to_vec(), condition)).await
    }
}

impl Capabilities for GrpcSidecar {
    type Value = Bytes;

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CallError> {
        Ok(self.read(key).await?.map(|found| found.value))
    }

    async fn get_two(&self, keys: [&str; 2]) -> Result<[Option<Bytes>; 2], CallError> {
        if !self.bulk {
            return pillion_logic::one_by_one(self, keys).await;
        }
        let request = self.request(GetBulkStateRequest {
            store_name: self.store.clone(),
            keys: keys.map(str::to_owned).into(),
            ..GetBulkStateRequest::default()
        });
        let found = self.client.clone().get_bulk_state(request).await;
        state::of_bulk(keys, found.map_err(|status| self.refused(&status))?.into_inner().items)
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), CallError> {
        Ok(self.save(key, value, Condition::None).await?)
    }

    async fn add(&self, key: &str, delta: i64) -> Result<i64, CallError> {
        state::add(self, key, delta).await
    }
}
