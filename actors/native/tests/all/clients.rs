//! What a client does when things are not as they should be, and when many use it at once.

use std::sync::Arc;

use bytes::Bytes;
use pillion_capabilities::keyvalue::{Etag, SetOptions, When};
use pillion_capabilities::{Error, KeyValue};
use pillion_logic::Capabilities;
use pillion_native::{Address, ApiToken, GrpcSidecar, HttpSidecar, SidecarKeyValue, StreamSidecar};
use tokio::task::JoinSet;

use crate::sidecar::Sidecar;

pub(crate) async fn count_together<C: Capabilities + Send + Sync + 'static>(
    capabilities: C,
    key: &'static str,
) {
    let capabilities = Arc::new(capabilities);
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let capabilities = Arc::clone(&capabilities);
        tasks.spawn(async move {
            for _ in 0..10 {
                capabilities.add(key, 1).await.unwrap();
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert_eq!(capabilities.get(key).await.unwrap().unwrap().as_ref(), b"160");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_visit_is_lost_among_many() {
    let sidecar = Sidecar::start();
    let ([tcp, unix], [grpc, _]) = (sidecar.http(), sidecar.grpc());
    count_together(HttpSidecar::new(tcp, "statestore"), "http-tcp").await;
    count_together(HttpSidecar::new(unix, "statestore"), "http-unix").await;
    count_together(GrpcSidecar::connect(grpc.clone(), "statestore").await.unwrap(), "grpc").await;
    count_together(StreamSidecar::connect(grpc, "statestore").await.unwrap(), "stream").await;
    let [http, _] = sidecar.http();
    count_together(HttpSidecar::http2(http, "statestore"), "http2").await;
    for (address, key) in sidecar.http().into_iter().zip(["pipelined-tcp", "pipelined-unix"]) {
        count_together(HttpSidecar::pipelined(address, "statestore"), key).await;
    }
}

#[tokio::test]
async fn texts_of_all_kinds_come_back_over_http() {
    let sidecar = Sidecar::start();
    let [address, _] = sidecar.http();
    let client = HttpSidecar::new(address, "statestore");
    for text in
        ["", "plain", "\"quoted\"", "back\\slash", "line\nfeed \u{1}", "ünïcödé 🦀", "{\"json\":1}", "17"]
    {
        client.set("a key/with ?& %", text.as_bytes()).await.unwrap();
        let value = client.get("a key/with ?& %").await.unwrap().unwrap();
        assert_eq!(str::from_utf8(&value).unwrap(), text);
    }
    for key in [".", "..", "...", "a.b", "/", "%2e%2e"] {
        client.set(key, key.as_bytes()).await.unwrap();
        assert_eq!(client.get(key).await.unwrap().unwrap(), key, "{key}");
    }
    let error = client.set("bytes", b"\xff").await.unwrap_err().to_string();
    assert!(error.contains("not text"), "{error}");
}

#[tokio::test]
async fn the_sidecars_token_is_sent() {
    let sidecar = Sidecar::with_environment(&[("DAPR_API_TOKEN", "secret")]);
    let ([http, _], [grpc, _]) = (sidecar.http(), sidecar.grpc());
    let client = HttpSidecar::new(http, "statestore");
    let error = client.get("k").await.unwrap_err().to_string();
    assert!(error.contains("401"), "{error}");
    let token: ApiToken = "secret".parse().unwrap();
    client.with_token(token.clone()).set("k", b"v").await.unwrap();

    let client = GrpcSidecar::connect(grpc, "statestore").await.unwrap();
    let error = client.get("k").await.unwrap_err().to_string();
    assert!(error.contains("Unauthenticated"), "{error}");
    assert_eq!(client.with_token(&token).get("k").await.unwrap().unwrap(), "\"v\"");
    let [http, grpc] = [sidecar.http(), sidecar.grpc()].map(|[_, unix]| unix);
    let client = HttpSidecar::http2(http, "statestore");
    let error = client.get("k").await.unwrap_err().to_string();
    assert!(error.contains("401"), "{error}");
    assert_eq!(client.with_token(token.clone()).get("k").await.unwrap().unwrap(), "v");
    let [http, _] = sidecar.http();
    let client = HttpSidecar::pipelined(http, "statestore");
    let error = client.get("k").await.unwrap_err().to_string();
    assert!(error.contains("401"), "{error}");
    assert_eq!(client.with_token(token.clone()).get("k").await.unwrap().unwrap(), "v");
    let client = StreamSidecar::connect(grpc, "statestore").await.unwrap();
    let error = client.get("k").await.unwrap_err().to_string();
    assert!(error.contains("Unauthenticated"), "{error}");
    assert_eq!(client.with_token(&token).get("k").await.unwrap().unwrap(), "\"v\"");
    for wrong in ["", "a b", "ä", "line\n"] {
        assert!(wrong.parse::<ApiToken>().is_err(), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_sidecars_words_come_through() {
    let sidecar = Sidecar::start();
    let ([http, _], [grpc, _]) = (sidecar.http(), sidecar.grpc());
    let error = HttpSidecar::new(http.clone(), "nowhere").get("k").await.unwrap_err().to_string();
    assert!(error.contains("nowhere") && error.contains("ERR_STATE_STORE_NOT_FOUND"), "{error}");
    let client = GrpcSidecar::connect(grpc, "nowhere").await.unwrap();
    let error = client.get("k").await.unwrap_err().to_string();
    assert!(error.contains("nowhere") && error.contains("InvalidArgument"), "{error}");
    let client = HttpSidecar::new(http, "statestore");
    client.set("word", b"text").await.unwrap();
    let error = client.add("word", 1).await.unwrap_err().to_string();
    assert!(error.contains("word is not an integer"), "{error}");
}

#[tokio::test]
async fn a_sidecar_that_is_gone_is_named() {
    let mut sidecar = Sidecar::start();
    let ([http, unix], [grpc, _]) = (sidecar.http(), sidecar.grpc());
    let clients = [
        HttpSidecar::new(http.clone(), "statestore"),
        HttpSidecar::new(unix.clone(), "statestore"),
        HttpSidecar::http2(http.clone(), "statestore"),
        HttpSidecar::http2(unix.clone(), "statestore"),
        HttpSidecar::pipelined(http, "statestore"),
        HttpSidecar::pipelined(unix, "statestore"),
    ];
    for client in &clients {
        assert_eq!(client.get("k").await.unwrap(), None);
    }
    let connected = GrpcSidecar::connect(grpc.clone(), "statestore").await.unwrap();
    assert_eq!(connected.get("k").await.unwrap(), None);
    let stream = StreamSidecar::connect(grpc.clone(), "statestore").await.unwrap();
    assert_eq!(stream.get("k").await.unwrap(), None);
    sidecar.end();
    let error = stream.get("k").await.unwrap_err().to_string();
    assert!(error.contains(&grpc.to_string()) && error.contains("is it running?"), "{error}");
    for client in &clients {
        let error = client.get("k").await.unwrap_err().to_string();
        assert!(error.contains("is it running?"), "{error}");
    }
    let error = connected.get("k").await.unwrap_err().to_string();
    assert!(error.contains(&grpc.to_string()), "{error}");
    let error = GrpcSidecar::connect(grpc, "statestore").await.err().unwrap().to_string();
    assert!(error.contains("is it running?"), "{error}");
}

#[tokio::test]
async fn a_provider_behind_a_sidecar_does_what_dapr_can() {
    let sidecar = Sidecar::start();
    let [address, _] = sidecar.grpc();
    let provider = SidecarKeyValue::new(GrpcSidecar::connect(address, "statestore").await.unwrap());
    let set = |when| provider.set("k", Bytes::from_static(b"v"), SetOptions { when, ttl: None }).wait();
    assert!(!provider.exists("k").wait().await.unwrap());
    set(When::Absent).await.unwrap();
    assert!(provider.exists("k").wait().await.unwrap());
    assert_eq!(set(When::Absent).await, Err(Error::EtagMismatch { key: "k".to_owned() }));
    let etag = provider.get("k").wait().await.unwrap().unwrap().etag;
    set(When::Matches(etag)).await.unwrap();
    assert_eq!(set(When::Matches(Etag(etag.0))).await, Err(Error::EtagMismatch { key: "k".to_owned() }));
    let error = provider.set_members("k").wait().await.unwrap_err().to_string();
    assert!(error.contains("set_members"), "{error}");
}

#[test]
fn addresses_are_read_and_written() {
    for text in ["127.0.0.1:3500", "[::1]:3500", "localhost:1", "unix:/run/dapr.sock"] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
    for text in ["", "localhost", "http://localhost:3500", "unix:", ":3500", "host:99999"] {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert!(error.contains("unix:/"), "{error}");
    }
}

/// Calls are under way without end when the sidecar is killed: each fails, none hangs, and the next sidecar is found.
pub(crate) async fn outlives<C: Capabilities + Send + Sync + 'static>(
    client: C,
    sidecar: &mut Sidecar,
    arguments: &[&str],
) {
    let client = Arc::new(client);
    let mut callers = JoinSet::new();
    client.set("k", b"v").await.unwrap();
    for _ in 0..32 {
        let client = Arc::clone(&client);
        callers.spawn(async move {
            loop {
                if let Err(error) = client.get("k").await {
                    return error.to_string();
                }
            }
        });
    }
    sidecar.end();
    while let Some(error) = callers.join_next().await {
        let error = error.unwrap();
        assert!(error.contains("sidecar at"), "{error}");
    }
    sidecar.again(arguments);
    // The first may be told of the end of the connection before.
    while let Err(error) = client.set("k", b"again").await {
        let error = error.to_string();
        assert!(error.contains("sidecar at"), "{error}");
    }
    assert!(client.get("k").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sidecar_that_dies_under_calls_is_an_error_and_its_successor_is_found() {
    let mut sidecar = Sidecar::start();
    let ([_, http], [_, grpc]) = (sidecar.http(), sidecar.grpc());
    outlives(HttpSidecar::new(http.clone(), "statestore"), &mut sidecar, &[]).await;
    outlives(HttpSidecar::http2(http.clone(), "statestore"), &mut sidecar, &[]).await;
    outlives(HttpSidecar::pipelined(http, "statestore"), &mut sidecar, &[]).await;
    outlives(GrpcSidecar::connect(grpc.clone(), "statestore").await.unwrap(), &mut sidecar, &[]).await;
    outlives(StreamSidecar::connect(grpc, "statestore").await.unwrap(), &mut sidecar, &[]).await;
}
