//! Publishing.

use std::time::{Duration, Instant};

use bytes::Bytes;
use pillion_capabilities::messaging::Message;
use pillion_capabilities::trace::{self as spans, Context, FutureExt as _, KeyValue, SpanKind};

use super::envelope::{Parts, envelope};
use super::{PubSub, Trace, error};
use crate::component::Components;
use crate::state::Metadata;
use crate::{ApiError, Sidecar};

/// One of many events.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) data: Bytes,
    pub(crate) content_type: String,
    pub(crate) metadata: Metadata,
}

/// One of many events that was not published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) id: String,
    pub(crate) error: String,
    /// Whether the provider had too much to do, and nothing is broken.
    pub(crate) overloaded: bool,
}

/// A message is kept no longer than that; the longest that providers take is longer.
const LONGEST_TTL: Duration = Duration::from_secs(500 * 365 * 24 * 60 * 60);

// === impl Failed ===

impl Failed {
    fn new(id: String, error: &pillion_capabilities::Error) -> Self {
        let overloaded = matches!(error, pillion_capabilities::Error::Overloaded { .. });
        Self { id, error: error.to_string(), overloaded }
    }
}

// === free functions ===

/// The component of this name, for a topic.
///
/// # Errors
/// One that is not there, or a topic without a name.
pub(crate) fn find<'a>(
    components: &'a Components,
    pubsub: &str,
    topic: &str,
) -> Result<&'a PubSub, ApiError> {
    if pubsub.is_empty() {
        return Err(error::name_empty());
    }
    let Some(found) = components.pubsub.find(pubsub) else {
        return Err(match components.pubsub.is_empty() {
            true => error::not_configured(pubsub),
            false => error::not_found(pubsub),
        });
    };
    if topic.is_empty() {
        return Err(error::topic_empty(pubsub));
    }
    Ok(found)
}

/// Publishes an event.
///
/// # Errors
/// Metadata or an event that cannot be read, a topic that this app may not publish on, or a provider that failed.
pub(crate) async fn publish(
    sidecar: &Sidecar,
    pubsub: &PubSub,
    topic: &str,
    data: Bytes,
    content_type: &str,
    metadata: &Metadata,
    trace: &Trace,
) -> Result<(), ApiError> {
    let raw = is_raw(pubsub, metadata)?;
    let message = message(sidecar, pubsub, topic, (data, content_type, metadata), raw, trace)?;
    permitted(sidecar, pubsub, topic)?;
    let start = Instant::now();
    let published = match &pubsub.policy {
        None => traced(pubsub, "publish", topic, pubsub.provider.publish(topic, message).wait()).await,
        Some(policy) => {
            let publish = || pubsub.provider.publish(topic, message.clone()).wait();
            let publishing = Box::pin(policy.call(|| format!("pubsub {}", pubsub.name), publish));
            traced(pubsub, "publish", topic, publishing).await
        }
    };
    if let Some(metrics) = &sidecar.metrics {
        metrics.pubsub.egress(&pubsub.name, topic, published.is_ok(), start.elapsed());
    }
    published.map_err(|error| error::failed_to_publish(&pubsub.name, topic, &error))
}

