//! The promises of the contract `Messaging`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use pillion_capabilities::messaging::{Headers, Kept, Message, Operation, Outcome, SubscribeOptions};
use pillion_capabilities::{Answer, Error};
use tokio::sync::{Barrier, mpsc};

use crate::buses::{Bus, for_each_bus, group, in_time, next, publish, redelivers, subscribe, take, text};
use crate::providers::until;

for_each_bus! {
    a_dropped_subscription_ends,
    any_message_arrives,
    bad_arguments_are_refused,
    calls_are_counted,
    discarded_messages_are_dead,
    every_group_gets_every_message,
    expired_messages_are_not_delivered,
    a_redelivery_waits_and_holds_up_nobody,
    groups_are_kept_as_said,
    handlers_run_side_by_side_and_bounded,
    many_messages_are_published_at_once,
    members_share_messages,
    messages_are_redelivered,
    readiness_is_as_said,
    requests_get_their_own_replies,
    requests_without_reply_end,
    undeliverable_messages_are_dead,
    unsettled_deliveries_are_bounded,
}

async fn any_message_arrives(bus: Bus) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let big = Bytes::from(vec![7; 1 << 20]);
    for topic in ["orders", "shop.orders/new-1_a", "заказы"] {
        let mut subscription = subscribe(&bus, topic, group("g")).await;
        let mut alone = subscribe(&bus, topic, SubscribeOptions::default()).await;
        for body in [Bytes::new(), every_byte.clone().into(), big.clone()] {
            bus.publish(topic, body.clone().into()).wait().await.unwrap();
            for subscription in [&mut subscription, &mut alone] {
                let delivery = next(subscription).await;
                assert_eq!((&*delivery.topic, delivery.attempt), (topic, 1));
                assert_eq!(*delivery.message, Message::from(body.clone()));
                delivery.acknowledge().wait().await.unwrap();
            }
        }
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let message = Message {
            body: "body".into(),
            reply_to: Some("answers".to_owned()),
            headers: vec![
                header("A", "1"),
                header("a", "2: ключ"),
                header("Content-Type", "text/plain; a=\"b\""),
            ],
            ttl: Some(Duration::from_secs(3600)),
        };
        bus.publish(topic, message.clone()).wait().await.unwrap();
        let delivery = next(&mut subscription).await;
        let sorted = |headers: &Headers| headers.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(sorted(&delivery.message.headers), sorted(&message.headers));
        let arrived = Message { headers: message.headers.clone(), ..Message::clone(&delivery.message) };
        assert_eq!(arrived, Message { ttl: None, ..message });
        delivery.acknowledge().wait().await.unwrap();
    }
}

async fn every_group_gets_every_message(bus: Bus) {
    publish(&bus, "t", "before anybody subscribed").await;
    let mut subscriptions = Vec::new();
    for options in [group("a"), group("b"), SubscribeOptions::default(), SubscribeOptions::default()] {
        subscriptions.push(subscribe(&bus, "t", options).await);
    }
    let mut other = subscribe(&bus, "other", group("a")).await;
    let sent: BTreeSet<String> = (0..20).map(|number| number.to_string()).collect();
    for body in &sent {
        publish(&bus, "t", body).await;
    }
    publish(&bus, "other", "other").await;
    for subscription in &mut subscriptions {
        let mut arrived = BTreeSet::new();
        for _ in 0..20 {
            let (body, attempt) = take(subscription).await;
            assert_eq!(attempt, 1);
            arrived.insert(body);
        }
        assert_eq!(arrived, sent);
    }
    assert_eq!(take(&mut other).await.0, "other");
}

async fn members_share_messages(bus: Bus) {
    let (sender, mut arrived) = mpsc::unbounded_channel();
    let members: Vec<_> = join_all((0..3).map(|_| subscribe(&bus, "t", group("g")))).await;
    let tasks: Vec<_> = members
        .into_iter()
        .map(|member| {
            let sender = sender.clone();
            tokio::spawn(member.handle(move |received| {
                sender.send(String::from_utf8(received.message.body.to_vec()).unwrap()).unwrap();
                std::future::ready(Outcome::Acknowledge)
            }))
        })
        .collect();
    let publishers = (0..4).map(|publisher| {
        let bus = Arc::clone(&bus);
        tokio::spawn(async move {
            for number in 0..250 {
                publish(&bus, "t", &format!("{publisher}.{number}")).await;
            }
        })
    });
    join_all(publishers).await.into_iter().for_each(Result::unwrap);
    let mut seen = BTreeSet::new();
    for _ in 0..1000 {
        let body = in_time("a message", arrived.recv()).await.unwrap();
        assert!(seen.insert(body.clone()), "{body} was delivered twice");
    }
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(arrived.try_recv().is_err());
}

