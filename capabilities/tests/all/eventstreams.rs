//! The providers of `EventStreams`: the promises of both, and what is each one's own.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::join_all;
use pillion_capabilities::binding::{Actor, Binding};
use pillion_capabilities::eventstreams::{
    Event, EventId, LARGEST_EVENT, MOST_EVENTS, Memory, Operation, Query, Redis, Values,
};
use pillion_capabilities::testing::RedisServer;
use pillion_capabilities::{Answer, Error, EventStreams};
use proptest::prelude::*;

use crate::providers::{prefix, runtime};

type Store = Arc<dyn EventStreams>;

/// How many events the providers of the promises keep of each stream.
const KEPT: usize = 1500;

fn with_memory<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    runtime().block_on(test(Arc::new(Memory::new(KEPT, 1 << 30))));
}

fn with_redis<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async { test(Arc::new(Redis::connect(&server.url(), KEPT).await.unwrap())).await });
}

fn with_prefix<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    runtime().block_on(async {
        let store: Store = Arc::new(Memory::new(KEPT, 1 << 30));
        store.write("s", values([("other", "stream")])).wait().await.unwrap();
        let (actor, values) = (Actor::default(), prefix("own"));
        let binding = Binding { name: "default", actor: &actor, values: &values };
        let bound = store.bind(Arc::clone(&store), &binding).unwrap();
        let before = store.counters().of(Operation::Write);
        test(bound.provider).await;
        assert!(
            store.counters().of(Operation::Write) > before || store.counters().of(Operation::Subscribe) > 0
        );
        assert_eq!(all(&*store, "s").await.len(), 1, "the stream of others is as it was");
    });
}

macro_rules! for_each_provider {
    ($($promise:ident),+ $(,)?) => {$(
        mod $promise {
            #[test]
            fn memory() {
                super::with_memory(super::$promise);
            }

            #[test]
            fn prefixed() {
                super::with_prefix(super::$promise);
            }

            #[test]
            fn redis() {
                super::with_redis(super::$promise);
            }
        }
    )+};
}

mod subscriptions;

for_each_provider! {
    any_values_come_back,
    bad_arguments_are_refused,
    events_are_found_by_time_place_and_count,
    ids_rise_and_none_is_given_twice,
    readiness_is_as_said_and_calls_are_counted,
    the_eldest_go_first,
}

fn values<const N: usize>(pairs: [(&str, &str); N]) -> Values {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Bytes::copy_from_slice(value.as_bytes())))
        .collect()
}

async fn all(store: &dyn EventStreams, stream: &str) -> Vec<Event> {
    store.query(stream, Query::default()).wait().await.unwrap()
}

async fn any_values_come_back(store: Store) {
    assert_eq!(all(&*store, "s").await, []);
    let every_byte: Vec<u8> = (0..=255).collect();
    let written = [
        values([("a", "1"), ("b", "2")]),
        values([("", "")]),
        Values::from([("bytes".to_owned(), every_byte.into()), ("ключ\n\0".to_owned(), Bytes::new())]),
        Values::from([("x".to_owned(), vec![7; LARGEST_EVENT - 1].into())]),
    ];
    let before = u64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let mut events = Vec::new();
    for values in written {
        let id = store.write("s", values.clone()).wait().await.unwrap();
        // The server's clock is this machine's.
        assert!(id.time.abs_diff(before) < 3_600_000, "{id}");
        events.push(Event { id, values });
    }
    assert_eq!(all(&*store, "s").await, events);
    store.write("ключ||a:b/c d\n", values([("other", "stream")])).wait().await.unwrap();
    assert_eq!(all(&*store, "s").await, events);
    assert_eq!(all(&*store, "ключ||a:b/c d\n").await.len(), 1);
}

