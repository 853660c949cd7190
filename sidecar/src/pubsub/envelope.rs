//! CloudEvents as they are published.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Trace, trace};
use crate::state::{Metadata, expire_time};

/// What an event is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    pub(super) app_id: &'a str,
    pub(super) pubsub: &'a str,
    pub(super) topic: &'a str,
    pub(super) content_type: &'a str,
    pub(super) data: &'a [u8],
    pub(super) metadata: &'a Metadata,
    pub(super) trace: &'a Trace,
    /// When it is no longer worth delivering.
    pub(super) ttl: Option<Duration>,
}

/// What an event is of where nobody says otherwise.
pub(super) const EVENT_TYPE: &str = "com.dapr.event.sent";
pub(super) const SOURCE: &str = "Dapr";
const SPEC_VERSION: &str = "1.0";
const TEXT: &str = "text/plain";
pub(super) const CLOUD_EVENT: &str = "application/cloudevents+json";
pub(super) const BINARY: &str = "application/octet-stream";

/// An envelope while it is written: a JSON object whose names are in order, as Go writes them.
struct Object(Vec<u8>);

// === free functions ===

/// The event in its envelope. One that is an event already is kept, with what is missing filled in.
///
/// # Errors
/// What claims to be an event and is none.
pub(super) fn envelope(parts: &Parts<'_>) -> Result<Vec<u8>, String> {
    match is(parts.content_type, CLOUD_EVENT) {
        true => filled(parts),
        false => Ok(enclosed(parts)),
    }
}

/// Whether this is the content type, whatever its parameters.
pub(super) fn is(content_type: &str, wanted: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().eq_ignore_ascii_case(wanted)
}

/// Whether what is of this content type is a JSON value.
pub(super) fn is_json(content_type: &str) -> bool {
    is(content_type, "application/json")
}

/// Puts data into an envelope.
fn enclosed(parts: &Parts<'_>) -> Vec<u8> {
    let said = |name: &str| overridden(parts.metadata, name);
    let content_type = if parts.content_type.is_empty() { TEXT } else { parts.content_type };
    let parent = said("traceparent").or_else(|| said("traceid")).or(parts.trace.parent.as_deref());
    let parent = parent.unwrap_or(trace::NONE);
    let mut object = Object::with_capacity(parts.data.len() + 768);
    match data(content_type, parts.data) {
        Data::Json(json) => object.raw("data", json),
        Data::Text(text) => object.text("data", text),
        Data::Binary => object.text("data_base64", &STANDARD.encode(parts.data)),
    }
    object.text("datacontenttype", content_type);
    if let Some(ttl) = parts.ttl {
        object.text("expiration", &expiration(ttl));
    }
    object.id("id", said("id"));
    object.text("pubsubname", parts.pubsub);
    object.text("source", said("source").unwrap_or(parts.app_id));
    object.text("specversion", SPEC_VERSION);
    if let Some(subject) = said("subject") {
        object.text("subject", subject);
    }
    object.text("time", &expire_time(SystemTime::now()));
    object.text("topic", parts.topic);
    object.text("traceid", parent);
    object.text("traceparent", parent);
    object.text("tracestate", said("tracestate").or(parts.trace.state.as_deref()).unwrap_or_default());
    object.text("type", said("type").unwrap_or(EVENT_TYPE));
    object.finish()
}

