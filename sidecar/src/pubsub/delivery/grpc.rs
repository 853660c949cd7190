//! Events to an app that speaks gRPC.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dapr::dapr::proto::runtime::v1::TopicEventRequest;
use dapr::dapr::proto::runtime::v1::topic_event_response::TopicEventResponseStatus;
use pillion_capabilities::trace::{self, SpanContext, TRACEPARENT, TRACESTATE};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::Value;
use tonic::Code;
use tonic::metadata::{BinaryMetadataValue, MetadataMap, MetadataValue};

use super::Verdict;
use crate::app::{App, is_unanswered};
use crate::pubsub::envelope::{CLOUD_EVENT, is, is_json};
use crate::pubsub::event::Event;
use crate::pubsub::subscription::Subscription;

/// Fields of an event that have a place of their own in a message.
const PLACED: [&str; 7] = ["id", "source", "datacontenttype", "type", "specversion", "data", "data_base64"];

// === free functions ===

/// Delivers an event.
pub(super) async fn deliver(
    app: &App,
    subscription: &Subscription,
    event: &Event<'_>,
    path: &str,
    trace: Option<&SpanContext>,
) -> Verdict {
    let message = match message(subscription, event, path) {
        Ok(message) => message,
        Err(reason) => return Verdict::Failed(reason),
    };
    let id = event.text("id");
    let mut request = tonic::Request::new(message);
    tell(request.metadata_mut(), subscription, trace);
    let turn = app.turn().await;
    let answered = app.callbacks().on_topic_event(request).await;
    drop(turn);
    match answered {
        Ok(response) => said(response.into_inner().status, &id),
        Err(status) => refused(&status, &format!("pub/sub event {id}")),
    }
}

/// What an app says of an event.
pub(in crate::pubsub) fn said(status: i32, id: &str) -> Verdict {
    match TopicEventResponseStatus::try_from(status) {
        Ok(TopicEventResponseStatus::Success) => Verdict::Success,
        Ok(TopicEventResponseStatus::Retry) => {
            Verdict::Failed(format!("RETRY status returned from app while processing pub/sub event {id}"))
        }
        Ok(TopicEventResponseStatus::Drop) => {
            Verdict::Dropped(format!("DROP status returned from app while processing pub/sub event {id}"))
        }
        Err(_) => Verdict::Failed(format!(
            "unknown status returned from app while processing pub/sub event {id}, status: {status}"
        )),
    }
}

/// What it means that an app failed.
pub(super) fn refused(status: &tonic::Status, what: &str) -> Verdict {
    let said =
        format!("error returned from app while processing {what}: {:?}: {}", status.code(), status.message());
    match status.code() {
        _ if is_unanswered(status) => Verdict::Unreachable(said),
        Code::Unimplemented => Verdict::Ignored(said),
        _ => Verdict::Failed(said),
    }
}

/// Tells an app what an event is of.
pub(super) fn tell(metadata: &mut MetadataMap, subscription: &Subscription, trace: Option<&SpanContext>) {
    if let Ok(name) = MetadataValue::try_from(&subscription.pubsub) {
        metadata.insert("pubsubname", name);
    }
    let Some(trace) = trace else { return };
    for (name, value) in
        [(TRACEPARENT, Some(trace::traceparent(trace))), (TRACESTATE, trace::tracestate(trace))]
    {
        if let Some(Ok(value)) = value.map(MetadataValue::try_from) {
            metadata.insert(name, value);
        }
    }
    metadata.insert_bin("grpc-trace-bin", BinaryMetadataValue::from_bytes(&trace::to_binary(trace)));
}

/// An event as a message.
///
/// # Errors
/// Data that cannot be decoded.
pub(in crate::pubsub) fn message(
    subscription: &Subscription,
    event: &Event<'_>,
    path: &str,
) -> Result<TopicEventRequest, String> {
    Ok(TopicEventRequest {
        id: event.text("id").into_owned(),
        source: event.text("source").into_owned(),
        r#type: event.text("type").into_owned(),
        spec_version: event.text("specversion").into_owned(),
        data_content_type: event.text("datacontenttype").into_owned(),
        data: data(event)?,
        topic: subscription.topic.clone(),
        pubsub_name: subscription.pubsub.clone(),
        path: path.to_owned(),
        extensions: Some(extensions(event)?),
    })
}

/// An event's data as bytes: a JSON value stays JSON, and a text is what it says.
pub(super) fn data(event: &Event<'_>) -> Result<Vec<u8>, String> {
    if event.field("data_base64").is_some() {
        let text = event.text("data_base64");
        return STANDARD
            .decode(&*text)
            .map_err(|error| format!("unable to base64 decode data_base64: {error}"));
    }
    let Some(data) = event.field("data") else { return Ok(Vec::new()) };
    let content_type = event.text("datacontenttype");
    let json = is_json(&content_type) || is(&content_type, CLOUD_EVENT) || !data.get().starts_with('"');
    Ok(if json { data.get().as_bytes().to_vec() } else { event.text("data").into_owned().into_bytes() })
}

/// The fields that have no place of their own.
pub(super) fn extensions(event: &Event<'_>) -> Result<Struct, String> {
    let fields = event.fields().filter(|(name, _)| !PLACED.contains(name));
    let read = |text: &str| serde_json::from_str(text).map_err(|error| error.to_string());
    let fields = fields.map(|(name, value)| Ok((name.to_owned(), given(read(value.get())?))));
    Ok(Struct { fields: fields.collect::<Result<_, String>>()? })
}

fn given(json: Value) -> prost_types::Value {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(truth) => Kind::BoolValue(truth),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(items) => Kind::ListValue(ListValue { values: items.into_iter().map(given).collect() }),
        Value::Object(fields) => Kind::StructValue(Struct {
            fields: fields.into_iter().map(|(name, value)| (name, given(value))).collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}
