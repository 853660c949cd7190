//! The state API over HTTP.

use http::{HeaderMap, header};
use pillion_capabilities::Error;
use pillion_capabilities::keyvalue::Entry;
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{self, Answer};
use super::path::decode;
use super::query::{merge_metadata, parameter};
use super::request::{BulkGet, SaveItem, Transaction, read};
use crate::ApiError;
use crate::state::{self, Delete, EXPIRE_TIME, Options, Store, Stores, expire_time};

/// One key of the answer to a bulk get. What is not there is left out.
#[derive(Serialize)]
struct BulkItem<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) async fn get(stores: &Stores, store: &str, key: &str) -> Result<Answer, ApiError> {
    let store = find(stores, store)?;
    let entry = state::get(store, &decode(key)?).await?;
    Ok(entry.map_or_else(answer::empty, answer::value))
}

pub(super) async fn delete(
    stores: &Stores,
    store: &str,
    key: &str,
    query: &str,
    headers: &HeaderMap,
) -> Result<Answer, ApiError> {
    let store = find(stores, store)?;
    let etag = match headers.get(header::IF_MATCH) {
        None => None,
        Some(etag) => {
            let etag =
                etag.to_str().map_err(|_| ApiError::malformed("the header If-Match is not plain text"))?;
            Some(etag.to_owned())
        }
    };
    let options = Options {
        concurrency: parameter(query, "concurrency").unwrap_or_default(),
        consistency: parameter(query, "consistency").unwrap_or_default(),
    };
    let delete = Delete { key: decode(key)?.into_owned(), etag, options };
    state::delete(store, &delete).await?;
    Ok(answer::empty())
}

pub(super) async fn save(stores: &Stores, store: &str, query: &str, body: &[u8]) -> Result<Answer, ApiError> {
    let store = find(stores, store)?;
    let items: Option<Vec<SaveItem<'_>>> = read(body)?;
    let mut saves =
        items.unwrap_or_default().into_iter().map(SaveItem::into_save).collect::<Result<Vec<_>, _>>()?;
    if !query.is_empty() {
        saves.iter_mut().for_each(|save| merge_metadata(query, &mut save.metadata));
    }
    state::save_all(store, saves).await?;
    Ok(answer::empty())
}

pub(super) async fn bulk_get(stores: &Stores, store: &str, body: &[u8]) -> Result<Answer, ApiError> {
    let store = find(stores, store)?;
    let request: BulkGet<'_> = read(body)?;
    if request.keys.is_empty() {
        return Ok(answer::json("[]"));
    }
    let entries = state::bulk_get(store, &request.keys).await?;
    let items: Vec<_> = request.keys.iter().zip(&entries).map(|(key, entry)| bulk_item(key, entry)).collect();
    let body = serde_json::to_vec(&items).map_err(|error| {
        ApiError::internal("ERR_STATE_BULK_GET", format!("the answer cannot be written as JSON: {error}"))
    })?;
    Ok(answer::json(body))
}

pub(super) async fn transact(stores: &Stores, store: &str, body: &[u8]) -> Result<Answer, ApiError> {
    let store = find(stores, store)?;
    let request: Transaction<'_> = read(body)?;
    let writes =
        request.operations.into_iter().map(|step| step.into_write()).collect::<Result<Vec<_>, _>>()?;
    if !writes.is_empty() {
        state::transact(store, writes).await?;
    }
    Ok(answer::empty())
}

pub(super) fn query(stores: &Stores, store: &str) -> Result<Answer, ApiError> {
    let store = find(stores, store)?;
    Err(ApiError::query_unsupported(&store.name))
}

fn find<'a>(stores: &'a Stores, store: &str) -> Result<&'a Store, ApiError> {
    stores.find(&decode(store)?)
}

fn bulk_item<'a>(key: &'a str, entry: &'a Result<Option<Entry>, Error>) -> BulkItem<'a> {
    let mut item = BulkItem { key, data: None, etag: None, metadata: None, error: None };
    item.error = entry.as_ref().err().map(Error::to_string);
    if let Ok(Some(entry)) = entry {
        match serde_json::from_slice(&entry.value) {
            Ok(data) => item.data = Some(data),
            // It was saved over gRPC, where a value is any bytes; one such must not spoil the whole answer.
            Err(error) => item.error = Some(format!("the stored value is not JSON: {error}")),
        }
        item.etag = Some(entry.etag.to_string());
        item.metadata = entry.expires.map(|expires| serde_json::json!({ EXPIRE_TIME: expire_time(expires) }));
    }
    item
}