/// The first member has as many as it may have; what else comes goes to the other one.
async fn unsettled_deliveries_are_bounded(bus: Bus) {
    let options = SubscribeOptions { concurrency: 2, ..group("g") };
    let mut first = subscribe(&bus, "t", options).await;
    publish(&bus, "t", "1").await;
    publish(&bus, "t", "2").await;
    let held = [next(&mut first).await, next(&mut first).await];
    if redelivers(&bus) {
        let mut second = subscribe(&bus, "t", group("g")).await;
        for number in 3..20 {
            publish(&bus, "t", &number.to_string()).await;
            assert_eq!(take(&mut second).await, (number.to_string(), 1));
        }
        assert!(first.next().now_or_never().is_none(), "no third may come");
    } else {
        publish(&bus, "t", "3").await;
        assert!(first.next().now_or_never().is_none(), "no third may come");
    }
    for delivery in held {
        delivery.acknowledge().wait().await.unwrap();
    }
    if !redelivers(&bus) {
        assert_eq!(take(&mut first).await.0, "3");
    }
}

async fn handlers_run_side_by_side_and_bounded(bus: Bus) {
    const BOUND: usize = 3;
    let subscription = subscribe(&bus, "t", SubscribeOptions { concurrency: BOUND, ..group("g") }).await;
    let (barrier, running, most) = (Barrier::new(BOUND), AtomicUsize::new(0), AtomicUsize::new(0));
    let (barrier, running, most) = (&barrier, &running, &most);
    let (sender, mut done) = mpsc::unbounded_channel();
    let handling = subscription.handle(move |received| {
        let sender = sender.clone();
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Passes only when as many run side by side as may.
            barrier.wait().await;
            running.fetch_sub(1, Ordering::SeqCst);
            sender.send(received.message.body.clone()).unwrap();
            Outcome::Acknowledge
        }
    });
    let checking = async {
        let mut bodies = BTreeSet::new();
        for number in 0..10 * BOUND {
            publish(&bus, "t", &number.to_string()).await;
        }
        while bodies.len() < 10 * BOUND {
            bodies.insert(in_time("a handler", done.recv()).await.unwrap());
        }
    };
    tokio::select! {
        () = handling => panic!("the subscription ended"),
        () = checking => {}
    }
    assert_eq!(most.load(Ordering::SeqCst), BOUND);
}

async fn messages_are_redelivered(bus: Bus) {
    let mut subscription = subscribe(&bus, "t", group("g")).await;
    publish(&bus, "t", "m").await;
    let delivery = next(&mut subscription).await;
    if !redelivers(&bus) {
        let error = delivery.redeliver().wait().await.unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains("jetstream"), "{error}");
        return;
    }
    delivery.redeliver().wait().await.unwrap();
    let delivery = next(&mut subscription).await;
    assert_eq!((text(&delivery), delivery.attempt), ("m".to_owned(), 2));
    drop(delivery);
    assert_eq!(take(&mut subscription).await, ("m".to_owned(), 3));
    publish(&bus, "t", "n").await;
    assert_eq!(take(&mut subscription).await, ("n".to_owned(), 1), "what was acknowledged came again");

    // One that takes too long, and may be settled late.
    let options = SubscribeOptions { ack_wait: Duration::from_millis(500), ..group("g") };
    let mut subscription = subscribe(&bus, "slow", options).await;
    publish(&bus, "slow", "m").await;
    let late = next(&mut subscription).await;
    assert_eq!(take(&mut subscription).await, ("m".to_owned(), 2));
    late.acknowledge().wait().await.unwrap();
}

