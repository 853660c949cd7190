//! What happens when more is published than is read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use pillion_capabilities::messaging::{
    JetStream, Limits, Memory, Message, Messaging, RedisStreams, Retention, StreamOptions, Streams,
    SubscribeOptions,
};
use pillion_capabilities::testing::{NatsServer, RedisServer};
use pillion_capabilities::{Answer, Error};

use crate::buses::{Bus, group, next, publish, subscribe, take};
use crate::providers::{runtime, until};

/// Fills a group of a topic that may hold ten messages, and makes room again.
async fn ten_are_held_and_no_more(bus: &Bus) {
    let mut reading = subscribe(bus, "t", group("reading")).await;
    let mut slow = subscribe(bus, "t", SubscribeOptions { concurrency: 1, ..group("slow") }).await;
    for number in 0..10 {
        publish(bus, "t", &number.to_string()).await;
    }
    for _ in 0..10 {
        take(&mut reading).await;
    }
    // One group has settled all, the other nothing.
    let error = bus.publish("t", "10".into()).wait().await.unwrap_err();
    assert!(matches!(error, Error::Overloaded { .. }), "{error:?}");
    assert!(error.to_string().contains("topic t"), "{error}");
    publish(bus, "other", "another topic is free").await;
    let mut arrived = BTreeSet::new();
    for _ in 0..5 {
        arrived.insert(take(&mut slow).await.0);
    }
    for number in 11..16 {
        until("there is room", async || bus.publish("t", number.to_string().into()).wait().await.is_ok())
            .await;
    }
    bus.publish("t", "16".into()).wait().await.unwrap_err();
    for _ in 0..10 {
        arrived.insert(take(&mut slow).await.0);
    }
    // What was refused reached no group, also not the one that had room.
    let mut read = BTreeSet::new();
    for _ in 0..5 {
        read.insert(take(&mut reading).await.0);
    }
    assert_eq!(read, (11..16).map(|number: u32| number.to_string()).collect());
    let sent: BTreeSet<String> = (0..10).chain(11..16).map(|number: u32| number.to_string()).collect();
    assert_eq!(arrived, sent, "what was refused must not arrive, and what was not must");
}

#[test]
fn memory_refuses_what_it_cannot_hold() {
    let limits = Limits { messages: 10, bytes: 1000 };
    runtime().block_on(async {
        let memory = Memory::new(limits);
        let bus: Bus = Arc::new(memory.clone());
        ten_are_held_and_no_more(&bus).await;

        // Bytes are bounded too; what a message brings along counts.
        let mut subscription = subscribe(&bus, "bytes", group("g")).await;
        let header = vec![("name".to_owned(), "v".repeat(96))];
        let message = Message { headers: header, ..Message::from(vec![7; 400]) };
        bus.publish("bytes", message.clone()).wait().await.unwrap();
        bus.publish("bytes", message.clone()).wait().await.unwrap();
        let error = bus.publish("bytes", "1".into()).wait().await.unwrap_err();
        assert!(matches!(error, Error::Overloaded { .. }), "{error:?}");
        bus.publish("bytes", Message::default()).wait().await.unwrap();
        let error = bus.publish("bytes", vec![7; 1001].into()).wait().await.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
        // A delivery that goes round takes up its room once.
        for _ in 0..3 {
            drop(next(&mut subscription).await);
        }
        next(&mut subscription).await.acknowledge().wait().await.unwrap();
        next(&mut subscription).await.acknowledge().wait().await.unwrap();
        next(&mut subscription).await.acknowledge().wait().await.unwrap();
        bus.publish("bytes", vec![7; 1000].into()).wait().await.unwrap();
    });
}

#[test]
fn jetstream_refuses_what_it_cannot_hold() {
    let Some(server) = NatsServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let options = StreamOptions { messages: 10, ..StreamOptions::default() };
        let bus: Bus = Arc::new(JetStream::connect(&server.url(), Streams::Made(options)).await.unwrap());
        ten_are_held_and_no_more(&bus).await;
    });
}

#[test]
fn redis_streams_refuse_what_they_cannot_hold() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let bus: Bus = Arc::new(RedisStreams::connect(&server.url(), 10).await.unwrap());
        ten_are_held_and_no_more(&bus).await;
        // Without groups, there is always room.
        for number in 0..100 {
            publish(&bus, "nobody", &number.to_string()).await;
        }
        let error = RedisStreams::connect(&server.url(), 0).await.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
    });
}

