//! Events that are delivered to actors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pillion_capabilities::eventstreams::{
    EventId, Memory as Events, Operation, Redis, Start, SubscribeOptions, Values,
};
use pillion_capabilities::testing::RedisServer;
use pillion_capabilities::{Answer, Error, EventStreams, KeyValue, Memory};
use pillion_codec::Event;
use pillion_host::dispatch::{Contract, Provider};
use pillion_host::identity::{ActorClaims, KeyPair};
use pillion_host::{ActorRef, Host, HostConfig};
use tokio::time::timeout;

use crate::guests::{Author, caps, collecting};
use crate::provider::Fake;
use crate::traces::Traces;

/// No machine takes as long as that for what is waited for here.
const MINUTE: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "wascc:eventstreams";

/// An actor that keeps the events that it gets in a list.
struct Fixture {
    author: Author,
    module: KeyPair,
    host: Host,
    actor: ActorRef,
    events: Arc<dyn EventStreams>,
    store: Arc<Memory>,
}

/// An event as the actor got it.
type Seen = (String, String, Vec<(String, Vec<u8>)>);

// === impl Fixture ===

impl Fixture {
    fn new(events: Arc<dyn EventStreams>) -> Self {
        let store = Arc::new(Memory::new());
        let (author, module, host, actor) = loaded(Provider::key_value(Arc::clone(&store)));
        host.bind(&actor, "default", Arc::clone(&events)).expect("granted");
        Self { author, module, host, actor, events, store }
    }

    fn in_memory() -> Self {
        Self::new(Arc::new(Events::new(100, 1 << 20)))
    }

    async fn subscribe(&self, options: SubscribeOptions) {
        self.host.subscribe_events(&self.actor, "default", "s", options).await.expect("it is bound");
    }

    async fn write(&self, number: u8) -> EventId {
        self.events.write("s", values(number)).wait().await.expect("there is room")
    }

