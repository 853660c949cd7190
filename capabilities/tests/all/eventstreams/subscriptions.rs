//! Events delivered to subscribers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use pillion_capabilities::Error;
use pillion_capabilities::eventstreams::{
    Delivery, EventId, Memory, Operation, Outcome, Redis, Start, SubscribeOptions, Subscription, Values,
};
use pillion_capabilities::testing::RedisServer;
use proptest::prelude::*;

use super::{Store, all, values, with_memory, with_prefix, with_redis};
use crate::buses::in_time;
use crate::providers::{runtime, until};

for_each_provider! {
    a_group_begins_where_it_was_told,
    a_group_without_a_name_ends_with_its_subscription,
    a_named_group_goes_on_where_it_was,
    bad_options_are_refused,
    each_group_gets_every_event_in_order,
    events_that_the_stream_let_go_of_are_passed_over,
    members_of_a_group_share_its_events,
    no_more_are_unsettled_than_allowed,
    what_is_given_up_does_not_come_again_and_stays_in_the_stream,
    what_is_not_acknowledged_comes_again,
}

fn group(name: &str) -> SubscribeOptions {
    SubscribeOptions { group: Some(name.to_owned()), ..SubscribeOptions::default() }
}

async fn subscribe(store: &Store, options: SubscribeOptions) -> Subscription {
    store.subscribe("s", options).wait().await.unwrap()
}

async fn write(store: &Store, number: usize) -> EventId {
    store.write("s", values([("number", &number.to_string())])).wait().await.unwrap()
}

async fn next(subscription: &mut Subscription) -> Delivery {
    in_time("a delivery", subscription.next()).await.expect("the subscription goes on")
}

fn number(delivery: &Delivery) -> usize {
    std::str::from_utf8(&delivery.event.values["number"]).unwrap().parse().unwrap()
}

/// The next event's number with its attempt, settled.
async fn settle(subscription: &mut Subscription, outcome: Outcome) -> (usize, u32) {
    let delivery = next(subscription).await;
    let seen = (number(&delivery), delivery.attempt);
    delivery.ticket.settle(outcome).wait().await.unwrap();
    seen
}

async fn take(subscription: &mut Subscription) -> (usize, u32) {
    settle(subscription, Outcome::Acknowledge).await
}

async fn each_group_gets_every_event_in_order(store: Store) {
    let mut subscriptions = Vec::new();
    for options in [group("g"), group("h"), SubscribeOptions::default(), SubscribeOptions::default()] {
        subscriptions.push(subscribe(&store, options).await);
    }
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(write(&store, number).await);
        store.write("other", values([("number", "7")])).wait().await.unwrap();
    }
    for subscription in &mut subscriptions {
        for (number, id) in ids.iter().enumerate() {
            let delivery = next(subscription).await;
            assert_eq!((&*delivery.stream, delivery.event.id, delivery.attempt), ("s", *id, 1));
            assert_eq!(delivery.event.values, values([("number", &number.to_string())]));
            delivery.acknowledge().wait().await.unwrap();
        }
    }
    assert_eq!(all(&*store, "s").await.len(), 100, "they stay in the stream");
    assert_eq!(store.counters().of(Operation::Subscribe), 4);
    assert_eq!(store.counters().of(Operation::Acknowledge), 400);
}

async fn a_group_begins_where_it_was_told(store: Store) {
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(write(&store, number).await);
    }
    let from = |start| SubscribeOptions { start, ..SubscribeOptions::default() };
    let mut new = subscribe(&store, from(Start::New)).await;
    let mut eldest = subscribe(&store, from(Start::Eldest)).await;
    let mut after = subscribe(&store, from(Start::After(ids[1]))).await;
    let between = EventId { number: ids[2].number + 7_000, ..ids[2] };
    let mut nearly = subscribe(&store, from(Start::After(between))).await;
    ids.push(write(&store, 4).await);
    for (subscription, first) in [(&mut new, 4), (&mut eldest, 0), (&mut after, 2)] {
        for number in first..5 {
            assert_eq!(take(subscription).await, (number, 1));
        }
    }
    // Those of the same millisecond are passed over too, until one is of a later.
    while ids.last().is_some_and(|last| *last <= between) {
        ids.push(write(&store, ids.len()).await);
    }
    let expected = ids.iter().filter(|id| **id <= between).count();
    assert_eq!(take(&mut nearly).await, (expected, 1));
}