async fn a_redelivery_waits_and_holds_up_nobody(bus: Bus) {
    const HOUR: Duration = Duration::from_secs(3600);
    if !redelivers(&bus) {
        return;
    }
    let options = SubscribeOptions {
        concurrency: 1,
        max_deliveries: 2,
        dead_letter: Some("dead".to_owned()),
        ..group("g")
    };
    // The pause of one does not end while others are delivered.
    let patient = SubscribeOptions { ack_wait: HOUR, ..options.clone() };
    let mut subscription = subscribe(&bus, "patient", patient).await;
    publish(&bus, "patient", "bad").await;
    next(&mut subscription).await.ticket.redeliver_after(HOUR).wait().await.unwrap();
    for body in ["good", "better", "best"] {
        publish(&bus, "patient", body).await;
        let delivery = next(&mut subscription).await;
        assert_eq!((text(&delivery), delivery.attempt), (body.to_owned(), 1));
        delivery.acknowledge().wait().await.unwrap();
    }

    let mut subscription = subscribe(&bus, "t", options).await;
    let mut dead = subscribe(&bus, "dead", group("g")).await;
    publish(&bus, "t", "bad").await;
    let first = next(&mut subscription).await;
    let (begun, pause) = (Instant::now(), Duration::from_millis(700));
    first.ticket.redeliver_after(pause).wait().await.unwrap();
    let again = next(&mut subscription).await;
    // A server counts whole milliseconds.
    assert!(begun.elapsed() + Duration::from_millis(2) >= pause, "{:?}", begun.elapsed());
    assert_eq!((text(&again), again.attempt), ("bad".to_owned(), 2));
    // It was delivered as often as allowed, and need not wait to be dead.
    again.ticket.redeliver_after(HOUR).wait().await.unwrap();
    assert_eq!(text(&next(&mut dead).await), "bad");
}

/// Messages are dead after the last delivery, whether they were given back or never settled.
async fn undeliverable_messages_are_dead(bus: Bus) {
    let dying = SubscribeOptions { max_deliveries: 3, dead_letter: Some("dead".to_owned()), ..group("g") };
    if !bus.guarantees().dead_letters {
        let error = bus.subscribe("t", dying).wait().await.unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        return;
    }
    let mut subscription = subscribe(&bus, "t", dying.clone()).await;
    let mut dead = subscribe(&bus, "dead", group("g")).await;
    let message = Message {
        headers: vec![("a".to_owned(), "b".to_owned())],
        reply_to: Some("r".to_owned()),
        ..Message::from(vec![7; 1 << 16])
    };
    bus.publish("t", message.clone()).wait().await.unwrap();
    for attempt in 1..=3 {
        let delivery = next(&mut subscription).await;
        assert_eq!((delivery.attempt, &*delivery.message), (attempt, &message));
        delivery.redeliver().wait().await.unwrap();
    }
    let delivery = next(&mut dead).await;
    assert_eq!((&*delivery.message, delivery.attempt, &*delivery.topic), (&message, 1, "dead"));
    delivery.acknowledge().wait().await.unwrap();
    publish(&bus, "t", "next").await;
    assert_eq!(take(&mut subscription).await, ("next".to_owned(), 1));

    let options = SubscribeOptions { ack_wait: Duration::from_millis(200), ..dying };
    let mut subscription = subscribe(&bus, "slow", options).await;
    publish(&bus, "slow", "held").await;
    let mut held = Vec::new();
    for attempt in 1..=3 {
        let delivery = next(&mut subscription).await;
        assert_eq!((text(&delivery), delivery.attempt), ("held".to_owned(), attempt));
        held.push(delivery);
    }
    // A provider without a thread notices while somebody waits.
    tokio::select! {
        _ = next(&mut subscription) => panic!("it was delivered once too often"),
        buried = take(&mut dead) => assert_eq!(buried, ("held".to_owned(), 1)),
    }
    for delivery in held {
        delivery.acknowledge().wait().await.unwrap();
    }
    publish(&bus, "dead", "next").await;
    assert_eq!(take(&mut dead).await, ("next".to_owned(), 1), "something died twice");
}

async fn discarded_messages_are_dead(bus: Bus) {
    let mut plain = subscribe(&bus, "t", group("without")).await;
    publish(&bus, "t", "1").await;
    next(&mut plain).await.discard().wait().await.unwrap();
    publish(&bus, "t", "2").await;
    assert_eq!(take(&mut plain).await, ("2".to_owned(), 1));
    if !bus.guarantees().dead_letters {
        return;
    }
    let options = SubscribeOptions { dead_letter: Some("dead".to_owned()), ..group("with") };
    let mut subscription = subscribe(&bus, "t", options).await;
    let mut dead = subscribe(&bus, "dead", SubscribeOptions::default()).await;
    publish(&bus, "t", "3").await;
    next(&mut subscription).await.discard().wait().await.unwrap();
    assert_eq!(take(&mut dead).await, ("3".to_owned(), 1));
    publish(&bus, "t", "4").await;
    assert_eq!(take(&mut subscription).await, ("4".to_owned(), 1));
    assert_eq!(take(&mut plain).await.0, "3", "the other group still gets it");
}