    /// What was delivered so far, once that much was.
    async fn seen(&self, count: usize) -> Vec<Seen> {
        let there = async {
            loop {
                let items = self.store.list_range("k", 0, -1).wait().await.expect("it is a list");
                if items.len() >= count {
                    return items.iter().map(|item| seen(item)).collect();
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(MINUTE, there).await.expect("as much is delivered")
    }
}

/// An actor that is bound to a store, on a host.
fn loaded(store: Provider) -> (Author, KeyPair, Host, ActorRef) {
    let (author, module) = (Author::new(), KeyPair::new_module());
    let host = author.host(HostConfig::default());
    let actor = host.load(&signed(&author, &module, 1, &["wascc:keyvalue", NAMESPACE])).expect("it loads");
    host.bind(&actor, "default", store).expect("granted");
    (author, module, host, actor)
}

fn signed(author: &Author, module: &KeyPair, rev: i32, granted: &[&str]) -> Vec<u8> {
    let claims = ActorClaims { rev: Some(rev), ..caps(granted) };
    author.sign(module, &collecting("DeliverEvent", NAMESPACE), claims)
}

fn values(number: u8) -> Values {
    Values::from([("number".to_owned(), vec![number].into()), ("text".to_owned(), "ключ".into())])
}

fn seen(message: &[u8]) -> Seen {
    let Event { event_id, stream, values } = Event::decode(message).expect("an event");
    let values = values.iter().map(|(name, value)| (name.to_owned(), value.to_vec()));
    (event_id.to_owned(), stream.to_owned(), values.collect())
}

/// Waits until it is so.
async fn until(mut so: impl FnMut() -> bool) {
    let is_so = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(MINUTE, is_so).await.expect("it comes to be so");
}

/// One at a time, so that they come in their order.
fn ordered(start: Start) -> SubscribeOptions {
    SubscribeOptions { start, concurrency: 1, group: Some("g".to_owned()), ..SubscribeOptions::default() }
}

async fn events_are_delivered_as_they_were_written(fixture: Fixture) {
    let mut expected = Vec::new();
    let event = |id: EventId, number: u8| {
        let values = values(number).into_iter().map(|(name, value)| (name, value.to_vec()));
        (id.to_string(), "s".to_owned(), values.collect())
    };
    for number in 0..3 {
        expected.push(event(fixture.write(number).await, number));
    }
    fixture.subscribe(ordered(Start::Eldest)).await;
    let info = fixture.actor.info();
    assert_eq!((&*info.event_streams, info.subscriptions.len()), (&["s".to_owned()][..], 0));
    let again = fixture.host.subscribe_events(&fixture.actor, "", "s", ordered(Start::New)).await;
    let error = again.expect_err("it is subscribed").to_string();
    assert!(error.contains("is subscribed to s already"), "{error}");
    for number in 3..10 {
        expected.push(event(fixture.write(number).await, number));
    }
    assert_eq!(fixture.seen(10).await, expected);
    until(|| fixture.events.counters().of(Operation::Acknowledge) >= 10).await;

    // Whoever comes back under the group's name goes on where it was.
    fixture.host.unsubscribe_events(&fixture.actor, "default", "s").expect("it is subscribed");
    let error = fixture.host.unsubscribe_events(&fixture.actor, "default", "s").expect_err("it is not");
    assert!(error.to_string().contains("is not subscribed to s"), "{error}");
    expected.push(event(fixture.write(10).await, 10));
    fixture.subscribe(ordered(Start::New)).await;
    assert_eq!(fixture.seen(11).await, expected);
    assert_eq!(fixture.events.counters().of(Operation::Redeliver), 0);
}

#[tokio::test]
async fn events_of_memory_are_delivered_as_they_were_written() {
    events_are_delivered_as_they_were_written(Fixture::in_memory()).await;
}

#[tokio::test]
async fn events_of_redis_are_delivered_as_they_were_written() {
    let Some(mut server) = RedisServer::start_or_skip().expect("it starts") else { return };
    let provider = Arc::new(Redis::connect(&server.url(), 100).await.expect("it is there"));
    events_are_delivered_as_they_were_written(Fixture::new(Arc::clone(&provider) as _)).await;

    server.stop().expect("it stops");
    let fixture = Fixture::new(provider);
    let subscribed = fixture.host.subscribe_events(&fixture.actor, "default", "s", ordered(Start::New)).await;
    let error = subscribed.expect_err("the server is gone").to_string();
    assert!(error.contains("cannot be reached") && error.contains(&server.address().to_string()), "{error}");
    assert!(fixture.actor.info().event_streams.is_empty());
}

#[tokio::test]
async fn an_event_that_an_actor_fails_to_deal_with_comes_again_and_is_given_up_at_last() {
    let pushes = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&pushes);
    // It fails thrice, as often as the first event comes.
    let store = Fake::pushing(move || match count.fetch_add(1, Ordering::Relaxed) {
        0..3 => Answer::Ready(Err(Error::InvalidArgument("not now".to_owned()))),
        number => Answer::Ready(Ok(number.into())),
    });
    let (_, _, host, actor) = loaded(Provider::key_value(store));
    let events = Arc::new(Events::new(100, 1 << 20));
    host.bind(&actor, "default", Provider::event_streams(Arc::clone(&events))).expect("granted");
    let traces = Traces::of("pillion::delivery");
    let _default = tracing::subscriber::set_default(traces.clone());
    let options = SubscribeOptions { max_deliveries: 3, ..ordered(Start::New) };
    host.subscribe_events(&actor, "default", "s", options).await.expect("it is bound");
    for number in 0..2 {
        events.write("s", values(number)).wait().await.expect("there is room");
    }
    until(|| events.counters().of(Operation::Acknowledge) == 1).await;
    assert_eq!(events.counters().of(Operation::Redeliver), 3);
    assert_eq!(pushes.load(Ordering::Relaxed), 4, "the next is served");
    let lines = traces.lines();
    let said = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!((said("not dealt with"), said("an event was given up")), (3, 1), "{lines:?}");
}

#[tokio::test]
async fn a_subscription_to_a_stream_ends_with_its_binding_its_grant_and_its_actor() {
    let fixture = Fixture::in_memory();
    let Fixture { author, module, host, actor, events, .. } = &fixture;
    let subscribed = || actor.info().event_streams.len();
    fixture.subscribe(ordered(Start::New)).await;
    // An update keeps it.
    let update = signed(author, module, 2, &["wascc:keyvalue", NAMESPACE]);
    host.update(actor, &update, None).await.expect("it is newer");
    fixture.write(1).await;
    assert_eq!(fixture.seen(1).await.len(), 1);

    host.unbind(actor, "default", Contract::EventStreams).expect("it is bound");
    assert_eq!(subscribed(), 0);
    let again = host.subscribe_events(actor, "default", "s", ordered(Start::New)).await;
    let error = again.expect_err("not bound any more").to_string();
    assert!(error.contains("has no wascc:eventstreams provider under the binding \"default\""), "{error}");

    host.bind(actor, "default", Arc::clone(events)).expect("granted");
    fixture.subscribe(ordered(Start::New)).await;
    let update = signed(author, module, 3, &["wascc:keyvalue"]);
    host.update(actor, &update, None).await.expect("it is newer");
    assert_eq!(subscribed(), 0, "it is not granted any more");
    let error = host.bind(actor, "default", Arc::clone(events)).expect_err("not granted").to_string();
    assert!(error.contains("do not grant wascc:eventstreams"), "{error}");

    let update = signed(author, module, 4, &["wascc:keyvalue", NAMESPACE]);
    host.update(actor, &update, None).await.expect("it is newer");
    host.bind(actor, "default", Arc::clone(events)).expect("granted");
    fixture.subscribe(ordered(Start::New)).await;
    host.remove(actor).expect("it is there");
    assert_eq!(subscribed(), 0);
    let error = host.subscribe_events(actor, "default", "s", ordered(Start::New)).await;
    assert!(error.expect_err("it is gone").to_string().contains("is not on this host"));
}

#[tokio::test]
async fn a_stream_that_is_none_is_not_subscribed_to() {
    let fixture = Fixture::in_memory();
    let Fixture { host, actor, .. } = &fixture;
    for (stream, options, expected) in [
        ("", ordered(Start::New), "the stream has no name"),
        ("s", SubscribeOptions { concurrency: 0, ..ordered(Start::New) }, "concurrency is 0"),
        ("s", SubscribeOptions { group: Some("a b".to_owned()), ..ordered(Start::New) }, "white space"),
    ] {
        let error = host.subscribe_events(actor, "default", stream, options).await.expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(actor.info().event_streams.is_empty());
}
