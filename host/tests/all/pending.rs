//! Providers that answer later.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pillion_capabilities::{Answer, Error, KeyValue};
use pillion_codec::{GetRequest, GetResponse};
use pillion_host::{ActorRef, Call, CallFailure, Host, HostConfig, Limits};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::guests::{keyvalue, loaded, loaded_with};
use crate::provider::{Fake, entry};

fn get(host: &Host, actor: &ActorRef, key: &str) -> Call {
    let mut request = Vec::new();
    GetRequest { key }.encode(&mut request);
    host.call(actor, "Get", &request)
}

fn bound(host: &Host, actor: &ActorRef, provider: Arc<Fake>) {
    host.bind(actor, "default", provider as Arc<dyn KeyValue>).expect("it is granted");
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

#[test]
fn hundreds_of_calls_wait_without_a_thread_each() {
    const CALLS: usize = 256;
    let (host, actor) = loaded(&keyvalue());
    let waiting: Arc<Mutex<Vec<oneshot::Sender<()>>>> = Arc::default();
    let reached = Arc::clone(&waiting);
    bound(
        &host,
        &actor,
        Fake::getting(false, move |key| {
            let (go, gone) = oneshot::channel();
            reached.lock().expect("unpoisoned").push(go);
            let key = key.to_owned();
            Answer::pending(async move {
                gone.await.expect("every call is let go");
                Ok(entry(key))
            })
        }),
    );
    assert!(!actor.always_ready());
    current_thread().block_on(async {
        let before = threads();
        let mut calls = JoinSet::new();
        for number in 0..CALLS {
            let call = get(&host, &actor, &number.to_string());
            calls.spawn(async move {
                let response = call.wait().await.expect("it is answered");
                let answer = GetResponse::decode(&response).expect("it is a response");
                assert_eq!(answer.value, number.to_string().as_bytes(), "its own reply");
            });
        }
        while waiting.lock().expect("unpoisoned").len() < CALLS {
            tokio::task::yield_now().await;
        }
        // Other tests of this process start and end threads of their own; one per call would be far more.
        assert!(threads() < before + CALLS / 2, "{} threads, {before} before", threads());
        // The last come first.
        while let Some(go) = { waiting.lock().expect("unpoisoned").pop() } {
            go.send(()).expect("it waits");
        }
        while let Some(call) = calls.join_next().await {
            call.expect("no call panicked");
        }
    });
}

#[test]
fn a_failure_that_comes_late_reaches_the_guest() {
    let (host, actor) = loaded(&keyvalue());
    let provider = Fake::getting(false, |_| {
        Answer::pending(async {
            tokio::task::yield_now().await;
            Err(Error::Unavailable { provider: "redis".to_owned(), reason: "connection refused".to_owned() })
        })
    });
    bound(&host, &actor, provider);
    let failure = current_thread().block_on(get(&host, &actor, "k").wait()).expect_err("it fails");
    assert_eq!(failure, CallFailure::Guest("redis cannot be reached: connection refused".to_owned()));
}

#[test]
fn waiting_does_not_count_as_running() {
    let limits = Limits { deadline: std::time::Duration::from_millis(10), ..Limits::default() };
    let config = HostConfig { limits, ..HostConfig::default() };
    let (host, actor) = loaded_with(&keyvalue(), config, &["wascc:keyvalue"]);
    let provider = Fake::getting(false, |_| {
        Answer::pending(async {
            // Ten times the deadline.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            Ok(entry("late"))
        })
    });
    bound(&host, &actor, provider);
    let response = current_thread().block_on(get(&host, &actor, "k").wait()).expect("it is answered");
    assert_eq!(GetResponse::decode(&response).map(|it| it.value), Ok(&b"late"[..]));
}

#[test]
fn a_call_given_up_frees_its_instance() {
    let limits = Limits { instances: 1, ..Limits::default() };
    let config = HostConfig { limits, ..HostConfig::default() };
    let (host, actor) = loaded_with(&keyvalue(), config, &["wascc:keyvalue"]);
    let provider = Fake::getting(false, |key| match key {
        "never" => Answer::pending(std::future::pending()),
        _ => Answer::Ready(Ok(entry("now"))),
    });
    bound(&host, &actor, Arc::clone(&provider));
    current_thread().block_on(async {
        for _ in 0..3 {
            let mut given_up = tokio::spawn(get(&host, &actor, "never").wait());
            while provider.counters.total().is_multiple_of(2) {
                tokio::task::yield_now().await;
            }
            given_up.abort();
            assert!((&mut given_up).await.expect_err("it was given up").is_cancelled());
            get(&host, &actor, "k").wait().await.expect("the one instance is free again");
        }
    });
}

#[test]
fn a_provider_that_breaks_its_promise_to_be_ready_is_told() {
    let (host, actor) = loaded(&keyvalue());
    bound(&host, &actor, Fake::getting(true, |_| Answer::pending(async { Ok(entry("late")) })));
    let failure = current_thread().block_on(get(&host, &actor, "k").wait()).expect_err("no fiber to wait on");
    assert!(failure.to_string().contains("`always_ready` is wrong"), "{failure}");
}

#[test]
fn a_call_that_cannot_wait_is_refused_before_it_runs() {
    let (host, actor) = loaded(&keyvalue());
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let provider = Fake::getting(false, move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Answer::Ready(Ok(entry("now")))
    });
    bound(&host, &actor, provider);
    assert_eq!(host.call_into(&actor, "Get", b"", &mut Vec::new()), Err(CallFailure::Waits));
    assert_eq!(reached.load(Ordering::Relaxed), 0);
    current_thread().block_on(get(&host, &actor, "k").wait()).expect("the way that waits is open");
}
