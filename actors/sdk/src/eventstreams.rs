//! `wascc:eventstreams`: events that stay, in their order.

use crate::Result;
use crate::answered::{answered, decode};
use crate::call::call_with;
use crate::client::client;
use crate::message::{Event, EventValues, Messages, StreamQuery, TimeRange, WriteResponse};

client! {
    /// Streams of events. What is written to a stream that the actor is subscribed to comes by `DeliverEvent`.
    EventStreams = "wascc:eventstreams"
}

answered! {
    /// Events of a stream, the eldest first.
    pub Events of StreamResults, else crate::message::StreamResults { events: Messages::new(&[]) }
}

// === impl EventStreams ===

impl EventStreams<'_> {
    /// Writes an event that says these values by name, and answers the id that the stream gave it.
    ///
    /// # Errors
    /// The host's.
    pub fn write(&self, stream: &str, values: &[(&str, &[u8])]) -> Result<String> {
        let event = Event { event_id: "", stream, values: EventValues::new(values) };
        let response = call_with(self.binding, Self::CONTRACT, "WriteEvent", |out| event.encode(out))?;
        Ok(decode("WriteEvent", WriteResponse::decode(&response))?.event_id.to_owned())
    }

    /// The events of a stream that were written in `range`, or at any time; at most `count`, where 0 is as many as an
    /// answer holds.
    ///
    /// # Errors
    /// The host's.
    pub fn query(&self, stream: &str, range: Option<TimeRange>, count: u64) -> Result<Events> {
        let query = StreamQuery { stream_id: stream, range, count };
        let response = call_with(self.binding, Self::CONTRACT, "QueryStream", |out| query.encode(out))?;
        Events::of("QueryStream", response)
    }
}

// === impl Events ===

impl Events {
    /// The events in their order.
    pub fn iter(&self) -> impl Iterator<Item = Event<'_>> {
        self.message().events.iter()
    }
}
