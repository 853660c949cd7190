//! `wascc:eventstreams` in memory.

use std::collections::BTreeMap;

use pillion_codec::{DecodeError, Event, EventValues, Messages, StreamQuery, StreamResults, WriteResponse};

use super::Outcome;
use super::contracts::{self, encoded, unknown};

/// The events by stream. The time of the n-th event of a stream is second n.
#[derive(Default)]
pub(super) struct Streams(BTreeMap<String, Vec<Written>>);

struct Written {
    id: String,
    /// By their names, as stores keep them: of two of one name the last counts.
    values: BTreeMap<String, Vec<u8>>,
}

/// So many events are read at a time.
const MOST_EVENTS: u64 = 1000;

/// So many bytes the names and values of an event have together.
const LARGEST_EVENT: usize = 64 << 10;

// === impl Streams ===

impl Streams {
    pub(super) fn answer(&mut self, operation: &str, payload: &[u8]) -> Outcome {
        match operation {
            "WriteEvent" => {
                let Event { stream, values, .. } = read(operation, Event::decode(payload))?;
                let values = values.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
                check(stream, &values)?;
                let events = self.0.entry(stream.to_owned()).or_default();
                let id = format!("{}000-0", events.len() + 1);
                events.push(Written { id: id.clone(), values });
                encoded(|out| WriteResponse { event_id: &id }.encode(out))
            }
            "QueryStream" => self.query(read(operation, StreamQuery::decode(payload))?),
            _ => unknown("wascc:eventstreams", operation),
        }
    }

    fn query(&self, StreamQuery { stream_id, range, count }: StreamQuery<'_>) -> Outcome {
        check_stream(stream_id)?;
        let count = if count == 0 { MOST_EVENTS } else { count };
        if count > MOST_EVENTS {
            return Err(format!("{count} events cannot be read at a time; ask for 1 to {MOST_EVENTS}"));
        }
        let asked =
            |second: u64| range.is_none_or(|range| (range.min_time..=range.max_time).contains(&second));
        let events = self.0.get(stream_id).map(Vec::as_slice).unwrap_or_default();
        let events = (1..).zip(events).filter(|(second, _)| asked(*second)).take(count as usize);
        let events: Vec<_> = events
            .map(|(_, Written { id, values })| {
                (id, values.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect::<Vec<_>>())
            })
            .collect();
        let events: Vec<Event<'_>> = events
            .iter()
            .map(|(id, values)| Event { event_id: id, stream: stream_id, values: EventValues::new(values) })
            .collect();
        encoded(|out| StreamResults { events: Messages::new(&events) }.encode(out))
    }
}

// === free functions ===

fn check(stream: &str, values: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    check_stream(stream)?;
    if values.is_empty() {
        return Err("the event says nothing; give it a value".to_owned());
    }
    if values.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > LARGEST_EVENT {
        let remedy = "keep large values elsewhere and name them";
        return Err(format!("more than {LARGEST_EVENT} bytes in an event; {remedy}"));
    }
    Ok(())
}

fn check_stream(stream: &str) -> Result<(), String> {
    if stream.is_empty() { Err("the stream has no name; give one".to_owned()) } else { Ok(()) }
}

fn read<T>(operation: &str, message: Result<T, DecodeError>) -> Result<T, String> {
    contracts::read("wascc:eventstreams", operation, message)
}