/// Publishes many events on one topic, and answers which of them were not, and why.
///
/// # Errors
/// As [`publish`], but for failures of the provider.
pub(crate) async fn publish_many(
    sidecar: &Sidecar,
    pubsub: &PubSub,
    topic: &str,
    entries: Vec<Entry>,
    metadata: &Metadata,
    trace: &Trace,
) -> Result<Vec<Failed>, ApiError> {
    let raw = is_raw(pubsub, metadata)?;
    let mut messages = Vec::with_capacity(entries.len());
    let mut ids = Vec::with_capacity(entries.len());
    for Entry { id, data, content_type, metadata: mut own } in entries {
        if raw || !metadata.is_empty() {
            // What the request says counts for all, and what an entry says for it alone.
            for (name, value) in metadata {
                own.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        messages.push(message(sidecar, pubsub, topic, (data, &content_type, &own), raw, trace)?);
        ids.push(id);
    }
    permitted(sidecar, pubsub, topic)?;
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let start = Instant::now();
    let published = match &pubsub.policy {
        None => {
            let publishing = pubsub.provider.publish_many(topic, messages).wait();
            traced(pubsub, "publish_many", topic, publishing).await
        }
        Some(policy) => {
            let publish = || pubsub.provider.publish_many(topic, messages.clone()).wait();
            let publishing = Box::pin(policy.call(|| format!("pubsub {}", pubsub.name), publish));
            traced(pubsub, "publish_many", topic, publishing).await
        }
    };
    let failed: Vec<Failed> = match published {
        Ok(published) => {
            let failure = |(id, published): (String, Result<(), pillion_capabilities::Error>)| {
                published.err().map(|error| Failed::new(id, &error))
            };
            ids.into_iter().zip(published).filter_map(failure).collect()
        }
        Err(error) => ids.into_iter().map(|id| Failed::new(id, &error)).collect(),
    };
    if let Some(metrics) = &sidecar.metrics {
        metrics.pubsub.bulk_egress(&pubsub.name, topic, failed.is_empty(), start.elapsed());
    }
    Ok(failed)
}

fn permitted(sidecar: &Sidecar, pubsub: &PubSub, topic: &str) -> Result<(), ApiError> {
    match pubsub.scopes.may_publish(topic) {
        true => Ok(()),
        false => Err(error::forbidden(&pubsub.name, topic, &sidecar.app_id)),
    }
}

fn message(
    sidecar: &Sidecar,
    pubsub: &PubSub,
    topic: &str,
    (data, content_type, metadata): (Bytes, &str, &Metadata),
    raw: bool,
    trace: &Trace,
) -> Result<Message, ApiError> {
    let ttl = ttl(metadata);
    let body = match raw {
        true => data,
        false => {
            let parts = Parts {
                app_id: &sidecar.app_id,
                pubsub: &pubsub.name,
                topic,
                content_type,
                data: &data,
                metadata,
                trace,
                ttl,
            };
            let made = envelope(&parts);
            made.map_err(|what| error::no_cloud_event(&pubsub.name, &sidecar.app_id, &what))?.into()
        }
    };
    Ok(Message { body, ttl, ..Message::default() })
}

/// Whether metadata asks for no envelope.
///
/// # Errors
/// What is neither true nor false.
fn is_raw(pubsub: &PubSub, metadata: &Metadata) -> Result<bool, ApiError> {
    raw_payload(metadata).map_err(|what| error::metadata(&pubsub.name, &what))
}

/// Whether metadata says `rawPayload`, as Go reads a boolean.
pub(super) fn raw_payload(metadata: &Metadata) -> Result<bool, String> {
    match find_any_case(metadata, "rawPayload") {
        None => Ok(false),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => Err(format!("rawPayload value must be a valid boolean: actual is '{other}'")),
    }
}

/// How long a message is worth delivering. As with Dapr, what is no positive number says nothing.
fn ttl(metadata: &Metadata) -> Option<Duration> {
    let seconds: u64 = find_any_case(metadata, "ttlInSeconds")?.parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds).min(LONGEST_TTL))
}

fn find_any_case<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a str> {
    metadata.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Has the provider called, within a span if there are any.
async fn traced<T>(
    pubsub: &PubSub,
    operation: &'static str,
    topic: &str,
    call: impl Future<Output = Result<T, pillion_capabilities::Error>>,
) -> Result<T, pillion_capabilities::Error> {
    let Some(tracing) = &pubsub.tracing else { return call.await };
    let context = tracing.begin(&Context::current(), SpanKind::Producer, || {
        let attributes = vec![
            KeyValue::new("messaging.system", "pubsub"),
            KeyValue::new("messaging.destination", spans::clipped(topic.as_bytes())),
            KeyValue::new("pillion.component.name", pubsub.name.clone()),
            KeyValue::new("pillion.operation", operation),
            KeyValue::new("pillion.provider", pubsub.provider.name()),
        ];
        (format!("{} {operation}", pubsub.name).into(), attributes)
    });
    let result = call.with_context(context.clone()).await;
    spans::end(&context, result.as_ref().err().map(ToString::to_string).as_deref());
    result
}
