//! The messages of `wascc:eventstreams`.

use crate::message::message;
use crate::sequence::nested;
use crate::{Map, Messages, field};

/// What an event says, by name.
pub type EventValues<'a> = Map<'a, &'a [u8]>;

message! {
    /// `WriteEvent`, where the id says nothing, the events of an answer, and what `DeliverEvent` brings to an actor.
    pub struct Event<'a> {
        /// Its id, as the stream gave it.
        pub event_id: &'a str = "eventId" via field::text,
        /// The stream's name.
        pub stream: &'a str = "stream" via field::text,
        /// What it says.
        pub values: EventValues<'a> = "values" via field::sequence_or_none,
    }
}

message! {
    /// What `WriteEvent` answers.
    pub struct WriteResponse<'a> {
        /// The id that the stream gave.
        pub event_id: &'a str = "eventId" via field::text,
    }
}

message! {
    /// A span of time, both ends included.
    pub struct TimeRange {
        /// Its beginning, in seconds since 1970.
        pub min_time: u64 = "minTime" via field::unsigned,
        /// Its end, in seconds since 1970.
        pub max_time: u64 = "maxTime" via field::unsigned,
    }
}

nested!(Event<'a>, TimeRange);

message! {
    /// `QueryStream`.
    pub struct StreamQuery<'a> {
        /// The stream's name.
        pub stream_id: &'a str = "streamId" via field::text,
        /// When the events were written; at any time if it is not there.
        pub range: Option<TimeRange> = "range" via field::optional_message,
        /// How many are wanted at most; 0 for as many as there are in an answer.
        pub count: u64 = "count" via field::unsigned,
    }
}

message! {
    /// What `QueryStream` answers.
    pub struct StreamResults<'a> {
        /// The events, the eldest first.
        pub events: Messages<'a, Event<'a>> = "events" via field::element,
    }
}
