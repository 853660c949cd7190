//! The state API over gRPC.

use bytes::Bytes;
use dapr::dapr::proto::common::v1::state_options::{StateConcurrency, StateConsistency};
use dapr::dapr::proto::common::v1::{Etag, StateItem, StateOptions};
use dapr::dapr::proto::runtime::v1::{
    BulkStateItem, DeleteBulkStateRequest, DeleteStateRequest, ExecuteStateTransactionRequest,
    GetBulkStateRequest, GetBulkStateResponse, GetStateRequest, QueryStateRequest, QueryStateResponse,
    SaveStateRequest, TransactionalStateOperation,
};
use pillion_capabilities::keyvalue::Entry;
use serde::de::IgnoredAny;

use super::GetStateResponse;
use crate::ApiError;
use crate::state::{self, Delete, EXPIRE_TIME, Metadata, Options, Save, Store, Stores, Write, expire_time};

pub(crate) async fn get(stores: &Stores, request: GetStateRequest) -> Result<GetStateResponse, ApiError> {
    let store = find(stores, &request.store_name)?;
    Ok(state::get(store, &request.key).await?.map(get_state_response).unwrap_or_default())
}

/// A stored value as a message, with its etag and when it goes away.
#[must_use]
pub fn get_state_response(entry: Entry) -> GetStateResponse {
    GetStateResponse { metadata: metadata(&entry), etag: entry.etag.to_string(), data: entry.value }
}

pub(crate) async fn bulk_get(
    stores: &Stores,
    request: GetBulkStateRequest,
) -> Result<GetBulkStateResponse, ApiError> {
    let store = find(stores, &request.store_name)?;
    if request.keys.is_empty() {
        return Ok(GetBulkStateResponse::default());
    }
    let entries = state::bulk_get(store, &request.keys).await?;
    let items = request.keys.into_iter().zip(entries).map(|(key, entry)| match entry {
        Err(error) => BulkStateItem { key, error: error.to_string(), ..BulkStateItem::default() },
        Ok(None) => BulkStateItem { key, ..BulkStateItem::default() },
        Ok(Some(entry)) => BulkStateItem {
            key,
            metadata: metadata(&entry),
            etag: entry.etag.to_string(),
            data: entry.value.into(),
            error: String::new(),
        },
    });
    Ok(GetBulkStateResponse { items: items.collect() })
}

pub(crate) async fn save(stores: &Stores, request: SaveStateRequest) -> Result<(), ApiError> {
    let store = find(stores, &request.store_name)?;
    let saves = request.states.into_iter().map(into_save).collect::<Result<Vec<_>, _>>()?;
    state::save_all(store, saves).await
}

pub(crate) async fn delete(stores: &Stores, request: DeleteStateRequest) -> Result<(), ApiError> {
    let store = find(stores, &request.store_name)?;
    let options = request.options.map(options).unwrap_or_default();
    state::delete(store, &Delete { key: request.key, etag: request.etag.map(text), options }).await
}

pub(crate) async fn delete_bulk(stores: &Stores, request: DeleteBulkStateRequest) -> Result<(), ApiError> {
    let store = find(stores, &request.store_name)?;
    let deletes: Vec<_> = request.states.into_iter().map(into_delete).collect();
    state::delete_all(store, &deletes).await
}

pub(crate) async fn transact(
    stores: &Stores,
    request: ExecuteStateTransactionRequest,
) -> Result<(), ApiError> {
    let store = find(stores, &request.store_name)?;
    let writes = request.operations.into_iter().map(into_write).collect::<Result<Vec<_>, _>>()?;
    if writes.is_empty() { Ok(()) } else { state::transact(store, writes).await }
}

pub(crate) async fn query(
    stores: &Stores,
    request: QueryStateRequest,
) -> Result<QueryStateResponse, ApiError> {
    let store = find(stores, &request.store_name)?;
    Err(ApiError::query_unsupported(&store.name))
}

fn find<'a>(stores: &'a Stores, name: &str) -> Result<&'a Store, ApiError> {
    stores.find(name)
}

fn into_write(operation: TransactionalStateOperation) -> Result<Write, ApiError> {
    let item = operation.request.unwrap_or_default();
    match operation.operation_type.as_str() {
        "upsert" => into_save(item).map(Write::Save),
        "delete" => Ok(Write::Delete(into_delete(item))),
        other => Err(ApiError::unsupported_operation(other)),
    }
}

pub(crate) fn into_save(item: StateItem) -> Result<Save, ApiError> {
    if item.key.is_empty() {
        return Err(ApiError::malformed("state key cannot be empty"));
    }
    if item.metadata.get("contentType").is_some_and(|content| content == "application/json") {
        serde_json::from_slice::<IgnoredAny>(&item.value).map_err(|error| {
            ApiError::malformed(format!("the value of key {} is not JSON: {error}", item.key))
        })?;
    }
    Ok(Save {
        key: item.key,
        value: Bytes::from(item.value),
        etag: item.etag.map(text),
        metadata: item.metadata,
        options: item.options.map(options).unwrap_or_default(),
    })
}

fn into_delete(item: StateItem) -> Delete {
    Delete {
        key: item.key,
        etag: item.etag.map(text),
        options: item.options.map(options).unwrap_or_default(),
    }
}

fn text(etag: Etag) -> String {
    etag.value
}

fn options(options: StateOptions) -> Options {
    Options {
        concurrency: match options.concurrency() {
            StateConcurrency::ConcurrencyUnspecified => "",
            StateConcurrency::ConcurrencyFirstWrite => "first-write",
            StateConcurrency::ConcurrencyLastWrite => "last-write",
        }
        .to_owned(),
        consistency: match options.consistency() {
            StateConsistency::ConsistencyUnspecified => "",
            StateConsistency::ConsistencyEventual => "eventual",
            StateConsistency::ConsistencyStrong => "strong",
        }
        .to_owned(),
    }
}

fn metadata(entry: &Entry) -> Metadata {
    entry.expires.iter().map(|expires| (EXPIRE_TIME.to_owned(), expire_time(*expires))).collect()
}
