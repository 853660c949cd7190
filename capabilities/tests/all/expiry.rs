//! Values that go away by themselves.

use std::time::{Duration, SystemTime};

use pillion_capabilities::keyvalue::{Change, KeyValue, SetOptions, When};
use pillion_capabilities::{Error, Memory};

use crate::providers::{Store, for_each_provider, runtime, until};

for_each_provider! { expired_values_are_gone, expiry_is_told_kept_and_taken_away }

fn for_(ttl: Duration) -> SetOptions {
    SetOptions { ttl: Some(ttl), when: When::Always }
}

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(3600);

async fn expired_values_are_gone(store: Store) {
    let etag = store.set("k", "5".into(), for_(SHORT)).wait().await.unwrap();
    let change = Change::Set { key: "t".to_owned(), value: "v".into(), options: for_(SHORT) };
    store.transact(vec![change]).wait().await.unwrap();
    for key in ["k", "t"] {
        until("the value expires", async || store.get(key).wait().await.unwrap().is_none()).await;
        assert!(!store.exists(key).wait().await.unwrap());
        assert_eq!(store.bulk_get(&[key]).wait().await.unwrap(), [None]);
    }
    let mismatch = Err(Error::EtagMismatch { key: "k".to_owned() });
    assert_eq!(store.delete("k", When::Matches(etag)).wait().await, mismatch);
    assert_eq!(store.delete("k", When::Always).wait().await, Ok(false));
    assert_eq!(store.add("k", 2).wait().await, Ok(2), "an expired value counts as none");
    assert_eq!(store.get("k").wait().await.unwrap().unwrap().expires, None);
    // Other kinds may take the place of an expired value.
    assert_eq!(store.list_push("t", "item".into()).wait().await, Ok(1));
    let absent = SetOptions { when: When::Absent, ttl: Some(SHORT) };
    store.set("u", "v".into(), absent).wait().await.unwrap();
    until("its place is free", async || store.set("u", "w".into(), absent).wait().await.is_ok()).await;
}

async fn expiry_is_told_kept_and_taken_away(store: Store) {
    // Providers hold milliseconds at the coarsest.
    let grain = Duration::from_millis(1);
    let before = SystemTime::now() + LONG - grain;
    store.set("k", "1".into(), for_(LONG)).wait().await.unwrap();
    let after = SystemTime::now() + LONG + grain;
    let expires = store.get("k").wait().await.unwrap().unwrap().expires.unwrap();
    assert!((before..=after).contains(&expires), "{expires:?} is not within {before:?} and {after:?}");
    let bulk = store.bulk_get(&["k"]).wait().await.unwrap();
    assert_eq!(bulk[0].as_ref().unwrap().expires, Some(expires));

    store.add("k", 1).wait().await.unwrap();
    assert_eq!(store.get("k").wait().await.unwrap().unwrap().expires, Some(expires));

    store.set("k", "1".into(), SetOptions::default()).wait().await.unwrap();
    assert_eq!(store.get("k").wait().await.unwrap().unwrap().expires, None);
    // An expiry that was taken away or pushed back does not strike later.
    store.set("k", "1".into(), for_(SHORT)).wait().await.unwrap();
    store.set("k", "2".into(), for_(LONG)).wait().await.unwrap();
    store.set("other", "1".into(), for_(SHORT)).wait().await.unwrap();
    until("the other value expires", async || !store.exists("other").wait().await.unwrap()).await;
    store.set("more", "1".into(), SetOptions::default()).wait().await.unwrap();
    assert_eq!(store.get("k").wait().await.unwrap().unwrap().value, "2");
}

#[test]
fn expired_values_do_not_pile_up_in_memory() {
    runtime().block_on(async {
        let store = Memory::new();
        for number in 0..10_000 {
            store
                .set(&format!("gone {number}"), "v".into(), for_(Duration::from_nanos(1)))
                .wait()
                .await
                .unwrap();
        }
        // Nobody touches those keys again; writes to others remove them. So many others that each shard has some: of
        // a few hundred keys, one run in forty leaves a shard without any.
        for number in 0..5_000 {
            store.set(&format!("kept {number}"), "v".into(), SetOptions::default()).wait().await.unwrap();
        }
        assert_eq!(store.stored_keys(), 5_000);
    });
}
