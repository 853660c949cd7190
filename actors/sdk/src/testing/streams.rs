//! `wascc:eventstreams` in memory.

use std::collections::BTreeMap;

use pillion_codec::{Event, EventValues, Messages, StreamQuery, StreamResults, WriteResponse};

use super::Outcome;
use super::contracts::{encoded, read, unknown};

/// The events by stream. The time of the n-th event of a stream is second n.
#[derive(Default)]
pub(super) struct Streams(BTreeMap<String, Vec<Written>>);

struct Written {
    id: String,
    values: Vec<(String, Vec<u8>)>,
}

// === impl Streams ===

impl Streams {
    pub(super) fn answer(&mut self, operation: &str, payload: &[u8]) -> Outcome {
        match operation {
            "WriteEvent" => {
                let Event { stream, values, .. } = read(operation, Event::decode(payload))?;
                let events = self.0.entry(stream.to_owned()).or_default();
                let id = format!("{}000-0", events.len() + 1);
                let values = values.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
                events.push(Written { id: id.clone(), values });
                encoded(|out| WriteResponse { event_id: &id }.encode(out))
            }
            "QueryStream" => self.query(read(operation, StreamQuery::decode(payload))?),
            _ => unknown("wascc:eventstreams", operation),
        }
    }

    fn query(&self, StreamQuery { stream_id, range, count }: StreamQuery<'_>) -> Outcome {
        let count = if count == 0 { usize::MAX } else { usize::try_from(count).unwrap_or(usize::MAX) };
        let asked =
            |second: u64| range.is_none_or(|range| (range.min_time..=range.max_time).contains(&second));
        let events = self.0.get(stream_id).map(Vec::as_slice).unwrap_or_default();
        let events = (1..).zip(events).filter(|(second, _)| asked(*second)).take(count);
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