async fn a_named_group_goes_on_where_it_was(store: Store) {
    let mut subscription = subscribe(&store, group("g")).await;
    for number in 0..3 {
        write(&store, number).await;
    }
    assert_eq!(take(&mut subscription).await, (0, 1));
    let unsettled = next(&mut subscription).await;
    assert_eq!(number(&unsettled), 1);
    drop((unsettled, subscription));
    write(&store, 3).await;
    // Neither what was given back nor what came meanwhile is lost, whatever start is asked for.
    let options = SubscribeOptions { start: Start::New, ..group("g") };
    let mut subscription = subscribe(&store, options).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        seen.insert(take(&mut subscription).await.0);
    }
    assert_eq!(seen, BTreeSet::from([1, 2, 3]));
}

async fn a_group_without_a_name_ends_with_its_subscription(store: Store) {
    let first = subscribe(&store, SubscribeOptions::default()).await;
    write(&store, 0).await;
    drop(first);
    let mut second = subscribe(&store, SubscribeOptions::default()).await;
    write(&store, 1).await;
    assert_eq!(take(&mut second).await, (1, 1));
}

async fn members_of_a_group_share_its_events(store: Store) {
    let options = SubscribeOptions { concurrency: 1, ..group("g") };
    let mut one = subscribe(&store, options.clone()).await;
    let mut other = subscribe(&store, options).await;
    for number in 0..4 {
        write(&store, number).await;
    }
    // Each has one and may have no more, so that the rest is shared whoever settles.
    let (held, also) = (next(&mut one).await, next(&mut other).await);
    let mut seen = BTreeSet::from([number(&held), number(&also)]);
    assert_eq!(seen, BTreeSet::from([0, 1]));
    held.acknowledge().wait().await.unwrap();
    seen.insert(take(&mut one).await.0);
    seen.insert(take(&mut one).await.0);
    assert_eq!(seen, BTreeSet::from([0, 1, 2, 3]));
    // What a member leaves behind goes to the other.
    let left = number(&also);
    drop((also, other));
    assert_eq!(take(&mut one).await, (left, 2));
}

async fn no_more_are_unsettled_than_allowed(store: Store) {
    let mut subscription = subscribe(&store, SubscribeOptions { concurrency: 2, ..group("g") }).await;
    let mut witness = subscribe(&store, SubscribeOptions { concurrency: 3, ..group("h") }).await;
    for number in 0..3 {
        write(&store, number).await;
    }
    let first = next(&mut subscription).await;
    let second = next(&mut subscription).await;
    assert_eq!((number(&first), number(&second)), (0, 1));
    let mut third = Box::pin(subscription.next());
    for number in 0..3 {
        assert_eq!(take(&mut witness).await, (number, 1));
    }
    assert!(third.as_mut().now_or_never().is_none(), "two are unsettled");
    second.acknowledge().wait().await.unwrap();
    let third = in_time("a delivery", third).await.unwrap();
    assert_eq!(number(&third), 2);
}

async fn what_is_not_acknowledged_comes_again(store: Store) {
    let options = SubscribeOptions { ack_wait: Duration::from_millis(200), ..group("g") };
    let mut subscription = subscribe(&store, options).await;
    write(&store, 7).await;
    assert_eq!(settle(&mut subscription, Outcome::Redeliver).await, (7, 1));
    drop(next(&mut subscription).await);
    // Nobody settles it in time.
    let late = next(&mut subscription).await;
    assert_eq!((number(&late), late.attempt), (7, 3));
    assert_eq!(take(&mut subscription).await, (7, 4));
    late.acknowledge().wait().await.unwrap();
    write(&store, 8).await;
    assert_eq!(take(&mut subscription).await, (8, 1));
    assert_eq!(store.counters().of(Operation::Redeliver), 1);
}

