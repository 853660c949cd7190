//! What both providers check in the same way before they do anything.

use super::{LARGEST_EVENT, MOST_EVENTS, Query, SubscribeOptions, Values, size};
use crate::delivery::check;
use crate::{Error, Result};

// === free functions ===

pub(super) fn check_stream(stream: &str) -> Result<()> {
    if stream.is_empty() {
        return Err(Error::InvalidArgument("the stream has no name; give one".to_owned()));
    }
    Ok(())
}

pub(super) fn check_write(stream: &str, values: &Values) -> Result<()> {
    check_stream(stream)?;
    if values.is_empty() {
        return Err(Error::InvalidArgument("the event says nothing; give it a value".to_owned()));
    }
    if size(values) > LARGEST_EVENT {
        let what = "bytes in an event; keep large values elsewhere and name them".to_owned();
        return Err(Error::TooMuch { what, most: LARGEST_EVENT as u64 });
    }
    Ok(())
}

pub(super) fn check_query(stream: &str, query: Query) -> Result<()> {
    check_stream(stream)?;
    if (1..=MOST_EVENTS).contains(&query.count) {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!(
        "{} events cannot be read at a time; ask for 1 to {MOST_EVENTS}",
        query.count
    )))
}

pub(super) fn check_subscribe(stream: &str, options: &SubscribeOptions) -> Result<()> {
    check_stream(stream)?;
    let SubscribeOptions { group, max_deliveries, ack_wait, concurrency, .. } = options;
    check::group(group.as_deref())?;
    check::terms(*max_deliveries, *ack_wait, *concurrency)
}
