//! What every provider that delivers checks in the same way before it does anything.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::{Error, Result};

const LONGEST_NAME: usize = 255;
const ACK_WAITS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);
const CONCURRENCIES: RangeInclusive<usize> = 1..=65_536;

// === free functions ===

/// Refuses a group's name that no provider takes.
pub(crate) fn group(group: Option<&str>) -> Result<()> {
    group.map_or(Ok(()), |group| name("queue group", group))
}

/// Refuses terms that no provider can keep.
pub(crate) fn terms(max_deliveries: u32, ack_wait: Duration, concurrency: usize) -> Result<()> {
    if max_deliveries == 0 {
        return refuse("nothing is delivered less than once; set max_deliveries to 1 or more");
    }
    if !ACK_WAITS.contains(&ack_wait) {
        return refuse(format!("ack_wait is {ack_wait:?}; set it from 1 ms to 1 day"));
    }
    if !CONCURRENCIES.contains(&concurrency) {
        return refuse(format!("concurrency is {concurrency}; set it from 1 to 65536"));
    }
    Ok(())
}

/// Refuses a name that no provider takes.
#[inline]
pub(crate) fn name(what: &str, name: &str) -> Result<()> {
    // Nearly all names are ASCII, and these comparisons cost less than asking Unicode.
    let fine = |byte: u8| byte > b' ' && byte < 0x7f;
    if !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(fine) {
        return Ok(());
    }
    unusual_name(what, name)
}

#[cold]
fn unusual_name(what: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return refuse(format!("the {what} is empty; name one"));
    }
    if name.len() > LONGEST_NAME {
        return refuse(format!("the {what} has {} bytes; {LONGEST_NAME} are the most", name.len()));
    }
    if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return refuse(format!("the {what} {name:?} has white space or control characters; leave them out"));
    }
    Ok(())
}

pub(crate) fn refuse<T>(reason: impl Into<String>) -> Result<T> {
    Err(Error::InvalidArgument(reason.into()))
}
