//! Redis gone in mid-run.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dapr::dapr::proto::common::v1::{Etag, StateItem, StateOptions, state_options::StateConcurrency};
use dapr::dapr::proto::runtime::v1::{GetStateRequest, SaveStateRequest};
use pillion_capabilities::testing::RedisServer;
use serde_json::json;
use tonic::Code;

use crate::app::Dead;
use crate::sidecar::{Sidecar, redis, refused};
use crate::wire;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Acknowledged,
    /// Another etag is there.
    Refused,
    /// The store was away, before or after it wrote.
    Unknown,
}

/// One that writes a key of its own over and over, each time a greater number, by the etag that it read.
#[derive(Default)]
struct Writer {
    key: String,
    grpc: bool,
    acknowledged: u64,
    refused: usize,
    unknown: usize,
}

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
    let dead = Dead::new();
    let said = refused(&redis(dead.address()), &[]);
    assert!(said.contains("component store cannot be opened"), "{said}");
    assert!(said.contains(&dead.address().to_string()), "{said}");
}

// === impl Writer ===

impl Writer {
    /// The value that is there, and its etag; nothing while the store is away.
    async fn read(&self, sidecar: &Sidecar) -> Option<(Option<u64>, String)> {
        if self.grpc {
            let request = GetStateRequest {
                store_name: "store".to_owned(),
                key: self.key.clone(),
                ..GetStateRequest::default()
            };
            let got = match wire::grpc(&sidecar.grpc()).await.get_state(request).await {
                Ok(got) => got.into_inner(),
                Err(status) => {
                    assert_eq!(status.code(), Code::Internal, "{status}");
                    return None;
                }
            };
            let value = std::str::from_utf8(&got.data).unwrap();
            return Some(((!value.is_empty()).then(|| value.parse().unwrap()), got.etag));
        }
        let got = sidecar.call("GET", &format!("/v1.0/state/store/{}", self.key), "").await;
        match got.status.as_u16() {
            204 => Some((None, String::new())),
            200 => Some((got.json().as_u64(), got.header("etag").unwrap().to_owned())),
            status => {
                assert_eq!(status, 500, "{got:?}");
                None
            }
        }
    }

    /// Writes a value by an etag; by none, only where there is no value.
    async fn write(&self, sidecar: &Sidecar, value: u64, etag: &str) -> Written {
        let by = (!etag.is_empty()).then(|| etag.to_owned());
        if self.grpc {
            let item = StateItem {
                key: self.key.clone(),
                value: value.to_string().into_bytes(),
                etag: by.map(|value| Etag { value }),
                options: Some(StateOptions {
                    concurrency: StateConcurrency::ConcurrencyFirstWrite.into(),
                    ..StateOptions::default()
                }),
                metadata: HashMap::new(),
            };
            let request = SaveStateRequest { store_name: "store".to_owned(), states: vec![item] };
            return match wire::grpc(&sidecar.grpc()).await.save_state(request).await {
                Ok(_) => Written::Acknowledged,
                Err(status) if status.code() == Code::Aborted => Written::Refused,
                Err(status) => {
                    assert_eq!(status.code(), Code::Internal, "{status}");
                    Written::Unknown
                }
            };
        }
        let mut item =
            json!({ "key": self.key, "value": value, "options": { "concurrency": "first-write" } });
        if let Some(etag) = by {
            item["etag"] = json!(etag);
        }
        let answer = sidecar.call("POST", "/v1.0/state/store", json!([item]).to_string()).await;
        match answer.status.as_u16() {
            204 => Written::Acknowledged,
            409 => Written::Refused,
            status => {
                assert_eq!(status, 500, "{answer:?}");
                Written::Unknown
            }
        }
    }