async fn bad_arguments_are_refused(store: Store) {
    let query = |count| Query { count, ..Query::default() };
    let refused = [
        store.write("", values([("a", "1")])).wait().await.map(drop),
        store.write("s", Values::new()).wait().await.map(drop),
        store.query("", query(1)).wait().await.map(drop),
        store.query("s", query(0)).wait().await.map(drop),
        store.query("s", query(MOST_EVENTS + 1)).wait().await.map(drop),
        store.query("s", query(usize::MAX)).wait().await.map(drop),
    ];
    for (number, result) in refused.into_iter().enumerate() {
        assert!(matches!(result, Err(Error::InvalidArgument(_))), "{number}: {result:?}");
    }
    for (name, length) in [("x", LARGEST_EVENT), (&*"x".repeat(LARGEST_EVENT + 1), 0)] {
        let large = Values::from([(name.to_owned(), vec![7; length].into())]);
        let result = store.write("s", large).wait().await;
        assert!(matches!(result, Err(Error::TooMuch { .. })), "{result:?}");
    }
    assert_eq!(all(&*store, "s").await, []);
}

async fn events_are_found_by_time_place_and_count(store: Store) {
    for number in 0..40 {
        store.write("s", values([("number", &number.to_string())])).wait().await.unwrap();
        if number % 10 == 9 {
            // So that there are several times to ask for; how many does not matter.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let events = all(&*store, "s").await;
    assert_eq!(events.len(), 40);
    let (first, last) = (events[0].id, events[39].id);
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let mut times: Vec<u64> = ids.iter().map(|id| id.time).collect();
    times.extend([0, first.time - 1, last.time + 1, u64::MAX]);
    let mut places: Vec<Option<EventId>> = ids.iter().copied().map(Some).collect();
    let most = EventId { time: u64::MAX, number: u64::MAX };
    let between = EventId { time: first.time, number: u64::MAX };
    places.extend([None, Some(EventId::default()), Some(between), Some(most)]);
    for &from in &times {
        for &to in times.iter().step_by(7) {
            for &after in places.iter().step_by(5) {
                let count = 1 + (from as usize).wrapping_mul(31).wrapping_add(to as usize) % 45;
                let query = Query { from, to, after, count };
                let found = store.query("s", query).wait().await.unwrap();
                let matches = |event: &&Event| {
                    (from..=to).contains(&event.id.time) && after.is_none_or(|after| event.id > after)
                };
                let expected: Vec<Event> = events.iter().filter(matches).take(count).cloned().collect();
                assert_eq!(found, expected, "{query:?}");
            }
        }
    }
    // Page by page.
    let mut query = Query { count: 7, ..Query::default() };
    let mut pages = Vec::new();
    loop {
        let page = store.query("s", query).wait().await.unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some(last.id);
        pages.extend(page);
    }
    assert_eq!(pages, events);
}

async fn ids_rise_and_none_is_given_twice(store: Store) {
    let writers = (0..4).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for number in 0..100 {
                let said = values([("writer", &writer.to_string()), ("number", &number.to_string())]);
                ids.push(store.write("s", said).wait().await.unwrap());
            }
            assert!(ids.is_sorted());
            ids
        })
    });
    let ids: Vec<EventId> =
        join_all(writers.collect::<Vec<_>>()).await.into_iter().flat_map(Result::unwrap).collect();
    let events = all(&*store, "s").await;
    assert!(events.is_sorted_by(|one, other| one.id < other.id));
    let found: HashSet<EventId> = events.iter().map(|event| event.id).collect();
    assert_eq!(found, ids.into_iter().collect());
    assert_eq!(found.len(), 400);
    for writer in 0..4 {
        let own = events.iter().filter(|event| event.values["writer"] == writer.to_string());
        let numbers: Vec<_> = own.map(|event| event.values["number"].clone()).collect();
        assert_eq!(numbers, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    }
}

async fn readiness_is_as_said_and_calls_are_counted(store: Store) {
    assert_eq!(store.always_ready(), store.name() == "memory");
    let answer = store.write("s", values([("a", "1")]));
    assert_eq!(matches!(answer, Answer::Ready(_)), store.always_ready());
    answer.wait().await.unwrap();
    let answer = store.query("s", Query::default());
    assert_eq!(matches!(answer, Answer::Ready(_)), store.always_ready());
    answer.wait().await.unwrap();
    store.write("", Values::new()).wait().await.unwrap_err();
    assert_eq!(store.counters().of(Operation::Write), 2);
    assert_eq!(store.counters().of(Operation::Query), 1);
}

