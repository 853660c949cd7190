//! Events as they arrive.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use chrono::DateTime;
use pillion_capabilities::trace::{self, SpanContext, TRACEPARENT, TRACESTATE};
use serde_json::Value;
use serde_json::value::RawValue;

/// The fields of an event, as they are in its text.
#[derive(Debug)]
pub(super) struct Event<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

// === impl Event ===

impl<'a> Event<'a> {
    /// Reads an event.
    ///
    /// # Errors
    /// What is no JSON object.
    pub(super) fn read(text: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map(Self).map_err(|error| error.to_string())
    }

    /// A field that is a text, or one that is none as JSON; empty where there is no such field.
    pub(super) fn text(&self, name: &str) -> Cow<'a, str> {
        match self.field(name) {
            None => Cow::Borrowed(""),
            Some(value) => match serde_json::from_str::<Text<'a>>(value.get()) {
                Ok(text) => text.0,
                Err(_) => Cow::Borrowed(value.get()),
            },
        }
    }

    /// A field that is there and is not null.
    pub(super) fn field(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|value| value.get() != "null")
    }

    /// All fields, with their JSON.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }

    /// Whether it is no longer worth delivering.
    pub(super) fn has_expired(&self) -> bool {
        if self.field("expiration").is_none() {
            return false;
        }
        let expiration = DateTime::parse_from_rfc3339(&self.text("expiration"));
        expiration.is_ok_and(|expiration| SystemTime::from(expiration) < SystemTime::now())
    }

    /// The trace that it belongs to.
    pub(super) fn trace(&self) -> Option<SpanContext> {
        let parent = match self.text("traceparent") {
            parent if parent.is_empty() => self.text("traceid"),
            parent => parent,
        };
        let mut pairs = vec![(TRACEPARENT.to_owned(), parent.into_owned())];
        let state = self.text("tracestate");
        if !state.is_empty() {
            pairs.push((TRACESTATE.to_owned(), state.into_owned()));
        }
        trace::from_pairs(&pairs)
    }

    /// All of it as a value.
    ///
    /// # Errors
    /// What is nested too deep.
    pub(super) fn value(&self) -> Result<BTreeMap<&str, Value>, String> {
        let read = |value: &RawValue| serde_json::from_str(value.get()).map_err(|error| error.to_string());
        self.fields().map(|(name, value)| Ok((name, read(value)?))).collect()
    }
}

/// A text, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_any_object() {
        let text = br#"{"id":"a\nb","n":1,"gone":null,"n":2,"traceid":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":"a=b"}"#;
        let event = Event::read(text).unwrap();
        assert_eq!((&*event.text("id"), &*event.text("n"), &*event.text("gone")), ("a\nb", "2", ""));
        assert!(event.field("gone").is_none() && !event.has_expired());
        let trace = event.trace().unwrap();
        assert_eq!(trace.trace_state().header(), "a=b");
        for none in [&b""[..], b"null", b"[]", b"1", b"\"x\"", b"{", b"{\"a\":\"\xff\"}", b"{}x"] {
            assert!(Event::read(none).is_err(), "{none:?}");
        }
    }

    #[test]
    fn an_event_expires() {
        for (expiration, expired) in [
            ("\"2000-01-01T00:00:00Z\"", true),
            ("\"2000-01-01T00:00:00+01:00\"", true),
            ("\"2999-01-01T00:00:00Z\"", false),
            ("\"tomorrow\"", false),
            ("\"\"", false),
            ("1", false),
            ("null", false),
        ] {
            let text = format!("{{\"expiration\":{expiration}}}");
            assert_eq!(Event::read(text.as_bytes()).unwrap().has_expired(), expired, "{expiration}");
        }
    }
}
