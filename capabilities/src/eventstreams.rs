//! The contract `EventStreams`: events written down in their order, and read again.
//!
//! It serves waSCC's `wascc:eventstreams`; Dapr's API has nothing of the kind.

mod memory;
mod redis;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::{Answer, Counters, Error, Result, counters};

pub use memory::Memory;
pub use redis::Redis;

counters::operations! {
    Write = "write",
    Query = "query",
}

/// The id of an event: when it was written, and which it was of those at that time. Each is greater than those of
/// the events before it in its stream. As text it is `TIME-NUMBER`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// In milliseconds since 1970, by the clock of the provider.
    pub time: u64,
    /// From 0 on.
    pub number: u64,
}

/// What an event says: values by name.
pub type Values = BTreeMap<String, Bytes>;

/// An event as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the stream.
    pub id: EventId,
    /// What it says.
    pub values: Values,
}

/// Which events of a stream are asked for; the eldest come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Only those of this time or later, in milliseconds since 1970.
    pub from: u64,
    /// Only those of this time or earlier.
    pub to: u64,
    /// Only those behind this one: the last one of the answer before, say.
    pub after: Option<EventId>,
    /// How many at most, from 1 to [`MOST_EVENTS`].
    pub count: usize,
}

/// The capability contract for streams of events.
///
/// A stream is there once an event was written to it; a stream that is not there has no events. When it has more
/// than the provider is told to keep, the eldest go.
pub trait EventStreams: Send + Sync + 'static {
    /// The provider's name, for errors and metrics: `memory`, `redis`.
    fn name(&self) -> &'static str;

    /// How often this provider was reached.
    fn counters(&self) -> &Counters<Operation>;

    /// Whether every call answers [`Answer::Ready`].
    fn always_ready(&self) -> bool;

    /// Writes an event to the end of a stream. [`Error::InvalidArgument`] if the stream has no name or the event no
    /// values; [`Error::TooMuch`] if the names and values have more than [`LARGEST_EVENT`] bytes together.
    fn write(&self, stream: &str, values: Values) -> Answer<EventId>;

    /// Some events of a stream.
    fn query(&self, stream: &str, query: Query) -> Answer<Vec<Event>>;
}

/// How many bytes the names and values of an event have together at most.
pub const LARGEST_EVENT: usize = 64 << 10;

/// How many events are read at a time at most.
pub const MOST_EVENTS: usize = 1000;

// === impl EventId ===

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.time, self.number)
    }
}

impl FromStr for EventId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (time, number) = text.split_once('-')?;
            let id = Self { time: time.parse().ok()?, number: number.parse().ok()? };
            // No plus and no leading zero: one text for each id.
            (id.to_string() == text).then_some(id)
        };
        parse().ok_or_else(|| {
            Error::InvalidArgument(format!("{text:?} is no id of an event; it is TIME-NUMBER"))
        })
    }
}

impl Default for Query {
    /// The first events of all.
    fn default() -> Self {
        Self { from: 0, to: u64::MAX, after: None, count: MOST_EVENTS }
    }
}

// === free functions ===

fn size(values: &Values) -> usize {
    values.iter().map(|(name, value)| name.len() + value.len()).sum()
}

fn check_stream(stream: &str) -> Result<()> {
    if stream.is_empty() {
        return Err(Error::InvalidArgument("the stream has no name; give one".to_owned()));
    }
    Ok(())
}

fn check_write(stream: &str, values: &Values) -> Result<()> {
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

fn check_query(stream: &str, query: Query) -> Result<()> {
    check_stream(stream)?;
    if (1..=MOST_EVENTS).contains(&query.count) {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!(
        "{} events cannot be read at a time; ask for 1 to {MOST_EVENTS}",
        query.count
    )))
}