async fn the_eldest_go_first(store: Store) {
    let said = |number: usize| values([("number", &number.to_string())]);
    let mut ids = Vec::new();
    for number in 0..KEPT + 10 {
        ids.push(store.write("s", said(number)).wait().await.unwrap());
    }
    store.write("t", said(0)).wait().await.unwrap();
    let first = all(&*store, "s").await;
    let after = first.last().map(|event| event.id);
    let rest = store.query("s", Query { after, ..Query::default() }).wait().await.unwrap();
    let kept: Vec<EventId> = first.iter().chain(&rest).map(|event| event.id).collect();
    assert_eq!(kept, ids[10..]);
    assert_eq!(all(&*store, "t").await.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ids_have_one_text_each(time: u64, number: u64, text in "[0-9+ -]{0,6}") {
        let id = EventId { time, number };
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        if let Ok(id) = text.parse::<EventId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    /// Whatever is written, what it takes up stays within the room, and what was written last is there.
    #[test]
    fn memory_is_bounded(writes in prop::collection::vec((0..4_u8, 1..400_usize), 1..60)) {
        let room = 5_000;
        let store = Memory::new(5, room);
        for (stream, length) in writes {
            let said = Values::from([("v".to_owned(), vec![stream; length].into())]);
            let Answer::Ready(written) = store.write(&stream.to_string(), said.clone()) else { panic!() };
            prop_assert!(store.used() <= room);
            let Answer::Ready(Ok(events)) = store.query(&stream.to_string(), Query::default()) else { panic!() };
            prop_assert!(events.len() <= 5);
            match written {
                Ok(id) => prop_assert_eq!(events.last(), Some(&Event { id, values: said })),
                Err(error) => prop_assert!(matches!(error, Error::TooMuch { .. }), "{error:?}"),
            }
        }
    }
}

#[test]
fn a_stream_is_refused_that_finds_no_room() {
    let store = Memory::new(5, 3_000);
    let write = |stream: &str, length: usize| {
        let said = Values::from([("v".to_owned(), vec![7; length].into())]);
        let Answer::Ready(written) = store.write(stream, said) else { panic!("it waits") };
        written
    };
    write("a", 1_500).unwrap();
    assert!(matches!(write("b", 1_000), Err(Error::TooMuch { most: 3_000, .. })));
    // A stream's own events give way, those of another do not.
    write("a", 1_600).unwrap();
    assert!(matches!(write("a", 3_000), Err(Error::TooMuch { .. })));
    assert!(store.used() <= 3_000);
    let Answer::Ready(Ok(events)) = store.query("a", Query::default()) else { panic!() };
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].values["v"].len(), 1_600);
}

#[test]
fn what_others_keep_in_redis_is_told_apart() {
    let Some(mut server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let store = Redis::connect(&server.url(), KEPT).await.unwrap();
        let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        let mut pipeline = redis::pipe();
        pipeline.set("text", "v");
        pipeline.cmd("XADD").arg("theirs").arg("7-3").arg("a").arg("1").arg("a").arg("2");
        pipeline.cmd("XADD").arg("odd").arg("*").arg(b"\xff").arg("1");
        pipeline.exec(&mut connection).unwrap();
        let wrong = |error: &Error| matches!(error, Error::WrongType { key, expected: "stream", .. } if key == "text");
        assert!(wrong(&store.write("text", values([("a", "1")])).wait().await.unwrap_err()));
        assert!(wrong(&store.query("text", Query::default()).wait().await.unwrap_err()));
        // Of a name that is there twice the last value counts.
        let expected = Event { id: EventId { time: 7, number: 3 }, values: values([("a", "2")]) };
        assert_eq!(all(&store, "theirs").await, [expected]);
        let error = store.query("odd", Query::default()).wait().await.unwrap_err();
        assert!(matches!(error, Error::Failed { .. }), "{error:?}");

        server.stop().unwrap();
        let error = store.query("theirs", Query::default()).wait().await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    });
}
