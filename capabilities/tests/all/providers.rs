//! A fresh provider of each kind, and one test of a promise for each.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pillion_capabilities::binding::{Actor, Binding, Values};
use pillion_capabilities::testing::RedisServer;
use pillion_capabilities::{KeyValue, Memory, Redb, Redis};
use tempfile::TempDir;

pub(crate) type Store = Arc<dyn KeyValue>;

/// Longer than any condition takes to come true unless it never does.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub(crate) fn with_memory<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    runtime().block_on(test(Arc::new(Memory::new())));
}

pub(crate) fn with_redis<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async { test(Arc::new(Redis::connect(&server.url()).await.unwrap())).await });
}

/// One binding's part of a store.
pub(crate) fn with_prefix<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    runtime().block_on(async {
        let store: Store = Arc::new(Memory::new());
        let (actor, values) = (Actor::default(), prefix("own"));
        let binding = Binding { name: "default", actor: &actor, values: &values };
        test(store.bind(Arc::clone(&store), &binding).unwrap().provider).await;
    });
}

/// The value of a binding.
pub(crate) fn prefix(prefix: &str) -> Values {
    Values::from([("prefix".to_owned(), prefix.to_owned())])
}

pub(crate) fn with_redb<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    let directory = TempDir::new().unwrap();
    runtime().block_on(test(Arc::new(Redb::open(directory.path().join("store.redb")).unwrap())));
}

/// Waits until a condition holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "in vain waited until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Makes of each `async fn(Store)` a test per provider.
macro_rules! for_each_provider {
    ($($promise:ident),+ $(,)?) => {$(
        mod $promise {
            use crate::providers::{with_memory, with_prefix, with_redb, with_redis};

            #[test]
            fn memory() {
                with_memory(super::$promise);
            }

            #[test]
            fn redis() {
                with_redis(super::$promise);
            }

            #[test]
            fn prefixed() {
                with_prefix(super::$promise);
            }

            #[test]
            fn redb() {
                with_redb(super::$promise);
            }
        }
    )+};
}
pub(crate) use for_each_provider;
