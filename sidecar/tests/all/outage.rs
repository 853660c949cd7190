//! Redis gone in mid-run.

use std::time::{Duration, Instant};

use pillion_capabilities::testing::RedisServer;

use crate::sidecar::{Sidecar, redis, refused};

#[tokio::test]
async fn calls_fail_clearly_and_recover() {
    let Some(mut server) = RedisServer::start_or_skip().unwrap() else { return };
    let sidecar = Sidecar::with(&redis(server.address()), &[]);
    let body = r#"[{"key":"k","value":1}]"#;
    sidecar.call("POST", "/v1.0/state/store", body).await.is_empty();
    server.stop().unwrap();
    let message = sidecar.call("GET", "/v1.0/state/store/k", "").await.failed(500, "ERR_STATE_GET");
    assert!(message.starts_with("fail to get k from state store store: redis"), "{message}");
    assert!(message.contains("cannot be reached"), "{message}");
    sidecar.call("POST", "/v1.0/state/store", body).await.failed(500, "ERR_STATE_SAVE");
    sidecar.call("GET", "/v1.0/healthz", "").await.is_empty();

    server.restart().unwrap();
    let start = Instant::now();
    loop {
        let answer = sidecar.call("POST", "/v1.0/state/store", body).await;
        if answer.status.as_u16() == 204 {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "it does not recover: {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(&sidecar.call("GET", "/v1.0/state/store/k", "").await.body[..], b"1");
}

#[test]
fn a_redis_that_is_not_there_at_the_start_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = refused(&redis(free), &[]);
    assert!(said.contains("component store cannot be opened"), "{said}");
    assert!(said.contains(&free.to_string()), "{said}");
}