    /// Reads until the store is there. What was acknowledged is there, unless a later write came through whose answer was
    /// lost; what was refused is not.
    async fn checked(&mut self, sidecar: &Sidecar, written: u64) -> (Option<u64>, String) {
        let begun = Instant::now();
        let (value, etag) = loop {
            if let Some(read) = self.read(sidecar).await {
                break read;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{} cannot be read", self.key);
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let there = value.unwrap_or_default();
        assert!(
            there == self.acknowledged || there == written,
            "{}: {there} is there, {} was acknowledged, {written} may have been written",
            self.key,
            self.acknowledged
        );
        self.acknowledged = there;
        (value, etag)
    }

    /// Writes until it is told to stop; each write is read back. Every third one is by an etag that is none any more.
    async fn run(mut self, sidecar: &Sidecar, running: &AtomicBool, done: &AtomicUsize) -> Self {
        let (_, mut etag) = self.checked(sidecar, 0).await;
        let mut stale: Option<String> = None;
        for value in 1_u64.. {
            if !running.load(Ordering::SeqCst) {
                break;
            }
            let of_old = if value % 3 == 0 { stale.take() } else { None };
            let written = match &of_old {
                Some(old) => self.write(sidecar, REFUSED + value, old).await,
                None => self.write(sidecar, value, &etag).await,
            };
            let possible = match (written, &of_old) {
                (Written::Acknowledged, None) => {
                    self.acknowledged = value;
                    done.fetch_add(1, Ordering::SeqCst);
                    value
                }
                // It was by the etag that is there.
                (Written::Refused, None) => panic!("{}: {value} was refused", self.key),
                (Written::Acknowledged, Some(_)) => panic!("{}: an old etag was taken", self.key),
                (Written::Refused, Some(_)) => {
                    self.refused += 1;
                    self.acknowledged
                }
                (Written::Unknown, None) => {
                    self.unknown += 1;
                    value
                }
                (Written::Unknown, Some(_)) => self.acknowledged,
            };
            let before = std::mem::take(&mut etag);
            (_, etag) = self.checked(sidecar, possible).await;
            if before != etag && !before.is_empty() {
                stale = Some(before);
            }
        }
        self
    }
}

/// Values that no write by an etag that fits has are greater.
const REFUSED: u64 = 1_000_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_store_acknowledged_is_there_however_often_it_is_killed_under_load() {
    let Some(mut server) = RedisServer::start_durable_or_skip().unwrap() else { return };
    let sidecar = Arc::new(Sidecar::with(&redis(server.address()), &[]));
    let (running, done) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let writers = (0..16).map(|number| {
        let writer = Writer { key: format!("k{number}"), grpc: number % 2 == 1, ..Writer::default() };
        let (sidecar, running, done) = (Arc::clone(&sidecar), Arc::clone(&running), Arc::clone(&done));
        tokio::spawn(async move { writer.run(&sidecar, &running, &done).await })
    });
    let writers: Vec<_> = writers.collect();
    for _ in 0..4 {
        let wanted = done.load(Ordering::SeqCst) + 200;
        while done.load(Ordering::SeqCst) < wanted {
            assert!(writers.iter().all(|writer| !writer.is_finished()), "a writer panicked");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.stop().unwrap();
        server.restart().unwrap();
    }
    running.store(false, Ordering::SeqCst);
    let mut kept = Vec::new();
    for writer in writers {
        kept.push(writer.await.unwrap());
    }
    // Once more, and past the sidecar.
    server.stop().unwrap();
    server.restart().unwrap();
    let mut client = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    for writer in &kept {
        let key = format!("app||{}", writer.key);
        let there: String = ::redis::cmd("HGET").arg(key).arg("data").query(&mut client).unwrap();
        assert_eq!(there, writer.acknowledged.to_string(), "{}", writer.key);
    }
    let keys: usize = ::redis::cmd("DBSIZE").query(&mut client).unwrap();
    assert_eq!(keys, kept.len());
    for grpc in [false, true] {
        let of = || kept.iter().filter(|writer| writer.grpc == grpc);
        assert!(of().map(|writer| writer.refused).sum::<usize>() > 0, "none was refused");
        assert!(of().map(|writer| writer.unknown).sum::<usize>() > 0, "it was killed between writes alone");
    }
}
