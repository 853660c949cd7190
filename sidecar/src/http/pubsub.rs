//! Publishing over HTTP.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{StatusCode, header};
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::{self, Answer};
use super::path::decode;
use super::query::merge_metadata;
use super::request::BulkEntry;
use crate::component::Components;
use crate::pubsub::{self, Entry, Trace};
use crate::state::Metadata;
use crate::{ApiError, Sidecar};

pub(super) async fn publish(
    sidecar: &Sidecar,
    components: &Components,
    (pubsub, topic): (&str, &str),
    head: &Parts,
    data: Bytes,
) -> Result<Answer, ApiError> {
    let (name, topic) = (decode(pubsub)?, self::topic(topic)?);
    let pubsub = pubsub::find(components, &name, &topic)?;
    let mut metadata = Metadata::new();
    merge_metadata(head.uri.query().unwrap_or_default(), &mut metadata);
    let trace = Trace::of(&head.headers);
    pubsub::publish(sidecar, pubsub, &topic, data, content_type(head), &metadata, &trace).await?;
    Ok(answer::empty())
}

pub(super) async fn publish_bulk(
    sidecar: &Sidecar,
    components: &Components,
    (pubsub, topic): (&str, &str),
    head: &Parts,
    body: &[u8],
) -> Result<Answer, ApiError> {
    let (name, topic) = (decode(pubsub)?, self::topic(topic)?);
    let pubsub = pubsub::find(components, &name, &topic)?;
    let unreadable = |what: &str| pubsub::bulk_unreadable(&name, &topic, what);
    let items: Option<Vec<BulkEntry<'_>>> =
        serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))?;
    let mut entries = Vec::new();
    let mut ids = HashSet::new();
    for item in items.unwrap_or_default() {
        if item.entry_id.is_empty() || !ids.insert(item.entry_id.clone()) {
            return Err(pubsub::entry_without_id(&name, &topic));
        }
        entries.push(entry(item).map_err(|what| unreadable(&what))?);
    }
    let mut metadata = Metadata::new();
    merge_metadata(head.uri.query().unwrap_or_default(), &mut metadata);
    let trace = Trace::of(&head.headers);
    let published = pubsub::publish_many(sidecar, pubsub, &topic, entries, &metadata, &trace).await;
    let failed = published.map_err(|error| match error.error_code {
        "ERR_PUBSUB_FORBIDDEN" => pubsub::bulk_forbidden(error),
        _ => error,
    })?;
    if failed.is_empty() {
        return Ok(answer::empty());
    }
    let status = match failed.iter().all(|failed| failed.overloaded) {
        true => StatusCode::TOO_MANY_REQUESTS,
        false => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let failed: Vec<_> =
        failed.into_iter().map(|failed| json!({ "entryId": failed.id, "error": failed.error })).collect();
    let body = json!({ "failedEntries": failed, "errorCode": "ERR_PUBSUB_PUBLISH_MESSAGE" });
    let mut response = answer::json(body.to_string());
    *response.status_mut() = status;
    Ok(response)
}

/// An entry's event as bytes: by its content type it is JSON, a text, or bytes in Base64.
fn entry(item: BulkEntry<'_>) -> Result<Entry, String> {
    let BulkEntry { entry_id: id, event, content_type, metadata, .. } = item;
    let json = event.map_or("null", RawValue::get);
    let text = || {
        serde_json::from_str::<String>(json).map_err(|_| {
            format!("error while converting event {id} to bytes: contentType mismatch: it is {content_type}, and no text")
        })
    };
    let kind = content_type.split(';').next().unwrap_or_default().to_ascii_lowercase();
    let (data, content_type) = match kind.as_str() {
        "application/json" | "application/cloudevents+json" => (json.as_bytes().to_vec(), content_type),
        "application/octet-stream" => {
            let decoded = STANDARD.decode(text()?);
            (decoded.map_err(|error| format!("event {id} is no Base64: {error}"))?, content_type)
        }
        // Nothing is said, so that it says itself what it is.
        "" if json.starts_with('"') => (text()?.into_bytes(), "text/plain".to_owned()),
        "" => (json.as_bytes().to_vec(), "application/json".to_owned()),
        _ => (text()?.into_bytes(), content_type),
    };
    Ok(Entry { id, data: data.into(), content_type, metadata: metadata.0 })
}

fn content_type(head: &Parts) -> &str {
    head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Reads a topic, which may have slashes; empty segments do not count, as in any path.
fn topic(encoded: &str) -> Result<Cow<'_, str>, ApiError> {
    let trimmed = encoded.trim_matches('/');
    let odd = |segment: &str| matches!(segment, "" | "." | "..");
    if trimmed.is_empty() || !trimmed.split('/').any(odd) {
        return decode(trimmed);
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in trimmed.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    decode(&segments.join("/")).map(|topic| Cow::Owned(topic.into_owned()))
}
