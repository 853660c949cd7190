//! CloudEvents: what the sidecar makes of what is published, and of what brokers bring.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pillion_sidecar::{published, understood};
use serde_json::Value;

const TYPES: [&str; 6] = [
    "text/plain",
    "application/json",
    "application/octet-stream",
    "application/cloudevents+json",
    "",
    "Application/JSON; charset=\"\\",
];

/// The first byte says what the rest is published as. What is published is an event that tells where it was published, and
/// that gives the data back.
pub fn cloudevent(data: &[u8]) {
    // From a broker it may be anything.
    let _ = understood(data);
    let Some((kind, data)) = data.split_first() else { return };
    let kind = TYPES[usize::from(*kind) % TYPES.len()];
    let Ok(text) = published(kind, data) else {
        assert_eq!(kind, TYPES[3], "anything can be data");
        return;
    };
    // Numbers beyond all others, and nesting beyond all bounds, are the reader's affair.
    let Ok(event) = serde_json::from_slice::<Value>(&text) else {
        assert!(kind.to_ascii_lowercase().contains("json"), "{kind}: {}", String::from_utf8_lossy(&text));
        return;
    };
    assert_eq!(
        (&event["topic"], &event["pubsubname"]),
        (&Value::from("topic"), &Value::from("pubsub")),
        "{event}"
    );
    for name in ["id", "source", "type", "specversion"] {
        assert!(!event[name].is_null(), "{name} in {event}");
    }
    if kind == TYPES[3] {
        return;
    }
    assert!(understood(&text) || kind.to_ascii_lowercase().contains("json"), "{event}");
    match (&event["data"], &event["data_base64"]) {
        (Value::Null, Value::String(bytes)) => {
            assert_eq!(STANDARD.decode(bytes).expect("it is Base64"), data)
        }
        (Value::String(held), Value::Null) if !kind.to_ascii_lowercase().contains("json") => {
            assert_eq!(held.as_bytes(), data);
        }
        (held, Value::Null) => match serde_json::from_slice::<Value>(data) {
            Ok(value) => assert_eq!(*held, value),
            Err(_) => assert_eq!(held.as_str().map(str::as_bytes), Some(data), "what is no JSON is a text"),
        },
        (data, bytes) => panic!("data {data} and bytes {bytes}"),
    }
}
