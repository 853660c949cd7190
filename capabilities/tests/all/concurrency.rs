//! What must hold when many callers come at once.

use bytes::Bytes;
use futures_util::future::join_all;
use pillion_capabilities::keyvalue::{Change, SetOptions, When};
use pillion_capabilities::{Error, Operation};

use crate::providers::{Store, for_each_provider};

for_each_provider! {
    a_thousand_adds_give_the_sum,
    a_compare_and_set_has_one_winner,
    several_keys_are_read_at_one_moment,
}

async fn a_thousand_adds_give_the_sum(store: Store) {
    let tasks = (0..1000).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.add("n", 1).wait().await.unwrap() })
    });
    let mut sums: Vec<i64> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=1000).collect::<Vec<_>>());
    assert_eq!(store.get("n").wait().await.unwrap().unwrap().value, "1000");
    assert_eq!(store.counters().of(Operation::Add), 1000);
}

async fn a_compare_and_set_has_one_winner(store: Store) {
    let mut etag = None;
    for round in 0..5 {
        let when = etag.map_or(When::Absent, When::Matches);
        let tasks = (0..32).map(|racer: u32| {
            let store = store.clone();
            tokio::spawn(async move {
                let options = SetOptions { when, ttl: None };
                (racer, store.set("k", racer.to_string().into(), options).wait().await)
            })
        });
        let mut winners = Vec::new();
        for (racer, result) in join_all(tasks).await.into_iter().map(Result::unwrap) {
            match result {
                Ok(etag) => winners.push((racer, etag)),
                Err(error) => assert_eq!(error, Error::EtagMismatch { key: "k".to_owned() }),
            }
        }
        let [(winner, new)] = winners[..] else { panic!("round {round} has the winners {winners:?}") };
        let entry = store.get("k").wait().await.unwrap().unwrap();
        assert_eq!((entry.value, entry.etag), (Bytes::from(winner.to_string()), new));
        etag = Some(new);
    }
}

/// Transactions keep four keys equal; no bulk read may see them differ.
async fn several_keys_are_read_at_one_moment(store: Store) {
    let keys = ["a", "b", "c", "d"];
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for round in 0..100_u32 {
                let set = |key: &&str| Change::Set {
                    key: (*key).to_owned(),
                    value: round.to_string().into(),
                    options: SetOptions::default(),
                };
                store.transact(keys.iter().map(set).collect()).wait().await.unwrap();
            }
        }
    });
    let mut last = None;
    loop {
        let finished = writer.is_finished();
        let entries = store.bulk_get(&keys).wait().await.unwrap();
        let values: Vec<_> = entries.into_iter().map(|entry| entry.map(|entry| entry.value)).collect();
        assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
        last = values[0].clone().or(last);
        if finished {
            break;
        }
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    assert_eq!(last, Some(Bytes::from("99")));
}
