//! What a subscription has fetched ahead: it waits, or goes back.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::FutureExt as _;
use pillion_capabilities::messaging::SubscribeOptions;

use crate::buses::{Bus, for_each_bus, group, in_time, next, publish, redelivers, subscribe, take, text};

for_each_bus! {
    a_subscription_that_pauses_leaves_what_comes_to_others,
    a_subscription_that_waits_in_vain_pauses_and_closes,
    what_a_subscriber_leaves_goes_to_others,
    what_nobody_looked_at_goes_back_and_was_not_delivered,
    what_waits_for_its_subscriber_is_not_overdue,
}

async fn a_subscription_that_pauses_leaves_what_comes_to_others(bus: Bus) {
    if !redelivers(&bus) {
        return;
    }
    let mut first = subscribe(&bus, "t", group("g")).await;
    for body in ["a", "b", "c"] {
        publish(&bus, "t", body).await;
    }
    let held = next(&mut first).await;
    in_time("it pauses", first.pause()).await;
    publish(&bus, "t", "d").await;
    let mut second = subscribe(&bus, "t", group("g")).await;
    let mut others = BTreeSet::new();
    while others.len() < 3 {
        others.insert(take(&mut second).await.0);
    }
    let mine = text(&held);
    held.acknowledge().wait().await.unwrap();
    others.insert(mine);
    assert_eq!(others, ["a", "b", "c", "d"].map(str::to_owned).into());
    // It goes on, and has nothing of what others had.
    in_time("it pauses", second.pause()).await;
    publish(&bus, "t", "e").await;
    assert_eq!(take(&mut first).await, ("e".to_owned(), 1));
}

async fn a_subscription_that_waits_in_vain_pauses_and_closes(bus: Bus) {
    let mut subscription = subscribe(&bus, "t", group("g")).await;
    for _ in 0..2 {
        assert!(subscription.next().now_or_never().is_none());
        in_time("it pauses", subscription.pause()).await;
    }
    assert!(subscription.next().now_or_never().is_none());
    in_time("it closes", subscription.close()).await;
}

/// Of two members one stops to look for more.
async fn what_a_subscriber_leaves_goes_to_others(bus: Bus) {
    if !redelivers(&bus) {
        return;
    }
    let terms = || SubscribeOptions { ack_wait: Duration::from_millis(150), ..group("g") };
    let mut first = subscribe(&bus, "t", terms()).await;
    publish(&bus, "t", "a").await;
    next(&mut first).await.acknowledge().wait().await.unwrap();
    for body in ["b", "c", "d"] {
        publish(&bus, "t", body).await;
    }
    let mut second = subscribe(&bus, "t", terms()).await;
    let mut taken = BTreeSet::new();
    while taken.len() < 3 {
        taken.insert(take(&mut second).await.0);
    }
    assert_eq!(taken, ["b", "c", "d"].map(str::to_owned).into());
}

async fn what_nobody_looked_at_goes_back_and_was_not_delivered(bus: Bus) {
    if !redelivers(&bus) {
        return;
    }
    let once = SubscribeOptions { max_deliveries: 1, dead_letter: Some("dead".to_owned()), ..group("g") };
    let mut subscription = subscribe(&bus, "t", once).await;
    let mut dead = subscribe(&bus, "dead", group("g")).await;
    for body in ["a", "b", "c"] {
        publish(&bus, "t", body).await;
    }
    for _ in 0..3 {
        let delivery = next(&mut subscription).await;
        assert_eq!(delivery.attempt, 1);
        delivery.give_back().wait().await.unwrap();
        in_time("it pauses", subscription.pause()).await;
    }
    let mut taken = BTreeSet::new();
    for _ in 0..3 {
        taken.insert(take(&mut subscription).await);
    }
    assert_eq!(taken, ["a", "b", "c"].map(|body| (body.to_owned(), 1)).into());
    publish(&bus, "dead", "the first").await;
    assert_eq!(text(&next(&mut dead).await), "the first");
}

async fn what_waits_for_its_subscriber_is_not_overdue(bus: Bus) {
    if !redelivers(&bus) {
        return;
    }
    let ack_wait = Duration::from_millis(600);
    let once = SubscribeOptions { ack_wait, max_deliveries: 1, ..group("g") };
    // Whoever is not let work for so long cannot keep anything, and may try again.
    for attempt in 0..20 {
        let topic = format!("t{attempt}");
        let mut subscription = subscribe(&bus, &topic, once.clone()).await;
        for body in ["a", "b", "c"] {
            publish(&bus, &topic, body).await;
        }
        take(&mut subscription).await;
        tokio::time::sleep(ack_wait * 3).await;
        // What was overdue would be dead by now, and not come.
        publish(&bus, &topic, "last").await;
        let mut taken = Vec::new();
        while taken.last().is_none_or(|last| last != "last") {
            taken.push(take(&mut subscription).await.0);
        }
        if taken == ["b", "c", "last"] {
            return;
        }
    }
    panic!("it was overdue each time");
}