async fn what_is_given_up_does_not_come_again_and_stays_in_the_stream(store: Store) {
    let options = SubscribeOptions { max_deliveries: 2, concurrency: 1, ..group("g") };
    let mut subscription = subscribe(&store, options).await;
    for number in 0..3 {
        write(&store, number).await;
    }
    assert_eq!(settle(&mut subscription, Outcome::Discard).await, (0, 1));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(settle(&mut subscription, Outcome::Redeliver).await);
    }
    // On a server, another may come before one that was just given back.
    seen.sort_unstable();
    assert_eq!(seen, [(1, 1), (1, 2), (2, 1), (2, 2)]);
    write(&store, 3).await;
    assert_eq!(take(&mut subscription).await, (3, 1));
    assert_eq!(all(&*store, "s").await.len(), 4);
    assert_eq!(store.counters().of(Operation::Discard), 1);
}

async fn events_that_the_stream_let_go_of_are_passed_over(store: Store) {
    let mut subscription =
        subscribe(&store, SubscribeOptions { concurrency: 1, start: Start::Eldest, ..group("g") }).await;
    write(&store, 0).await;
    let held = next(&mut subscription).await;
    for number in 1..super::KEPT + 11 {
        write(&store, number).await;
    }
    assert_eq!(number(&held), 0, "who has it keeps it");
    held.redeliver().wait().await.unwrap();
    let (first, _) = take(&mut subscription).await;
    // One may have been fetched ahead when its turn came.
    assert!(first >= 11, "{first}");
    assert_eq!(take(&mut subscription).await, (first + 1, 1));
}

async fn bad_options_are_refused(store: Store) {
    let good = SubscribeOptions::default();
    let bad = [
        SubscribeOptions { max_deliveries: 0, ..good.clone() },
        SubscribeOptions { concurrency: 0, ..good.clone() },
        SubscribeOptions { concurrency: 65_537, ..good.clone() },
        SubscribeOptions { ack_wait: Duration::ZERO, ..good.clone() },
        SubscribeOptions { ack_wait: Duration::from_secs(86_401), ..good.clone() },
        group(""),
        group("with space"),
        group(&"x".repeat(256)),
    ];
    for options in bad {
        let result = store.subscribe("s", options.clone()).wait().await;
        assert!(matches!(result, Err(Error::InvalidArgument(_))), "{options:?}");
    }
    let result = store.subscribe("", good).wait().await;
    assert!(matches!(result, Err(Error::InvalidArgument(_))));
}

#[test]
fn what_subscribers_take_up_in_memory_is_bounded() {
    runtime().block_on(async {
        let store: Store = Arc::new(Memory::new(5, 2_000));
        // A stream without events is forgotten with its last group.
        for number in 0..100 {
            let stream = format!("s{number}");
            drop(store.subscribe(&stream, SubscribeOptions::default()).wait().await.unwrap());
        }
        // And it takes up room while it has one.
        let mut held = Vec::new();
        let error = loop {
            match store.subscribe(&format!("s{}", held.len()), group("g")).wait().await {
                Ok(subscription) => held.push(subscription),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::TooMuch { most: 2_000, .. }), "{error:?}");
        assert_eq!(held.len(), 7);

        let store: Store = Arc::new(Memory::new(5, 1 << 20));
        let mut held = Vec::new();
        let error = loop {
            match subscribe_to(&store, held.len()).await {
                Ok(subscription) => held.push(subscription),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::TooMuch { most: 1024, .. }), "{error:?}");
        // Named ones stay, those without a name do not.
        drop(held.pop());
        drop(subscribe_to(&store, 1023).await.expect("it is there"));
        let error = subscribe_to(&store, 1024).await.unwrap_err();
        assert!(matches!(error, Error::TooMuch { .. }), "{error:?}");
    });
}

async fn subscribe_to(store: &Store, number: usize) -> Result<Subscription, Error> {
    store.subscribe("s", group(&number.to_string())).wait().await
}

