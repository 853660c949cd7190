//! What every provider checks in the same way before it does anything.

use std::time::{Duration, SystemTime};

use super::{Message, SubscribeOptions};
use crate::Result;
use crate::delivery::check;
use crate::delivery::check::{name as check_name, refuse};

/// Topics that start so carry replies to one request each.
pub(super) const INBOX: &str = "_INBOX.";

const MOST_HEADERS: usize = 64;
/// Of all names and values of a message together.
const MOST_HEADER_BYTES: usize = 16 << 10;
/// Providers keep what they need to know about a message among its headers.
const RESERVED_HEADERS: &str = "pillion-";
/// No provider has to compute with times that it cannot represent.
const LONGEST_TTL: Duration = Duration::from_secs(1000 * 365 * 24 * 60 * 60);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60 * 60);

// === free functions ===

/// Refuses a topic that no provider takes.
#[inline]
pub(super) fn check_topic(topic: &str) -> Result<()> {
    check_name("topic", topic)
}

/// Refuses what cannot be published.
#[inline]
pub(super) fn check_publish(topic: &str, message: &Message) -> Result<()> {
    check_topic(topic)?;
    check_message(message)
}

/// Refuses what cannot be requested.
pub(super) fn check_request(topic: &str, message: &Message, timeout: Duration) -> Result<()> {
    check_publish(topic, message)?;
    if message.reply_to.is_some() {
        return refuse("a request has a topic for its reply already; leave out reply_to or publish instead");
    }
    if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
        return refuse(format!("a request cannot wait {timeout:?}; allow up to an hour, but not nothing"));
    }
    Ok(())
}

/// Refuses what cannot be subscribed to.
pub(super) fn check_subscribe(topic: &str, options: &SubscribeOptions) -> Result<()> {
    check_topic(topic)?;
    if topic.starts_with(INBOX) {
        return refuse(format!("topic {topic} carries replies; make a request to get one"));
    }
    check::group(options.group.as_deref())?;
    if let Some(dead_letter) = &options.dead_letter {
        check_name("dead-letter topic", dead_letter)?;
        if dead_letter == topic {
            return refuse(format!("topic {topic} cannot be its own dead-letter topic; name another"));
        }
    }
    check::terms(options.max_deliveries, options.ack_wait, options.concurrency)
}

/// When a message with this time to live is no longer worth delivering, in milliseconds since 1970, rounded up.
pub(super) fn expiry_ms(ttl: Option<Duration>) -> Option<u64> {
    let expiry = SystemTime::now().checked_add(ttl?)?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(expiry.as_micros().div_ceil(1000)).ok()
}

/// Whether that time has come.
pub(super) fn expired(expiry_ms: u64) -> bool {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(expiry_ms))
        .is_some_and(|expiry| expiry <= SystemTime::now())
}

#[inline]
fn check_message(message: &Message) -> Result<()> {
    match message.ttl {
        Some(ttl) if ttl.is_zero() => {
            return refuse("the message's time to live is zero; leave it out to keep the message for ever");
        }
        Some(ttl) if ttl > LONGEST_TTL => {
            return refuse("the message's time to live is over 1000 years; leave it out to keep it for ever");
        }
        _ => {}
    }
    if let Some(reply_to) = &message.reply_to {
        check_name("topic to reply to", reply_to)?;
    }
    if message.headers.is_empty() { Ok(()) } else { check_headers(message) }
}

fn check_headers(message: &Message) -> Result<()> {
    let bytes: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if message.headers.len() > MOST_HEADERS || bytes > MOST_HEADER_BYTES {
        return refuse(format!(
            "the message has {} headers of {bytes} bytes; {MOST_HEADERS} of {MOST_HEADER_BYTES} are the most",
            message.headers.len()
        ));
    }
    for (name, value) in &message.headers {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
            return refuse(format!("the header name {name:?} is not visible ASCII without a colon"));
        }
        if name
            .get(..RESERVED_HEADERS.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(RESERVED_HEADERS))
        {
            return refuse(format!("header names such as {name:?} are reserved; name it otherwise"));
        }
        if value.chars().any(char::is_control) || value.trim() != value {
            return refuse(format!(
                "the value of header {name} has control characters or spaces at an end; leave them out"
            ));
        }
    }
    Ok(())
}
