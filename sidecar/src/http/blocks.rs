//! The smaller blocks of the API over HTTP: secrets, configuration, bindings and locks.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use pillion_capabilities::lock::Unlocked;
use pillion_capabilities::secrets::{ExposeSecret, Secret};
use serde::{Serialize, Serializer};
use serde_json::json;

use super::answer::{self, Answer};
use super::path::decode;
use super::query::{merge_metadata, parameters};
use super::request::{InvokeBinding, LockRequest, Texts, read};
use super::{Route, is_post};
use crate::body::whole;
use crate::component::Components;
use crate::configuration::{self, Item};
use crate::lock::{self, TryLock};
use crate::outside::Outside;
use crate::{ApiError, Sidecar, bindings, secrets};

/// One call of these blocks. Names are as in the path, percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each names a call and the variable segments of its path")]
pub enum Block<'a> {
    GetSecret { store: &'a str, key: &'a str },
    GetBulkSecret { store: &'a str },
    GetConfiguration { store: &'a str },
    SubscribeConfiguration { store: &'a str },
    UnsubscribeConfiguration { store: &'a str, id: &'a str },
    InvokeBinding { name: &'a str },
    TryLock { store: &'a str },
    Unlock { store: &'a str },
    Outside(Outside),
}

// === impl Block ===

impl<'a> Block<'a> {
    /// What a method and a path, in its segments, lead to.
    pub(super) fn find(method: &Method, segments: &[&'a str]) -> Route<'a> {
        use super::Call::Block as Call;
        let [version, rest @ ..] = segments else { return Route::Unknown };
        let (get, post) = (*method == Method::GET, *method == Method::POST);
        let found = match (*version, rest) {
            ("v1.0", ["secrets", store, "bulk"]) => (get, "GET", Self::GetBulkSecret { store }),
            ("v1.0", ["secrets", store, key]) => (get, "GET", Self::GetSecret { store, key }),
            ("v1.0" | "v1.0-alpha1", ["configuration", store]) => {
                (get, "GET", Self::GetConfiguration { store })
            }
            ("v1.0" | "v1.0-alpha1", ["configuration", store, "subscribe"]) => {
                (get, "GET", Self::SubscribeConfiguration { store })
            }
            ("v1.0" | "v1.0-alpha1", ["configuration", store, id, "unsubscribe"]) => {
                (get, "GET", Self::UnsubscribeConfiguration { store, id })
            }
            ("v1.0", ["bindings", name]) => (is_post(method), "POST, PUT", Self::InvokeBinding { name }),
            ("v1.0-alpha1", ["lock", store]) => (post, "POST", Self::TryLock { store }),
            ("v1.0-alpha1", ["unlock", store]) => (post, "POST", Self::Unlock { store }),
            (version, [block, ..]) => match Outside::of_path(version, block) {
                Some(outside) => (true, "", Self::Outside(outside)),
                None => return Route::Unknown,
            },
            (_, []) => return Route::Unknown,
        };
        match found {
            (true, _, call) => Route::Found(Call(call)),
            (false, allowed, _) => Route::OtherMethod(allowed),
        }
    }
}

/// Performs a call.
pub(super) async fn perform(
    sidecar: &Arc<Sidecar>,
    components: &Components,
    call: Block<'_>,
    head: &Parts,
    body: impl Future<Output = Result<Bytes, ApiError>>,
) -> Result<Answer, ApiError> {
    let body = body.await?;
    let query = head.uri.query().unwrap_or_default();
    match call {
        Block::GetSecret { store, key } => {
            let secret = secrets::get(sidecar, components, &decode(store)?, &decode(key)?).await?;
            Ok(as_json(&exposed(&secret)))
        }
        Block::GetBulkSecret { store } => {
            let found = secrets::bulk(sidecar, components, &decode(store)?).await?;
            Ok(as_json(&Object(found.iter().map(|(name, secret)| (name, exposed(secret))))))
        }
        Block::GetConfiguration { store } => {
            let items = configuration::get(components, &decode(store)?, &keys(query)).await?;
            if items.is_empty() {
                return Ok(answer::empty());
            }
            Ok(as_json(&Object(items.iter().map(|(key, item)| (key, Item::from(item.clone()))))))
        }
        Block::SubscribeConfiguration { store } => {
            let store = decode(store)?;
            let id = configuration::subscribe_app(sidecar, components, &store, &keys(query)).await?;
            Ok(as_json(&json!({ "id": id })))
        }
        Block::UnsubscribeConfiguration { store, id } => {
            let ended = configuration::unsubscribe(components, &decode(store)?, &decode(id)?).await?;
            Ok(match ended {
                Ok(()) => as_json(&Ended { ok: true, message: None }),
                Err(message) => {
                    let mut answer = as_json(&Ended { ok: false, message: Some(message) });
                    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    answer
                }
            })
        }
        Block::Outside(outside) => Err(outside.error(&head.method)),
        Block::InvokeBinding { name } => invoke(components, &decode(name)?, query, &body).await,
        Block::TryLock { store } => {
            let LockRequest { resource_id, lock_owner, expiry_in_seconds, .. } = read(&body)?;
            let store = decode(store)?;
            let (resource, owner) = (resource_id.as_str(), lock_owner.as_str());
            let asked = TryLock { store: &store, resource, owner, expiry_in_seconds };
            Ok(as_json(&json!({ "success": lock::try_lock(components, asked).await? })))
        }
        Block::Unlock { store } => {
            let LockRequest { resource_id, lock_owner, .. } = read(&body)?;
            let unlocked = lock::unlock(components, &decode(store)?, &resource_id, &lock_owner).await?;
            let status = match unlocked {
                Unlocked::Done => 0,
                Unlocked::NotLocked => 1,
                Unlocked::HeldByAnother => 2,
            };
            Ok(as_json(&json!({ "status": status })))
        }
    }
}

/// Pairs as an object, in their order: a map of them first would be sorted anew, by code for each kind.
struct Object<I>(I);

impl<K: Serialize, V: Serialize, I: Iterator<Item = (K, V)> + Clone> Serialize for Object<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.clone())
    }
}

/// What became of a request to end a subscription.
#[derive(Serialize)]
struct Ended {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

async fn invoke(components: &Components, name: &str, query: &str, body: &[u8]) -> Result<Answer, ApiError> {
    let InvokeBinding { operation, data, metadata: Texts(mut metadata), .. } = read(body)?;
    if !query.is_empty() {
        merge_metadata(query, &mut metadata);
    }
    // As with Go, what is not given is `null`.
    let data = Bytes::copy_from_slice(data.map_or("null", serde_json::value::RawValue::get).as_bytes());
    let request = bindings::Request { operation, data, metadata };
    let Some(answered) = bindings::invoke(components, name, request).await? else {
        return Ok(answer::empty());
    };
    let mut response = answer::json(answered.data);
    for (name, value) in &answered.metadata {
        // What is no header field of ours cannot be told.
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(format!("metadata.{name}")), HeaderValue::try_from(value))
        {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// The values of a parameter that may be there several times.
fn keys(query: &str) -> Vec<String> {
    parameters(query).filter(|(name, _)| name == "key").map(|(_, value)| value.into_owned()).collect()
}

fn exposed(secret: &Secret) -> impl Serialize {
    Object(secret.iter().map(|(key, value)| (key, value.expose_secret())))
}

/// Success with these as JSON.
fn as_json(value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => answer::json(body),
        Err(error) => {
            // None of these has a key that is no text.
            tracing::error!("an answer has no JSON: {error}");
            let mut response = Response::new(whole(Bytes::new()));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
            response
        }
    }
}
