//! The provider over a Redis server.

use std::sync::Arc;

use bytes::Bytes;
use redis::RedisError;

use super::check::{check_query, check_subscribe, check_write};
use super::{
    Event, EventId, EventStreams, Operation, Query, Received, Start, SubscribeOptions, Subscription, Values,
    given_up,
};
use crate::redis::groups::{self, Entries, Entry, Groups, Reader, Terms};
use crate::redis::link::Link;
use crate::{Answer, Counters, Error, Result};

/// Keeps each stream as a stream of a Redis server, under the key of its name.
///
/// Events that other programs write there are read too; one with a name that is no UTF-8 fails the query, and is passed
/// over by subscriptions.
///
/// A group is one of the stream's consumer groups. A subscription without a group makes one that is destroyed with it;
/// if its process is killed, one that subscribes to the stream in the same way destroys it after an hour. Each
/// subscription has a connection of its own, and goes on when a server that was gone is back.
#[derive(Debug)]
pub struct Redis {
    counters: Arc<Counters<Operation>>,
    groups: Groups,
    /// How many events a stream keeps.
    most: usize,
}

/// The events of one stream, to one subscription.
struct Events {
    stream: Arc<str>,
}

/// An id, and names and values in turn, as the server answers them.
type Fields = (String, Vec<(Bytes, Bytes)>);

// === impl Redis ===

impl Redis {
    /// Connects to the server at a URL such as `redis://127.0.0.1:6379`, and keeps so many events of each stream, one
    /// at least. To be called within a tokio runtime, which has to outlive the provider.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if the URL is none, [`Error::Unavailable`] if the server cannot be reached,
    /// [`Error::Failed`] if it refuses, say for a wrong password.
    pub async fn connect(url: &str, most: usize) -> Result<Self> {
        Ok(Self { counters: Arc::default(), groups: Groups::connect(url).await?, most: most.max(1) })
    }
}

impl EventStreams for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        false
    }

    fn write(&self, stream: &str, values: Values) -> Answer<EventId> {
        self.counters.count(Operation::Write);
        if let Err(error) = check_write(stream, &values) {
            return Answer::Ready(Err(error));
        }
        let mut command = redis::cmd("XADD");
        command.arg(stream).arg("MAXLEN").arg("=").arg(self.most).arg("*");
        for (name, value) in &values {
            command.arg(name).arg(&**value);
        }
        let (link, stream) = (self.groups.link().clone(), stream.to_owned());
        Answer::pending(async move {
            let id: String = link.query(&command).await.map_err(|error| explain(&link, &stream, &error))?;
            id.parse().map_err(|_| link.misunderstood("an id of an event that is none"))
        })
    }

    fn query(&self, stream: &str, query: Query) -> Answer<Vec<Event>> {
        self.counters.count(Operation::Query);
        if let Err(error) = check_query(stream, query) {
            return Answer::Ready(Err(error));
        }
        let Some(start) = start(query) else { return Answer::Ready(Ok(Vec::new())) };
        let mut command = redis::cmd("XRANGE");
        let end = EventId { time: query.to, number: u64::MAX };
        command.arg(stream).arg(start.to_string()).arg(end.to_string()).arg("COUNT").arg(query.count);
        let (link, stream) = (self.groups.link().clone(), stream.to_owned());
        Answer::pending(async move {
            let found: Vec<Fields> =
                link.query(&command).await.map_err(|error| explain(&link, &stream, &error))?;
            found.into_iter().map(|fields| event(&link, fields)).collect()
        })
    }

    fn subscribe(&self, stream: &str, options: SubscribeOptions) -> Answer<Subscription> {
        self.counters.count(Operation::Subscribe);
        let checked = check_subscribe(stream, &options);
        let (groups, counters) = (self.groups.clone(), Arc::clone(&self.counters));
        let stream: Arc<str> = stream.into();
        Answer::checked(checked, || async move {
            let SubscribeOptions { group, start, max_deliveries, ack_wait, concurrency } = options;
            let from = match start {
                Start::New => "$".to_owned(),
                Start::Eldest => "0".to_owned(),
                Start::After(id) => id.to_string(),
            };
            let terms = Terms { group, from, max_deliveries, ack_wait, concurrency };
            let events = Events { stream: Arc::clone(&stream) };
            Reader::start(groups, &stream, terms, events, counters).await
        })
    }
}

// === impl Events ===

impl Entries for Events {
    type Received = Received;

    fn received(&self, id: &str, fields: groups::Fields, attempt: u32) -> Option<Received> {
        let stream = Arc::clone(&self.stream);
        let parsed = id.parse().ok();
        let mut values = Values::new();
        let mut fields = fields.into_iter();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            let Ok(name) = String::from_utf8(name.into()) else {
                let said = "an event with a name that is no UTF-8 is passed over";
                tracing::warn!(target: "pillion::delivery", %stream, id, said);
                return None;
            };
            values.insert(name, value);
        }
        let event = Arc::new(Event { id: parsed?, values });
        Some(Received { stream, event, attempt })
    }

    async fn bury(&self, groups: &Groups, entry: Entry<'_>) -> Result<()> {
        groups.acknowledge(entry).await?;
        if let Ok(id) = entry.id.parse() {
            given_up(entry.stream, id);
        }
        Ok(())
    }

    fn refusal(&self, link: &Link, error: &RedisError) -> Error {
        explain(link, &self.stream, error)
    }
}

// === free functions ===

/// The first id that a query may find, if there is one.
fn start(query: Query) -> Option<EventId> {
    let from = EventId { time: query.from, number: 0 };
    let Some(after) = query.after else { return Some(from) };
    let behind = match after.number.checked_add(1) {
        Some(number) => EventId { time: after.time, number },
        None => EventId { time: after.time.checked_add(1)?, number: 0 },
    };
    Some(from.max(behind))
}

fn event(link: &Link, (id, fields): Fields) -> Result<Event> {
    let id = id.parse().map_err(|_| link.misunderstood("an id of an event that is none"))?;
    let text = |name: Bytes| {
        String::from_utf8(name.into())
            .map_err(|_| link.misunderstood("an event with a name that is no UTF-8"))
    };
    let values: Result<Values> = fields.into_iter().map(|(name, value)| Ok((text(name)?, value))).collect();
    Ok(Event { id, values: values? })
}

fn explain(link: &Link, stream: &str, error: &RedisError) -> Error {
    if error.code() == Some("WRONGTYPE") {
        let found = "value of another kind";
        return Error::WrongType { key: stream.to_owned(), expected: "stream", found };
    }
    link.error(error)
}
