//! The contract `EventStreams`: events written down in their order, read again, and delivered to subscribers.
//!
//! It serves waSCC's `wascc:eventstreams`; Dapr's API has nothing of the kind.

mod check;
mod memory;
mod prefixed;
mod redis;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::binding::{Binding, Bound};
use crate::delivery::{self, count_outcomes};
use crate::{Answer, Counters, Error, Result, counters};

pub use crate::delivery::{Outcome, Settle, Ticket};
pub use memory::Memory;
pub use prefixed::prefixed;
pub use redis::Redis;

counters::operations! {
    Write = "write",
    Query = "query",
    Subscribe = "subscribe",
    Acknowledge = "acknowledge",
    Redeliver = "redeliver",
    Discard = "discard",
}
count_outcomes!(Operation);

/// An event with the duty to settle it.
pub type Delivery = delivery::Delivery<Received>;

/// The events that arrive.
pub type Subscription = delivery::Subscription<Received>;

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

/// An event that arrived. Copies share the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The stream that it is in.
    pub stream: Arc<str>,
    /// What was written.
    pub event: Arc<Event>,
    /// 1 for the first delivery to this group, and one more for each further.
    pub attempt: u32,
}

/// Where a group begins to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Behind what is in the stream now.
    #[default]
    New,
    /// At the eldest event that the stream still has.
    Eldest,
    /// Behind this event, or where it would be.
    After(EventId),
}

/// How a subscription wants its events. The members of a group should all want them in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// The group whose members share the events; `None` makes a group of this subscription alone. A name has 1 to
    /// 255 bytes without white space and control characters.
    pub group: Option<String>,
    /// Where a new group begins. One that is there already goes on where it was.
    pub start: Start,
    /// How often an event is delivered at most before its group gives it up; 1 at least. It stays in the stream.
    pub max_deliveries: u32,
    /// How long a delivery may stay unsettled before it is made again, from 1 ms to 1 day.
    pub ack_wait: Duration,
    /// How many deliveries may be unsettled at a time, from 1 to 65,536. A provider over a network fetches as many
    /// ahead, and their `ack_wait` runs from then on: give a slow subscriber a small number.
    pub concurrency: usize,
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

    /// Has a group read a stream, which need not be there yet. To be called within a tokio runtime.
    ///
    /// The group gets every event behind its start once, in their order, and again what was not acknowledged, in
    /// between and as often as allowed. An event that the stream has let go of before that is not delivered any more. A group
    /// with a name stays when its last member leaves, and the next one goes on where it was: as long as this process in
    /// memory, until somebody destroys it on a server.
    fn subscribe(&self, stream: &str, options: SubscribeOptions) -> Answer<Subscription>;

    /// Makes a binding: answers what serves it, which knows the values of [`prefixed`]. See
    /// [`crate::binding`]; `this` is the provider itself.
    fn bind(&self, this: Arc<dyn EventStreams>, binding: &Binding<'_>) -> Result<Bound<dyn EventStreams>> {
        prefixed(this, binding)
    }
}

/// How many bytes the names and values of an event have together at most.
pub const LARGEST_EVENT: usize = 64 << 10;

/// How many events are read at a time at most.
pub const MOST_EVENTS: usize = 1000;

/// How many groups a stream in memory has at most.
pub const MOST_GROUPS: usize = 1024;

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

// === impl SubscribeOptions ===

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            group: None,
            start: Start::default(),
            max_deliveries: 5,
            ack_wait: Duration::from_secs(30),
            concurrency: 64,
        }
    }
}

// === free functions ===

/// Says that a group does not get an event any more, though nobody dealt with it.
fn given_up(stream: &str, id: EventId) {
    tracing::warn!(target: "pillion::delivery", stream, %id, "an event was given up; it stays in its stream");
}

fn size(values: &Values) -> usize {
    values.iter().map(|(name, value)| name.len() + value.len()).sum()
}