#[test]
fn subscriptions_in_redis_outlive_the_server_and_pass_over_what_is_no_event() {
    let Some(mut server) = RedisServer::start_durable_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let store: Store = Arc::new(Redis::connect(&server.url(), 100).await.unwrap());
        let raw = |commands: &redis::Pipeline| {
            let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
            commands.exec(&mut connection).unwrap();
        };
        raw(redis::pipe().set("text", "v"));
        let error = store.subscribe("text", group("g")).wait().await.unwrap_err();
        assert!(
            matches!(&error, Error::WrongType { key, expected: "stream", .. } if key == "text"),
            "{error:?}"
        );
        let error = store.subscribe("text", SubscribeOptions::default()).wait().await.unwrap_err();
        assert!(matches!(&error, Error::WrongType { .. }), "{error:?}");

        let mut subscription = subscribe(&store, group("g")).await;
        let mut alone = subscribe(&store, SubscribeOptions::default()).await;
        raw(redis::pipe().cmd("XADD").arg("s").arg("*").arg(b"\xff").arg("1"));
        let theirs = Values::from([("number".to_owned(), Bytes::from("1"))]);
        raw(redis::pipe().cmd("XADD").arg("s").arg("*").arg("number").arg("1"));
        for subscription in [&mut subscription, &mut alone] {
            let delivery = next(subscription).await;
            assert_eq!(delivery.event.values, theirs);
            delivery.acknowledge().wait().await.unwrap();
        }

        write(&store, 2).await;
        server.stop().unwrap();
        until("calls fail", async || store.write("s", theirs.clone()).wait().await.is_err()).await;
        let error = store.subscribe("s", group("g")).wait().await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        server.restart().unwrap();
        until("calls work again", async || store.write("probe", theirs.clone()).wait().await.is_ok()).await;
        write(&store, 3).await;
        for subscription in [&mut subscription, &mut alone] {
            // The server may have lost that they were given, or not.
            let mut seen = BTreeSet::new();
            while !seen.contains(&3) {
                let delivery = next(subscription).await;
                seen.insert(number(&delivery));
                delivery.acknowledge().wait().await.unwrap();
            }
            assert!(seen.contains(&2), "{seen:?}");
        }
    });
}

/// What is done to one subscription in memory.
#[derive(Clone, Debug)]
enum Step {
    Write,
    Take,
    /// Settles one of those that are held.
    Settle(prop::sample::Index, Outcome),
    Drop(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![Just(Outcome::Acknowledge), Just(Outcome::Redeliver), Just(Outcome::Discard)];
    prop_oneof![
        3 => Just(Step::Write),
        4 => Just(Step::Take),
        3 => (any::<prop::sample::Index>(), outcome).prop_map(|(which, outcome)| Step::Settle(which, outcome)),
        1 => any::<prop::sample::Index>().prop_map(Step::Drop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done, the next event is the one that a plain model has next: those that were given back first, the
    /// eldest before others, and none more often than allowed.
    #[test]
    fn a_group_in_memory_is_as_the_model(
        steps in prop::collection::vec(step(), 1..80), concurrency in 1..4_usize, max_deliveries in 1..4_u32,
    ) {
        runtime().block_on(async {
            let store: Store = Arc::new(Memory::new(1_000, 1 << 20));
            let options = SubscribeOptions { concurrency, max_deliveries, ..group("g") };
            let mut subscription = subscribe(&store, options).await;
            let (mut written, mut given) = (0, 0);
            let mut back = BTreeMap::new();
            let mut held: Vec<Delivery> = Vec::new();
            for step in steps {
                let settled = match step {
                    Step::Write => {
                        write(&store, written).await;
                        written += 1;
                        continue;
                    }
                    Step::Take => {
                        let taken = subscription.next().now_or_never().flatten();
                        let expected = if held.len() >= concurrency {
                            None
                        } else if let Some((number, before)) = back.pop_first() {
                            Some((number, before + 1))
                        } else if given < written {
                            given += 1;
                            Some((given - 1, 1))
                        } else {
                            None
                        };
                        let seen = taken.as_ref().map(|delivery| (number(delivery), delivery.attempt));
                        prop_assert_eq!(seen, expected);
                        held.extend(taken);
                        continue;
                    }
                    _ if held.is_empty() => continue,
                    Step::Settle(which, outcome) => {
                        let delivery = held.swap_remove(which.index(held.len()));
                        let of = (number(&delivery), delivery.attempt, outcome);
                        delivery.ticket.settle(outcome).wait().await.unwrap();
                        of
                    }
                    Step::Drop(which) => {
                        let delivery = held.swap_remove(which.index(held.len()));
                        (number(&delivery), delivery.attempt, Outcome::Redeliver)
                    }
                };
                if let (number, attempt, Outcome::Redeliver) = settled
                    && attempt < max_deliveries
                {
                    back.insert(number, attempt);
                }
            }
            Ok(())
        })?;
    }
}
