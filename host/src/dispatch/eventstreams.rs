//! The contract `wascc:eventstreams` in MessagePack, over a provider.

use bytes::Bytes;
use pillion_capabilities::EventStreams;
use pillion_capabilities::eventstreams::{Event, MOST_EVENTS, Query, Received};
use pillion_codec::{
    DecodeError, Event as ActorEvent, EventValues, Messages, StreamQuery, StreamResults, TimeRange,
    WriteResponse,
};

use super::Contract;
use super::answer::{answer, malformed, unknown};
use crate::delivery::Arrived;
use crate::engine::{Dispatched, Reply};

/// Makes one call of the contract.
pub(super) fn dispatch(
    provider: &dyn EventStreams,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Dispatched {
    match call(provider, operation, payload, reply) {
        Ok(dispatched) => dispatched,
        Err(error) => malformed(Contract::EventStreams, operation, error, reply),
    }
}

fn call(
    provider: &dyn EventStreams,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Result<Dispatched, DecodeError> {
    Ok(match operation {
        b"WriteEvent" => {
            // The id is the stream's to give.
            let ActorEvent { stream, values, .. } = ActorEvent::decode(payload)?;
            let value = |(name, value): (&str, &[u8])| (name.to_owned(), Bytes::copy_from_slice(value));
            answer(
                provider.write(stream, values.iter().map(value).collect()),
                payload,
                reply,
                |id, _, reply| WriteResponse { event_id: &id.to_string() }.encode(reply.respond()),
            )
        }
        b"QueryStream" => {
            let StreamQuery { stream_id, range, count } = StreamQuery::decode(payload)?;
            answer(
                provider.query(stream_id, query(range, count)),
                payload,
                reply,
                |events, payload, reply| {
                    found(&events, payload, reply);
                },
            )
        }
        _ => unknown(Contract::EventStreams, operation, reply),
    })
}

/// Actors know seconds, of which the last one is meant to its end.
fn query(range: Option<TimeRange>, count: u64) -> Query {
    let all = Query::default();
    let (from, to) = range.map_or((all.from, all.to), |TimeRange { min_time, max_time }| {
        (min_time.saturating_mul(1_000), max_time.saturating_mul(1_000).saturating_add(999))
    });
    let count = if count == 0 { MOST_EVENTS } else { usize::try_from(count).unwrap_or(usize::MAX) };
    Query { from, to, after: None, count }
}

fn found(events: &[Event], payload: &[u8], reply: &mut Reply) {
    // It was decoded before.
    let stream = StreamQuery::decode(payload).map_or("", |query| query.stream_id);
    let texts: Vec<_> = events.iter().map(|event| (event.id.to_string(), pairs(event))).collect();
    let events: Vec<ActorEvent<'_>> = texts
        .iter()
        .map(|(id, values)| ActorEvent { event_id: id, stream, values: EventValues::new(values) })
        .collect();
    StreamResults { events: Messages::new(&events) }.encode(reply.respond());
}

impl Arrived for Received {
    const OPERATION: &'static str = "DeliverEvent";

    fn topic(&self) -> &str {
        &self.stream
    }

    fn attempt(&self) -> u32 {
        self.attempt
    }

    fn payload(&self) -> Vec<u8> {
        let Self { stream, event, .. } = self;
        let (id, values) = (event.id.to_string(), pairs(event));
        let mut encoded = Vec::new();
        let event = ActorEvent { event_id: &id, stream, values: EventValues::new(&values) };
        event.encode(&mut encoded);
        encoded
    }
}

fn pairs(event: &Event) -> Vec<(&str, &[u8])> {
    event.values.iter().map(|(name, value)| (name.as_str(), &**value)).collect()
}
