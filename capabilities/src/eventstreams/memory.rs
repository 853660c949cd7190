//! The provider in memory.

mod group;
mod stream;
mod subscriber;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::check::{check_query, check_write};
use super::{Event, EventId, EventStreams, Operation, Query, SubscribeOptions, Subscription, Values, size};
use crate::{Answer, Counters, Error, Result};
use stream::Stream;
use subscriber::Subscriber;

/// Keeps events in this process's memory, and loses them with the process.
///
/// Every call answers [`Answer::Ready`]. What it holds is bounded by the room it is given: the bytes of all names and
/// values, [`OVERHEAD`](Self::OVERHEAD) for each value and event, and as much for each stream. An event that finds no
/// room drives out the eldest of its own stream; if that is not enough, it is refused. A value that is a part of a
/// larger buffer keeps all of it, of which the room counts the part.
///
/// There is no thread: a delivery whose time to be settled is over is noticed when a member of its group waits for
/// the next one.
#[derive(Debug)]
pub struct Memory {
    counters: Arc<Counters<Operation>>,
    shared: Arc<Shared>,
}

/// What the provider and its subscriptions share.
#[derive(Debug)]
struct Shared {
    /// How many events a stream keeps.
    most: usize,
    /// How much all may take up, in bytes.
    room: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    streams: HashMap<Arc<str>, Stream>,
    /// What of the room is taken up, in bytes.
    used: u64,
    /// The last number given to a group, a member or a taking.
    last: u64,
}

// === impl Memory ===

impl Memory {
    /// What each stream, event and value takes up besides its bytes, in bytes: the tables' entries.
    pub const OVERHEAD: u64 = 256;

    /// Keeps so many events of each stream, one at least, and all of them within so many bytes.
    #[must_use]
    pub fn new(most: usize, room: u64) -> Self {
        let shared = Shared { most: most.max(1), room, state: Mutex::default() };
        Self { counters: Arc::default(), shared: Arc::new(shared) }
    }

    /// How many bytes of the room are taken up.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.shared.state.lock().used
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
        Answer::Ready(self.shared.append(stream, values))
    }

    fn query(&self, stream: &str, query: Query) -> Answer<Vec<Event>> {
        self.counters.count(Operation::Query);
        Answer::Ready(self.shared.find(stream, query))
    }

    fn subscribe(&self, stream: &str, options: SubscribeOptions) -> Answer<Subscription> {
        self.counters.count(Operation::Subscribe);
        let subscriber = Subscriber::join(&self.shared, &self.counters, stream, &options);
        Answer::Ready(subscriber.map(Subscription::new))
    }
}

// === impl Shared ===

impl Shared {
    fn append(&self, stream: &str, values: Values) -> Result<EventId> {
        check_write(stream, &values)?;
        let taken = taken(&values);
        let mut state = self.state.lock();
        let held = state.streams.get(stream).map_or(0, |stream| stream.used);
        // Of the same stream all may go.
        state.make_room(stream, self.room, held, taken)?;
        let State { streams, used, .. } = &mut *state;
        let Some(stream) = streams.get_mut(stream) else { return Err(full(self.room)) };
        *used += taken;
        stream.used += taken;
        while stream.events.len() >= self.most || *used > self.room {
            let Some(eldest) = stream.events.pop_front() else { break };
            let freed = self::taken(&eldest.values);
            *used -= freed;
            stream.used -= freed;
        }
        Ok(stream.push(values))
    }

    fn find(&self, stream: &str, query: Query) -> Result<Vec<Event>> {
        check_query(stream, query)?;
        let state = self.state.lock();
        let Some(stream) = state.streams.get(stream) else { return Ok(Vec::new()) };
        let before =
            |event: &Arc<Event>| event.id.time < query.from || query.after.is_some_and(|id| event.id <= id);
        let first = stream.events.partition_point(before);
        let events = stream.events.range(first..).take_while(|event| event.id.time <= query.to);
        Ok(events.take(query.count).map(|event| (**event).clone()).collect())
    }
}

// === impl State ===

impl State {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Makes a stream if it is not there, unless it and so many bytes more find no room when so many are let go.
    fn make_room(&mut self, stream: &str, room: u64, freed: u64, more: u64) -> Result<()> {
        let there = self.streams.contains_key(stream);
        let new = if there { 0 } else { overhead(stream) };
        if self.used - freed + new + more > room {
            return Err(full(room));
        }
        if !there {
            self.used += new;
            self.streams.insert(stream.into(), Stream::default());
        }
        Ok(())
    }

    /// Forgets a stream that nobody reads and that never had an event: ids of one that had must not come again.
    fn forget_if_unused(&mut self, stream: &str) {
        if self.streams.get(stream).is_some_and(Stream::is_unused) {
            self.streams.remove(stream);
            self.used -= overhead(stream);
        }
    }
}

// === free functions ===

fn taken(values: &Values) -> u64 {
    size(values) as u64 + Memory::OVERHEAD * (values.len() as u64 + 1)
}

fn overhead(stream: &str) -> u64 {
    Memory::OVERHEAD + stream.len() as u64
}

fn full(room: u64) -> Error {
    let what = "bytes of events in memory; keep less of each stream or give it more room".to_owned();
    Error::TooMuch { what, most: room }
}
