//! The Redis server goes away under the apps and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::lanes::{COUNT, Lane, Lanes};

/// Well above every bound of provider, host and sidecar, well below for ever.
const BOUND: Duration = Duration::from_secs(60);

const VISIT: &[u8] = b"POST /counter/visits HTTP/1.1\r\nhost: x\r\n\r\n";

#[test]
fn calls_fail_clearly_without_redis_and_recover() {
    let mut lanes = Lanes::open();
    let Some(mut server) = lanes.redis.take() else { return };
    let over_redis: Vec<Arc<Lane>> =
        lanes.all.iter().filter(|lane| lane.name.ends_with("over redis")).cloned().collect();
    assert_eq!(over_redis.len(), COUNT);
    lanes.runtime.block_on(async {
        // On every lane some calls are under way when the server is killed; none may hang.
        let mut callers = JoinSet::new();
        for lane in &over_redis {
            lane.preload("key", b"value").await;
            for _ in 0..8 {
                let lane = Arc::clone(lane);
                callers.spawn(async move {
                    loop {
                        if let Err(error) = lane.ask("kv.get", b"key").await {
                            return (lane, error);
                        }
                    }
                });
            }
        }
        server.stop().unwrap();
        let address = server.address().to_string();
        let clear = |lane: &Lane, error: &str| {
            assert!(error.contains("redis") && error.contains(&address), "{}: {error}", lane.name);
        };
        while let Some(caller) = timeout(BOUND, callers.join_next()).await.unwrap() {
            let (lane, error) = caller.unwrap();
            clear(&lane, &error);
        }
        for lane in &over_redis {
            let error = timeout(BOUND, lane.ask("counter", VISIT)).await.unwrap();
            clear(lane, &error.unwrap_err());
        }

        server.restart().unwrap();
        for lane in &over_redis {
            let start = Instant::now();
            while let Err(error) = lane.ask("counter", VISIT).await {
                assert!(start.elapsed() < BOUND, "{} does not recover: {error}", lane.name);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // The new server is empty, and the guest is as it was.
            let error = lane.ask("kv.get", b"key").await.unwrap_err();
            assert!(error.contains("key key is not there"), "{}: {error}", lane.name);
        }
    });
}