/// Keeps an event, and fills in what Dapr fills in.
fn filled(parts: &Parts<'_>) -> Result<Vec<u8>, String> {
    let fields: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_slice(parts.data).map_err(|error| error.to_string())?;
    // What is null is as good as not there.
    let mut written: BTreeMap<&str, Cow<'_, str>> = fields
        .iter()
        .filter(|(_, value)| value.get() != "null")
        .map(|(name, value)| (&**name, Cow::Borrowed(value.get())))
        .collect();
    let mut set = |name: &'static str, text: &str, always: bool| {
        if always || !written.contains_key(name) {
            written.insert(name, Cow::Owned(quoted(text)));
        }
    };
    set("id", Uuid::new_v4().hyphenated().encode_lower(&mut Uuid::encode_buffer()), false);
    set("source", SOURCE, false);
    set("type", EVENT_TYPE, false);
    set("specversion", SPEC_VERSION, false);
    set("pubsubname", parts.pubsub, true);
    set("topic", parts.topic, true);
    // Who publishes within a trace is heard before what the event says of an earlier one.
    let known = parts.trace.parent.is_some();
    let parent = parts.trace.parent.as_deref().unwrap_or(trace::NONE);
    set("traceid", parent, known);
    set("traceparent", parent, known);
    set("tracestate", parts.trace.state.as_deref().unwrap_or_default(), known);
    if let Some(ttl) = parts.ttl {
        set("expiration", &expiration(ttl), true);
    }
    let mut object = Object::with_capacity(parts.data.len() + 512);
    for (name, value) in &written {
        object.raw(name, value);
    }
    Ok(object.finish())
}

enum Data<'a> {
    Json(&'a str),
    Text(&'a str),
    Binary,
}

/// How data is put into an envelope. What is not UTF-8 is binary, whatever it says itself: as text it would be damaged.
fn data<'a>(content_type: &str, data: &'a [u8]) -> Data<'a> {
    if is(content_type, BINARY) {
        return Data::Binary;
    }
    if is_json(content_type)
        && let Ok(json) = serde_json::from_slice::<&RawValue>(data)
    {
        return Data::Json(json.get());
    }
    std::str::from_utf8(data).map_or(Data::Binary, Data::Text)
}

/// An event made of a message that came without an envelope.
pub(super) fn of_raw(data: &[u8], topic: &str, pubsub: &str) -> Vec<u8> {
    let mut object = Object::with_capacity(data.len() * 4 / 3 + 256);
    object.text("data_base64", &STANDARD.encode(data));
    object.text("datacontenttype", BINARY);
    object.id("id", None);
    object.text("pubsubname", pubsub);
    object.text("source", SOURCE);
    object.text("specversion", SPEC_VERSION);
    object.text("topic", topic);
    object.text("type", EVENT_TYPE);
    object.finish()
}

/// What a request's metadata says instead of the envelope.
fn overridden<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a str> {
    const START: &str = "cloudevent.";
    let is = |known: &str| {
        known.len() == START.len() + name.len()
            && known.get(..START.len()).is_some_and(|start| start.eq_ignore_ascii_case(START))
            && known.get(START.len()..).is_some_and(|rest| rest.eq_ignore_ascii_case(name))
    };
    let found = metadata.iter().find(|(known, value)| is(known) && !value.is_empty());
    found.map(|(_, value)| value.as_str())
}