async fn requests_get_their_own_replies(bus: Bus) {
    let request = |body: String| {
        let bus = Arc::clone(&bus);
        async move { bus.request("echo", body.into(), Duration::from_secs(20)).wait().await }
    };
    if !bus.guarantees().requests {
        let error = request("?".to_owned()).await.unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        return;
    }
    let responder = subscribe(&bus, "echo", group("g")).await;
    let answering = responder.handle(|received| {
        let bus = Arc::clone(&bus);
        async move {
            let reply = [b"re: ", &*received.message.body].concat();
            bus.publish(received.message.reply_to.as_ref().unwrap(), reply.into()).wait().await.unwrap();
            Outcome::Acknowledge
        }
    });
    let asking = join_all((0..100).map(|number| {
        let request = request(number.to_string());
        async move { assert_eq!(request.await.unwrap(), format!("re: {number}")) }
    }));
    tokio::select! {
        () = answering => panic!("the subscription ended"),
        _ = in_time("replies", asking) => {}
    }
}

async fn requests_without_reply_end(bus: Bus) {
    if !bus.guarantees().requests {
        return;
    }
    let timeout = Duration::from_millis(50);
    let ask = async |topic: &str| {
        let asked = bus.request(topic, "?".into(), timeout).wait();
        match in_time("the end of a request", asked).await {
            Err(Error::NoReply { topic: named, waited }) => {
                assert_eq!(named, topic);
                waited
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(ask("nobody").await <= timeout);
    let mut silent = subscribe(&bus, "silent", SubscribeOptions::default()).await;
    assert_eq!(ask("silent").await, timeout);
    // A reply that comes too late goes nowhere, and does no harm.
    let delivery = next(&mut silent).await;
    let reply_to = delivery.message.reply_to.clone().unwrap();
    delivery.acknowledge().wait().await.unwrap();
    bus.publish(&reply_to, "late".into()).wait().await.unwrap();
    assert_eq!(ask("silent").await, timeout);
}

async fn expired_messages_are_not_delivered(bus: Bus) {
    let mut subscription = subscribe(&bus, "t", SubscribeOptions { concurrency: 1, ..group("g") }).await;
    publish(&bus, "t", "1").await;
    // While this one is held, no other is fetched.
    let held = next(&mut subscription).await;
    let ttl = Duration::from_millis(20);
    bus.publish("t", Message { ttl: Some(ttl), ..Message::from("2") }).wait().await.unwrap();
    let published = Instant::now();
    let live = Message { ttl: Some(Duration::from_secs(3600)), ..Message::from("3") };
    bus.publish("t", live).wait().await.unwrap();
    until("the message is expired", async || published.elapsed() > 2 * ttl).await;
    held.acknowledge().wait().await.unwrap();
    assert_eq!(take(&mut subscription).await, ("3".to_owned(), 1));
}

async fn many_messages_are_published_at_once(bus: Bus) {
    let mut subscription = subscribe(&bus, "t", group("g")).await;
    let mut messages: Vec<Message> = (0..200).map(|number: u32| number.to_string().into()).collect();
    messages[77].ttl = Some(Duration::ZERO);
    let results = bus.publish_many("t", messages).wait().await.unwrap();
    assert_eq!(results.len(), 200);
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result.is_err(), number == 77, "{number}: {result:?}");
    }
    let mut arrived = BTreeSet::new();
    while arrived.len() < 199 {
        assert!(arrived.insert(take(&mut subscription).await.0));
    }
    assert!(!arrived.contains("77"));
    assert_eq!(bus.publish_many("t", Vec::new()).wait().await, Ok(Vec::new()));
}

/// What was on its way to a subscription when it was dropped comes again after this time at the latest.
fn soon(name: &str) -> SubscribeOptions {
    SubscribeOptions { ack_wait: Duration::from_secs(2), ..group(name) }
}

async fn a_dropped_subscription_ends(bus: Bus) {
    let mut staying = subscribe(&bus, "t", SubscribeOptions { concurrency: 1, ..soon("g") }).await;
    let alone = subscribe(&bus, "t", SubscribeOptions::default()).await;
    publish(&bus, "t", "held").await;
    let held = next(&mut staying).await;
    let mut leaving = subscribe(&bus, "t", soon("g")).await;
    let mut arrived = BTreeSet::new();
    if redelivers(&bus) {
        // The one that stays cannot have another, so that the rest is with the other one.
        for number in 0..10 {
            publish(&bus, "t", &number.to_string()).await;
        }
        let unsettled = [next(&mut leaving).await, next(&mut leaving).await];
        drop(leaving);
        drop(unsettled);
        held.acknowledge().wait().await.unwrap();
        while arrived.len() < 10 {
            let (body, _) = take(&mut staying).await;
            // None may be missing. One may come twice: JetStream may be giving it out anew while its acknowledgement is on
            // the way, and the first one may have taken too long.
            if body != "held" {
                arrived.insert(body);
            }
        }
    } else {
        held.acknowledge().wait().await.unwrap();
        drop(leaving);
        // What is published before the server is told may be lost with the one that left.
        let start = Instant::now();
        while arrived.is_empty() {
            assert!(start.elapsed() < Duration::from_secs(30), "the one that stays gets nothing");
            publish(&bus, "t", "probe").await;
            let taken = tokio::time::timeout(Duration::from_millis(100), take(&mut staying)).await;
            arrived.extend(taken.map(|(body, _)| body));
        }
    }
    drop(alone);
    drop(staying);
    // Nobody is left, or the group waits; publishing goes on, and so does a new subscription.
    publish(&bus, "t", "to nobody").await;
    let mut anew = subscribe(&bus, "t", group("other")).await;
    publish(&bus, "t", "last").await;
    assert_eq!(take(&mut anew).await.0, "last");
}

async fn groups_are_kept_as_said(bus: Bus) {
    let mut subscription = subscribe(&bus, "t", soon("g")).await;
    publish(&bus, "t", "1").await;
    assert_eq!(take(&mut subscription).await.0, "1");
    drop(subscription);
    if bus.guarantees().kept == Kept::OnServer {
        publish(&bus, "t", "2").await;
    } else {
        until("the subscription has ended", async || {
            let asked = bus.request("t", "?".into(), Duration::from_secs(1)).wait().await;
            matches!(asked, Err(Error::NoReply { waited: Duration::ZERO, .. }))
        })
        .await;
    }
    let mut subscription = subscribe(&bus, "t", soon("g")).await;
    publish(&bus, "t", "3").await;
    if bus.guarantees().kept == Kept::OnServer {
        let mut arrived = [take(&mut subscription).await.0, take(&mut subscription).await.0];
        arrived.sort_unstable();
        assert_eq!(arrived, ["2", "3"]);
    } else {
        assert_eq!(take(&mut subscription).await.0, "3");
    }
}

async fn readiness_is_as_said(bus: Bus) {
    let is = |operation| bus.always_ready(operation);
    let ready = |answer: &Answer<()>| matches!(answer, Answer::Ready(_));
    assert_eq!(is(Operation::Publish), bus.name() == "memory");
    let subscribing = bus.subscribe("t", SubscribeOptions::default());
    assert_eq!(matches!(subscribing, Answer::Ready(_)), is(Operation::Subscribe));
    let mut subscription = subscribing.wait().await.unwrap();
    for settle in [Operation::Acknowledge, Operation::Discard] {
        let publishing = bus.publish("t", "m".into());
        assert_eq!(ready(&publishing), is(Operation::Publish));
        publishing.wait().await.unwrap();
        let delivery = next(&mut subscription).await;
        let settling = match settle {
            Operation::Acknowledge => delivery.acknowledge(),
            _ => delivery.discard(),
        };
        assert_eq!(ready(&settling), is(settle), "{settle:?}");
        settling.wait().await.unwrap();
    }
    let many = bus.publish_many("t", vec!["m".into()]);
    assert_eq!(matches!(many, Answer::Ready(_)), is(Operation::PublishMany));
    many.wait().await.unwrap();
    let request = bus.request("t", "m".into(), Duration::from_millis(1));
    assert_eq!(matches!(request, Answer::Ready(_)), is(Operation::Request));
    request.wait().await.unwrap_err();
}

async fn calls_are_counted(bus: Bus) {
    let mut subscription = subscribe(&bus, "t", group("g")).await;
    for _ in 0..4 {
        publish(&bus, "t", "m").await;
    }
    bus.publish("", "m".into()).wait().await.unwrap_err();
    bus.publish_many("t", vec!["n".into(), "n".into()]).wait().await.unwrap();
    // A request is refused, and counted all the same.
    bus.request("", "m".into(), Duration::from_secs(1)).wait().await.unwrap_err();
    next(&mut subscription).await.acknowledge().wait().await.unwrap();
    next(&mut subscription).await.discard().wait().await.unwrap();
    // What a drop gives back is no call.
    drop(next(&mut subscription).await);
    // Where it cannot be redelivered, it is refused, and counted all the same.
    drop(next(&mut subscription).await.redeliver().wait().await);
    for &operation in Operation::ALL {
        let expected = if operation == Operation::Publish { 5 } else { 1 };
        assert_eq!(bus.counters().of(operation), expected, "{}", operation.name());
    }
    assert_eq!(bus.counters().total(), 11);
}

async fn bad_arguments_are_refused(bus: Bus) {
    let long = "t".repeat(256);
    for topic in ["", "a b", "a\nb", "\0", "a\u{a0}b", &long] {
        let refused = [
            bus.publish(topic, "m".into()).wait().await,
            bus.publish_many(topic, vec!["m".into()]).wait().await.map(drop),
            bus.request(topic, "m".into(), Duration::from_secs(1)).wait().await.map(drop),
            bus.subscribe(topic, SubscribeOptions::default()).wait().await.map(drop),
            bus.subscribe("t", group(topic)).wait().await.map(drop),
            bus.subscribe("t", SubscribeOptions { dead_letter: Some(topic.to_owned()), ..group("g") })
                .wait()
                .await
                .map(drop),
            bus.publish("t", Message { reply_to: Some(topic.to_owned()), ..Message::default() }).wait().await,
        ];
        for (number, result) in refused.into_iter().enumerate() {
            assert!(matches!(result, Err(Error::InvalidArgument(_))), "{topic:?} {number}: {result:?}");
        }
    }
    let header = |name: &str, value: &str| {
        let headers = vec![(name.to_owned(), value.to_owned())];
        Message { headers, ..Message::default() }
    };
    let messages = [
        Message { ttl: Some(Duration::ZERO), ..Message::default() },
        Message { ttl: Some(Duration::MAX), ..Message::default() },
        Message { headers: vec![("a".to_owned(), "b".to_owned()); 65], ..Message::default() },
        header("", "v"),
        header("a:b", "v"),
        header("a b", "v"),
        header("ключ", "v"),
        header("Pillion-Expires", "1"),
        header("pillion-x", "1"),
        header("a", "b\r\nc: d"),
        header("a", " b"),
        header("a", &"b".repeat(17 << 10)),
    ];
    for message in messages {
        let error = bus.publish("t", message.clone()).wait().await.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{message:?}: {error:?}");
        let results = bus.publish_many("t", vec![message]).wait().await.unwrap();
        assert!(matches!(results[..], [Err(Error::InvalidArgument(_))]), "{results:?}");
    }
    let options = [
        SubscribeOptions { max_deliveries: 0, ..group("g") },
        SubscribeOptions { ack_wait: Duration::ZERO, ..group("g") },
        SubscribeOptions { ack_wait: Duration::MAX, ..group("g") },
        SubscribeOptions { concurrency: 0, ..group("g") },
        SubscribeOptions { concurrency: usize::MAX, ..group("g") },
        SubscribeOptions { dead_letter: Some("t".to_owned()), ..group("g") },
    ];
    for options in options {
        let error = bus.subscribe("t", options.clone()).wait().await.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{options:?}: {error:?}");
    }
    let inbox = bus.subscribe("_INBOX.1", group("g")).wait().await.unwrap_err();
    assert!(matches!(inbox, Error::InvalidArgument(_)), "{inbox:?}");
    for timeout in [Duration::ZERO, Duration::MAX] {
        let error = bus.request("t", "m".into(), timeout).wait().await.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{timeout:?}: {error:?}");
    }
    let replied = Message { reply_to: Some("r".to_owned()), ..Message::default() };
    let error = bus.request("t", replied, Duration::from_secs(1)).wait().await.unwrap_err();
    assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
}
