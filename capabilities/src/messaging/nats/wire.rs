//! Messages as NATS carries them.

use std::fmt::Write;

use async_nats::HeaderMap;
use bytes::Bytes;

use crate::messaging::Message;
use crate::messaging::check::{expired, expiry_ms};
use crate::{Error, Result};

/// When the message is no longer worth delivering, in milliseconds since 1970.
const EXPIRES: &str = "Pillion-Expires";
/// Where a message that goes through a stream is to be answered: the server uses NATS's own field itself there.
const REPLY_TO: &str = "Pillion-Reply-To";

// === free functions ===

/// The headers of a message to publish; `None` where there are none, which saves bytes.
pub(in crate::messaging) fn headers(message: &Message, reply_to: Option<&str>) -> Option<HeaderMap> {
    let expiry = expiry_ms(message.ttl);
    if message.headers.is_empty() && expiry.is_none() && reply_to.is_none() {
        return None;
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        headers.append(name.as_str(), value.as_str());
    }
    if let Some(expiry) = expiry {
        headers.insert(EXPIRES, expiry.to_string().as_str());
    }
    if let Some(reply_to) = reply_to {
        headers.insert(REPLY_TO, reply_to);
    }
    Some(headers)
}

/// A message that arrived, unless it has expired.
pub(in crate::messaging) fn decode(
    body: Bytes,
    map: Option<&HeaderMap>,
    mut reply_to: Option<String>,
) -> Option<Message> {
    let mut headers = Vec::new();
    for (name, values) in map.into_iter().flat_map(HeaderMap::iter) {
        for value in values {
            let (name, value): (&str, &str) = (name.as_ref(), value.as_str());
            match name {
                EXPIRES if value.parse().is_ok_and(expired) => return None,
                EXPIRES => {}
                REPLY_TO => reply_to = Some(value.to_owned()),
                _ => headers.push((name.to_owned(), value.to_owned())),
            }
        }
    }
    Some(Message { body, reply_to, headers, ttl: None })
}

/// Refuses a topic that is no subject to publish on.
pub(in crate::messaging) fn check_subject(topic: &str) -> Result<()> {
    check_pattern(topic)?;
    if topic.split('.').any(|word| matches!(word, "*" | ">")) {
        return Err(Error::InvalidArgument(format!(
            "topic {topic} has a wildcard of NATS; give the whole topic"
        )));
    }
    Ok(())
}

/// Refuses a topic that is no subject to subscribe to.
pub(in crate::messaging) fn check_pattern(topic: &str) -> Result<()> {
    if topic.split('.').any(str::is_empty) {
        return Err(Error::InvalidArgument(format!(
            "topic {topic} is no subject of NATS; separate words by single dots"
        )));
    }
    Ok(())
}

/// A name for a stream or consumer that no other text gives: what such names cannot contain is written as an
/// underscore and two hexadecimal digits a byte.
pub(in crate::messaging) fn encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => encoded.push(byte.into()),
            // Writing to a string does not fail.
            other => drop(write!(encoded, "_{other:02X}")),
        }
    }
    encoded
}
