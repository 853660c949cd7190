//! The Redis server goes and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pillion_capabilities::keyvalue::{KeyValue, SetOptions};
use pillion_capabilities::testing::RedisServer;
use pillion_capabilities::{Error, Redis};

use crate::providers::{runtime, until};

/// Well above the provider's own bounds, well below for ever.
const BOUND: Duration = Duration::from_secs(20);

#[test]
fn calls_fail_clearly_and_recover() {
    let Some(mut server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let store = Arc::new(Redis::connect(&server.url()).await.unwrap());
        store.set("k", "v".into(), SetOptions::default()).wait().await.unwrap();

        // Calls are under way while the server is killed; none may hang.
        let callers: Vec<_> = (0..32)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    loop {
                        if let Err(error) = store.get("k").wait().await {
                            return error;
                        }
                    }
                })
            })
            .collect();
        server.stop().unwrap();
        for error in tokio::time::timeout(BOUND, join_all(callers)).await.expect("no call hangs") {
            let error = error.unwrap();
            assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        }
        for _ in 0..5 {
            let start = Instant::now();
            let error = store.add("n", 1).wait().await.unwrap_err();
            assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
            assert!(error.to_string().contains(&server.address().to_string()), "{error}");
            assert!(start.elapsed() < BOUND);
        }

        server.restart().unwrap();
        until("calls work again", async || store.add("m", 1).wait().await.is_ok()).await;
        // The new server knows no script yet, and the old data is gone.
        store.set("k", "w".into(), SetOptions::default()).wait().await.unwrap();
        assert_eq!(store.get("k").wait().await.unwrap().unwrap().value, "w");
    });
}

#[test]
fn a_silent_server_is_given_up() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let store = Redis::connect(&server.url()).await.unwrap();
        let pid = Pid::from_raw(server.pid().unwrap().try_into().unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        let error =
            tokio::time::timeout(BOUND, store.get("k").wait()).await.expect("it does not hang").unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        kill(pid, Signal::SIGCONT).unwrap();
        until("calls work again", async || store.get("k").wait().await == Ok(None)).await;
    });
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let Some(mut server) = RedisServer::start_or_skip().unwrap() else { return };
    server.stop().unwrap();
    runtime().block_on(async {
        let error = Redis::connect(&server.url()).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains(&server.address().to_string()), "{error}");
        let error = Redis::connect("nonsense").await.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
    });
}