fn expiration(ttl: Duration) -> String {
    let now = SystemTime::now();
    expire_time(now.checked_add(ttl).unwrap_or(now))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

// === impl Object ===

impl Object {
    fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    fn raw(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.string(name);
        self.0.push(b':');
        self.0.extend_from_slice(json.as_bytes());
    }

    fn text(&mut self, name: &str, text: &str) {
        self.raw(name, "");
        self.string(text);
    }

    /// An id, or one of its own.
    fn id(&mut self, name: &str, id: Option<&str>) {
        match id {
            Some(id) => self.text(name, id),
            None => {
                let mut buffer = Uuid::encode_buffer();
                self.text(name, Uuid::new_v4().hyphenated().encode_lower(&mut buffer));
            }
        }
    }

    fn string(&mut self, text: &str) {
        // Writing to a vector cannot fail, and a text is always JSON.
        let _ = serde_json::to_writer(&mut self.0, text);
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn made(content_type: &str, data: &[u8], metadata: &[(&str, &str)], trace: &Trace) -> Value {
        let metadata =
            metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let parts = Parts {
            app_id: "app",
            pubsub: "bus",
            topic: "a/b",
            content_type,
            data,
            metadata: &metadata,
            trace,
            ttl: None,
        };
        serde_json::from_slice(&envelope(&parts).unwrap()).unwrap()
    }

    #[test]
    fn data_is_put_in_by_its_content_type() {
        for (content_type, data, field, expected) in [
            (
                "application/json",
                &br#"{"n": 12345678901234567890}"#[..],
                "data",
                json!({"n": 12345678901234567890_u64}),
            ),
            ("Application/JSON; charset=utf-8", b"[1]", "data", json!([1])),
            ("application/json", b"{broken", "data", json!("{broken")),
            ("", b"text", "data", json!("text")),
            ("text/plain", b"\"quoted\"", "data", json!("\"quoted\"")),
            ("application/octet-stream", b"text", "data_base64", json!("dGV4dA==")),
            ("text/plain", b"\xff\xfe", "data_base64", json!("//4=")),
            ("application/json", b"\"\xff\"", "data_base64", json!("Iv8i")),
            ("application/json", b"", "data", json!("")),
        ] {
            let event = made(content_type, data, &[], &Trace::default());
            assert_eq!(event[field], expected, "{content_type}");
            let other = if field == "data" { "data_base64" } else { "data" };
            assert_eq!(event.get(other), None, "{content_type}");
            let said = if content_type.is_empty() { "text/plain" } else { content_type };
            assert_eq!(event["datacontenttype"], said);
        }
    }

    #[test]
    fn metadata_overrides_what_an_envelope_says() {
        let trace = Trace { parent: Some(PARENT.to_owned()), state: Some("a=b".to_owned()) };
        let event = made("", b"x", &[], &trace);
        assert_eq!((&event["source"], &event["type"]), (&json!("app"), &json!(EVENT_TYPE)));
        assert_eq!((&event["traceid"], &event["traceparent"]), (&json!(PARENT), &json!(PARENT)));
        assert_eq!((&event["tracestate"], &event["topic"]), (&json!("a=b"), &json!("a/b")));
        assert_eq!((&event["pubsubname"], &event["specversion"]), (&json!("bus"), &json!("1.0")));
        assert_eq!(event.get("subject"), None);
        assert_eq!(event["id"].as_str().map(str::len), Some(36));
        let overrides = [
            ("cloudevent.id", "1"),
            ("CloudEvent.Source", "2"),
            ("cloudevent.type", "3"),
            ("cloudevent.subject", "4"),
            ("cloudevent.traceid", "5"),
            ("cloudevent.tracestate", "6"),
            ("cloudevent.topic", "7"),
        ];
        let event = made("", b"x", &overrides, &trace);
        let fields = ["id", "source", "type", "subject", "traceid", "traceparent", "tracestate", "topic"];
        assert_eq!(
            fields.map(|field| event[field].as_str().unwrap()),
            ["1", "2", "3", "4", "5", "5", "6", "a/b"]
        );
        let event = made("", b"x", &[("cloudevent.traceparent", "8"), ("cloudevent.traceid", "9")], &trace);
        assert_eq!((&event["traceid"], &event["traceparent"]), (&json!("8"), &json!("8")));
    }

    #[test]
    fn an_event_is_kept_and_what_is_missing_filled_in() {
        let trace = Trace::default();
        let event =
            br#"{"id":"1","data":{"n":1.50},"topic":"other","source":null,"own":[1],"traceparent":"t"}"#;
        let event =
            made("application/cloudevents+json; charset=utf-8", event, &[("cloudevent.id", "2")], &trace);
        assert_eq!(event["data"].to_string(), "{\"n\":1.5}");
        let fields = ["id", "topic", "source", "type", "specversion", "pubsubname", "traceparent", "traceid"];
        let expected = ["1", "a/b", "Dapr", EVENT_TYPE, "1.0", "bus", "t", trace::NONE];
        assert_eq!(fields.map(|field| event[field].as_str().unwrap()), expected);
        assert_eq!(event["own"], json!([1]));
        let metadata = Metadata::default();
        for none in [&b"{\""[..], b"null", b"[]", b"1", b"", b"\xff", b"{} {}"] {
            let parts = Parts {
                app_id: "app",
                pubsub: "bus",
                topic: "t",
                content_type: CLOUD_EVENT,
                data: none,
                metadata: &metadata,
                trace: &trace,
                ttl: None,
            };
            assert!(envelope(&parts).is_err(), "{none:?}");
        }
    }
}
