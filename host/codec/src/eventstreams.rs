//! The messages of `wascc:eventstreams`.

use std::fmt;

use crate::message::message;
use crate::messages::nested;
use crate::reader::Reader;
use crate::{DecodeError, Messages, field, messages, writer};

/// What an event says, by name: either still encoded, as it came in, or a slice to be encoded.
#[derive(Clone, Copy)]
pub struct EventValues<'a>(Pairs<'a>);

#[derive(Clone, Copy)]
enum Pairs<'a> {
    /// That many pairs, each checked when the values were read.
    Encoded {
        count: usize,
        bytes: &'a [u8],
    },
    Slice(&'a [(&'a str, &'a [u8])]),
}

message! {
    /// `WriteEvent`, where the id says nothing, and the events of an answer.
    pub struct Event<'a> {
        /// Its id, as the stream gave it.
        pub event_id: &'a str = "eventId" via field::text,
        /// The stream's name.
        pub stream: &'a str = "stream" via field::text,
        /// What it says.
        pub values: EventValues<'a> = "values" via crate::eventstreams::values,
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
        pub events: Messages<'a, Event<'a>> = "events" via messages,
    }
}

// === impl EventValues ===

impl<'a> EventValues<'a> {
    /// These values.
    #[must_use]
    pub fn new(pairs: &'a [(&'a str, &'a [u8])]) -> Self {
        Self(Pairs::Slice(pairs))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Pairs::Encoded { count, .. } => count,
            Pairs::Slice(pairs) => pairs.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let (mut reader, slice) = match self.0 {
            Pairs::Encoded { bytes, .. } => (Reader::new(bytes), &[][..]),
            Pairs::Slice(pairs) => (Reader::new(&[]), pairs),
        };
        std::iter::from_fn(move || Some((reader.text().ok()?, reader.bytes().ok()?)))
            .chain(slice.iter().copied())
    }
}

impl PartialEq for EventValues<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for EventValues<'_> {}

impl fmt::Debug for EventValues<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// How values are read and written.
mod values {
    use super::*;

    pub(crate) fn missing<'a>() -> Option<EventValues<'a>> {
        Some(EventValues::new(&[]))
    }

    pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Result<EventValues<'a>, DecodeError> {
        let count = reader.map()?;
        let bytes = reader.rest();
        for _ in 0..count {
            reader.text()?;
            reader.bytes()?;
        }
        let bytes = &bytes[..bytes.len() - reader.rest().len()];
        Ok(EventValues(Pairs::Encoded { count, bytes }))
    }

    pub(crate) fn write(values: &EventValues<'_>, out: &mut Vec<u8>) {
        writer::map(values.len(), out);
        for (name, value) in values.iter() {
            writer::text(name, out);
            writer::value_head(value, out);
            out.extend_from_slice(value);
        }
    }
}
