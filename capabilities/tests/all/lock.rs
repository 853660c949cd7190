//! The providers of `Lock`: the promises of both, and what is each one's own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pillion_capabilities::lock::{Memory, Operation, Redis, Unlocked};
use pillion_capabilities::testing::RedisServer;
use pillion_capabilities::{Answer, Error, Lock};

use crate::providers::{runtime, until};

type Store = Arc<dyn Lock>;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(20);

fn with_memory<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    runtime().block_on(test(Arc::new(Memory::new())));
}

fn with_redis<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async { test(Arc::new(Redis::connect(&server.url()).await.unwrap())).await });
}

macro_rules! for_each {
    ($($promise:ident),+ $(,)?) => {$(
        mod $promise {
            #[test]
            fn memory() {
                super::with_memory(super::$promise);
            }

            #[test]
            fn redis() {
                super::with_redis(super::$promise);
            }
        }
    )+};
}

for_each! {
    a_lock_has_one_holder,
    a_lock_whose_time_is_over_is_free,
    of_many_at_a_time_one_gets_it,
    bad_arguments_are_refused,
}

async fn a_lock_has_one_holder(store: Store) {
    for resource in ["stock", "ключ||a:b/c d\n", "\0"] {
        let answer = store.try_lock(resource, "ann", LONG);
        assert_eq!(matches!(answer, Answer::Ready(_)), store.always_ready());
        assert!(answer.wait().await.unwrap());
        for owner in ["bob", "ann"] {
            assert!(!store.try_lock(resource, owner, LONG).wait().await.unwrap(), "{owner}");
        }
        assert_eq!(store.unlock(resource, "bob").wait().await.unwrap(), Unlocked::HeldByAnother);
        assert!(!store.try_lock(resource, "bob", LONG).wait().await.unwrap());
        assert_eq!(store.unlock(resource, "ann").wait().await.unwrap(), Unlocked::Done);
        assert_eq!(store.unlock(resource, "ann").wait().await.unwrap(), Unlocked::NotLocked);
        assert!(store.try_lock(resource, "bob", LONG).wait().await.unwrap());
    }
    assert_eq!(store.counters().of(Operation::TryLock), 15);
    assert_eq!(store.counters().of(Operation::Unlock), 9);
    assert_eq!(store.unlock("nobody's", "ann").wait().await.unwrap(), Unlocked::NotLocked);
}

async fn a_lock_whose_time_is_over_is_free(store: Store) {
    assert!(store.try_lock("stock", "ann", SHORT).wait().await.unwrap());
    until("the time is over", || async { store.try_lock("stock", "bob", LONG).wait().await.unwrap() }).await;
    // It is not the first one's to give back any more.
    assert_eq!(store.unlock("stock", "ann").wait().await.unwrap(), Unlocked::HeldByAnother);
    assert!(store.try_lock("other", "ann", SHORT).wait().await.unwrap());
    until("it is nobody's", || async {
        let answer = store.unlock("other", "bob").wait().await.unwrap();
        assert_ne!(answer, Unlocked::Done);
        answer == Unlocked::NotLocked
    })
    .await;
}

async fn of_many_at_a_time_one_gets_it(store: Store) {
    for round in 0..20 {
        let asked = (0..32).map(|owner| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                store.try_lock(&format!("stock-{round}"), &owner.to_string(), LONG).wait().await.unwrap()
            })
        });
        let got = join_all(asked).await.into_iter().filter(|got| *got.as_ref().unwrap()).count();
        assert_eq!(got, 1);
    }
}

async fn bad_arguments_are_refused(store: Store) {
    let endless = Duration::from_secs(1 << 40);
    let refused = [
        store.try_lock("", "ann", LONG).wait().await.map(drop),
        store.try_lock("stock", "", LONG).wait().await.map(drop),
        store.try_lock("stock", "ann", Duration::ZERO).wait().await.map(drop),
        store.try_lock("stock", "ann", Duration::from_micros(999)).wait().await.map(drop),
        store.try_lock("stock", "ann", endless).wait().await.map(drop),
        store.try_lock("stock", "ann", Duration::MAX).wait().await.map(drop),
        store.unlock("", "ann").wait().await.map(drop),
        store.unlock("stock", "").wait().await.map(drop),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{refused:?}");
    }
    assert!(store.try_lock("stock", "ann", LONG).wait().await.unwrap(), "nothing was locked");
}

#[test]
fn locks_whose_time_is_over_do_not_pile_up() {
    runtime().block_on(async {
        let store = Memory::new();
        for number in 0..10_000 {
            let resource = number.to_string();
            assert!(store.try_lock(&resource, "ann", Duration::from_millis(1)).wait().await.unwrap());
            if number % 100 == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        assert!(store.stored_locks() < 1_000, "{} are kept", store.stored_locks());
    });
}

#[test]
fn redis_locks_are_those_of_dapr() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let store = Redis::connect(&server.url()).await.unwrap();
        let mut other = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        assert!(store.try_lock("lock||app||stock", "ann", LONG).wait().await.unwrap());
        let owner: String = redis::cmd("GET").arg("lock||app||stock").query(&mut other).unwrap();
        let left: u64 = redis::cmd("PTTL").arg("lock||app||stock").query(&mut other).unwrap();
        assert!(owner == "ann" && (1..=600_000).contains(&left), "{owner} {left}");
        // A lock that Dapr's own component made.
        redis::cmd("SET").arg("theirs").arg("bob").arg("EX").arg(600).exec(&mut other).unwrap();
        assert!(!store.try_lock("theirs", "ann", LONG).wait().await.unwrap());
        assert_eq!(store.unlock("theirs", "bob").wait().await.unwrap(), Unlocked::Done);
        // What is no lock is not taken for one, nor removed.
        redis::cmd("LPUSH").arg("list").arg("1").exec(&mut other).unwrap();
        assert!(!store.try_lock("list", "ann", LONG).wait().await.unwrap());
        assert!(matches!(store.unlock("list", "ann").wait().await, Err(Error::Failed { .. })));
    });
}

#[test]
fn without_redis_calls_fail_clearly_and_recover() {
    let Some(mut server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let store = Redis::connect(&server.url()).await.unwrap();
        assert!(store.try_lock("stock", "ann", LONG).wait().await.unwrap());
        server.stop().unwrap();
        let gone = store.try_lock("stock", "bob", LONG).wait().await;
        assert!(matches!(gone, Err(Error::Unavailable { .. })), "{gone:?}");
        assert!(matches!(store.unlock("stock", "ann").wait().await, Err(Error::Unavailable { .. })));
        server.restart().unwrap();
        until("it is back", || async { store.try_lock("stock", "bob", LONG).wait().await == Ok(true) }).await;
    });
}