#[test]
fn memory_makes_room_when_messages_expire() {
    runtime().block_on(async {
        let memory = Memory::new(Limits { messages: 3, bytes: 1000 });
        let bus: Bus = Arc::new(memory.clone());
        let mut subscription = subscribe(&bus, "t", SubscribeOptions { concurrency: 1, ..group("g") }).await;
        publish(&bus, "t", "1").await;
        let held = next(&mut subscription).await;
        for _ in 0..2 {
            let short = Message { ttl: Some(Duration::from_millis(20)), ..Message::from("short") };
            bus.publish("t", short).wait().await.unwrap();
        }
        until("they are expired", async || bus.publish("t", "2".into()).wait().await.is_ok()).await;
        assert_eq!(memory.held_messages(), 2);
        held.acknowledge().wait().await.unwrap();
        assert_eq!(take(&mut subscription).await.0, "2");
    });
}

#[test]
fn memory_keeps_a_message_whose_dead_letter_has_no_room() {
    runtime().block_on(async {
        let bus: Bus = Arc::new(Memory::new(Limits { messages: 1, bytes: 1000 }));
        let options =
            SubscribeOptions { dead_letter: Some("dead".to_owned()), max_deliveries: 1, ..group("g") };
        let mut subscription = subscribe(&bus, "t", options).await;
        let mut dead = subscribe(&bus, "dead", group("g")).await;
        publish(&bus, "dead", "in the way").await;
        publish(&bus, "t", "dying").await;
        let error = next(&mut subscription).await.redeliver().wait().await.unwrap_err();
        assert!(matches!(error, Error::Overloaded { .. }), "{error:?}");
        let delivery = next(&mut subscription).await;
        assert_eq!(delivery.attempt, 2);
        assert_eq!(take(&mut dead).await.0, "in the way");
        delivery.redeliver().wait().await.unwrap();
        assert_eq!(take(&mut dead).await.0, "dying");
    });
}

#[test]
fn memory_holds_nothing_for_nobody() {
    let memory = Memory::default();
    // Without any executor.
    for _ in 0..1000 {
        let Answer::Ready(published) = memory.publish("nobody", "m".into()) else { panic!("it waits") };
        published.unwrap();
    }
    assert_eq!((memory.held_messages(), memory.held_topics()), (0, 0));
    let Answer::Ready(subscription) = memory.subscribe("t", group("g")) else { panic!("it waits") };
    let mut subscription = subscription.unwrap();
    for _ in 0..10 {
        memory.publish("t", "m".into()).wait().now_or_never().unwrap().unwrap();
    }
    assert_eq!((memory.held_messages(), memory.held_topics()), (10, 1));
    let delivery = subscription.next().now_or_never().unwrap().unwrap();
    assert_eq!(memory.held_messages(), 10);
    drop(subscription);
    assert_eq!((memory.held_messages(), memory.held_topics()), (0, 0));
    // Its group is gone; that is no failure of who settles it.
    delivery.acknowledge().wait().now_or_never().unwrap().unwrap();
}

#[test]
fn jetstream_uses_streams_as_told() {
    let Some(server) = NatsServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let expecting = JetStream::connect(&server.url(), Streams::Expected).await.unwrap();
        for error in [
            expecting.publish("t", "m".into()).wait().await.unwrap_err(),
            expecting.subscribe("t", group("g")).wait().await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Failed { .. }), "{error:?}");
            assert!(error.to_string().contains("no stream takes topic t"), "{error}");
        }
        // A log keeps all, and lets the oldest go.
        let log = StreamOptions { retention: Retention::All, messages: 5, ..StreamOptions::default() };
        let making = JetStream::connect(&server.url(), Streams::Made(log)).await.unwrap();
        let bus: Bus = Arc::new(making);
        let mut slow = subscribe(&bus, "t", SubscribeOptions { concurrency: 1, ..group("g") }).await;
        publish(&bus, "t", "held").await;
        let held = next(&mut slow).await;
        for number in 0..20 {
            publish(&bus, "t", &number.to_string()).await;
        }
        held.acknowledge().wait().await.unwrap();
        for number in 15..20 {
            assert_eq!(take(&mut slow).await.0, number.to_string());
        }
        // Now the stream is there.
        expecting.publish("t", "m".into()).wait().await.unwrap();
        assert_eq!(take(&mut slow).await.0, "m");
    });
}
