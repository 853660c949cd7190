//! The provider in memory.

use std::collections::{HashMap, VecDeque};
use std::time::SystemTime;

use parking_lot::Mutex;

use super::{Event, EventId, EventStreams, Operation, Query, Values, check_query, check_write, size};
use crate::{Answer, Counters, Error, Result};

/// Keeps events in this process's memory, and loses them with the process.
///
/// Every call answers [`Answer::Ready`]. What it holds is bounded by the room it is given: the bytes of all names and
/// values, [`OVERHEAD`](Self::OVERHEAD) for each value and event, and as much for each stream. An event that finds no
/// room drives out the eldest of its own stream; if that is not enough, it is refused. A value that is a part of a
/// larger buffer keeps all of it, of which the room counts the part.
#[derive(Debug)]
pub struct Memory {
    counters: Counters<Operation>,
    /// How many events a stream keeps.
    most: usize,
    /// How much all may take up, in bytes.
    room: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    streams: HashMap<String, Stream>,
    /// What of the room is taken up, in bytes.
    used: u64,
}

#[derive(Debug, Default)]
struct Stream {
    events: VecDeque<Event>,
    last: Option<EventId>,
    /// What its events take up of the room, in bytes.
    used: u64,
}

// === impl Memory ===

impl Memory {
    /// What each stream, event and value takes up besides its bytes, in bytes: the tables' entries.
    pub const OVERHEAD: u64 = 256;

    /// Keeps so many events of each stream, one at least, and all of them within so many bytes.
    #[must_use]
    pub fn new(most: usize, room: u64) -> Self {
        Self { counters: Counters::default(), most: most.max(1), room, state: Mutex::default() }
    }

    /// How many bytes of the room are taken up.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state.lock().used
    }

    fn append(&self, stream: &str, values: Values) -> Result<EventId> {
        check_write(stream, &values)?;
        let taken = taken(&values);
        let mut state = self.state.lock();
        let State { streams, used } = &mut *state;
        let new = if streams.contains_key(stream) { 0 } else { Self::OVERHEAD + stream.len() as u64 };
        let held = streams.get(stream).map_or(0, |stream| stream.used);
        // Of the same stream all may go.
        if *used - held + new + taken > self.room {
            let what = "bytes of events in memory; keep less of each stream or give it more room".to_owned();
            return Err(Error::TooMuch { what, most: self.room });
        }
        let stream = streams.entry(stream.to_owned()).or_default();
        *used += new + taken;
        stream.used += taken;
        while stream.events.len() >= self.most || *used > self.room {
            let Some(eldest) = stream.events.pop_front() else { break };
            let freed = self::taken(&eldest.values);
            *used -= freed;
            stream.used -= freed;
        }
        let id = stream.next();
        stream.events.push_back(Event { id, values });
        Ok(id)
    }

    fn find(&self, stream: &str, query: Query) -> Result<Vec<Event>> {
        check_query(stream, query)?;
        let state = self.state.lock();
        let Some(stream) = state.streams.get(stream) else { return Ok(Vec::new()) };
        let before =
            |event: &Event| event.id.time < query.from || query.after.is_some_and(|id| event.id <= id);
        let first = stream.events.partition_point(before);
        let events = stream.events.range(first..).take_while(|event| event.id.time <= query.to);
        Ok(events.take(query.count).cloned().collect())
    }
}

impl EventStreams for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        true
    }

    fn write(&self, stream: &str, values: Values) -> Answer<EventId> {
        self.counters.count(Operation::Write);
        Answer::Ready(self.append(stream, values))
    }

    fn query(&self, stream: &str, query: Query) -> Answer<Vec<Event>> {
        self.counters.count(Operation::Query);
        Answer::Ready(self.find(stream, query))
    }
}

// === impl Stream ===

impl Stream {
    /// The id of an event that is written now. It is greater than the last one even if the clock was set back.
    fn next(&mut self) -> EventId {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = EventId { time: u64::try_from(since.as_millis()).unwrap_or(u64::MAX), number: 0 };
        let id = match self.last {
            Some(last) if last >= now => EventId { time: last.time, number: last.number + 1 },
            _ => now,
        };
        self.last = Some(id);
        id
    }
}

// === free functions ===

fn taken(values: &Values) -> u64 {
    size(values) as u64 + Memory::OVERHEAD * (values.len() as u64 + 1)
}
