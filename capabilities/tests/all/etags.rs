//! A version that was told once never comes again, not even in a store that was begun anew.

use pillion_capabilities::keyvalue::{Change, Etag, KeyValue, SetOptions, When};
use pillion_capabilities::testing::RedisServer;
use pillion_capabilities::{Error, Memory, Redis};

use crate::providers::runtime;

const KEYS: usize = 16;

async fn set(store: &dyn KeyValue, key: &str, when: When) -> Result<Etag, Error> {
    store.set(key, "v".into(), SetOptions { when, ttl: None }).wait().await
}

/// What a store gives to keys that it never saw: by a set, by an add, and by a transaction.
async fn first_versions(store: &dyn KeyValue) -> Vec<(String, Etag)> {
    let mut versions = Vec::new();
    for number in 0..KEYS {
        let [plain, counter, changed] = ["set", "add", "transact"].map(|how| format!("{how}-{number}"));
        set(store, &plain, When::Always).await.unwrap();
        store.add(&counter, 1).wait().await.unwrap();
        let change = Change::Set { key: changed.clone(), value: "v".into(), options: SetOptions::default() };
        store.transact(vec![change]).wait().await.unwrap();
        for key in [plain, counter, changed] {
            let etag = store.get(&key).wait().await.unwrap().unwrap().etag;
            versions.push((key, etag));
        }
    }
    versions
}

async fn are_all_stale(store: &dyn KeyValue, versions: Vec<(String, Etag)>) {
    for (key, etag) in versions {
        assert_eq!(set(store, &key, When::Matches(etag)).await, Err(Error::EtagMismatch { key }));
    }
}

#[test]
fn a_version_of_an_earlier_process_is_stale_in_memory() {
    runtime().block_on(async {
        let earlier = first_versions(&Memory::new()).await;
        let store = Memory::new();
        first_versions(&store).await;
        are_all_stale(&store, earlier).await;
    });
}

#[test]
fn a_version_of_before_redis_was_emptied_is_stale_and_none_comes_from_a_clock() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let store = Redis::connect(&server.url()).await.unwrap();
        let earlier = first_versions(&store).await;
        // A clock would have made them rise, and could be set back.
        assert!(!earlier.is_sorted_by_key(|(_, etag)| *etag), "{earlier:?}");
        for (key, _) in &earlier {
            store.delete(key, When::Always).wait().await.unwrap();
        }
        first_versions(&store).await;
        are_all_stale(&store, earlier).await;
    });
}
