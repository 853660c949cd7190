//! Providers that answer later.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pillion_capabilities::{Answer, Error, KeyValue};
use pillion_codec::{GetRequest, GetResponse};
use pillion_host::{ActorRef, Call, CallFailure, Host, HostConfig, Limits};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::guests::{keyvalue, loaded, loaded_with, module};
use crate::provider::{Fake, entry};

const FOREVER: Duration = Duration::MAX;

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
    let limits = Limits { deadline: Duration::from_millis(200), ..Limits::default() };
    let config = HostConfig { limits, ..HostConfig::default() };
    let (host, actor) = loaded_with(&keyvalue(), config, &["wascc:keyvalue"]);
    let provider = Fake::getting(false, |_| {
        Answer::pending(async {
            // Five times the deadline.
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(entry("late"))
        })
    });
    bound(&host, &actor, provider);
    let response = current_thread().block_on(get(&host, &actor, "k").wait()).expect("it is answered");
    assert_eq!(GetResponse::decode(&response).map(|it| it.value), Ok(&b"late"[..]));
}

/// A provider that answers at the next turn of the executor.
fn next_turn() -> Arc<Fake> {
    Fake::getting(false, |_| {
        Answer::pending(async {
            tokio::task::yield_now().await;
            Ok(entry("now"))
        })
    })
}

/// Gets the default key, and then does so again and again or loops without end, as the request's length says.
fn restless() -> Vec<u8> {
    module(
        r#"(data (i32.const 3000) "Get")
           (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
             (loop $again
               (drop (call $host_call (i32.const 16) (i32.const 7) (i32.const 32) (i32.const 14)
                 (i32.const 3000) (i32.const 3) (i32.const 128) (i32.const 7)))
               (br_if $again (i32.eq (local.get $length) (i32.const 1))))
             (loop $forever (br $forever)) (i32.const 1))"#,
    )
}

fn restless_with(limits: Limits, provider: Arc<Fake>) -> (Host, ActorRef) {
    let config = HostConfig { limits, ..HostConfig::default() };
    let (host, actor) = loaded_with(&restless(), config, &["wascc:keyvalue"]);
    bound(&host, &actor, provider);
    (host, actor)
}

/// However short, waits do not add up to time in which it may run.
#[test]
fn a_guest_that_waits_again_and_again_is_stopped_at_its_deadline() {
    let limits = Limits { deadline: Duration::from_millis(50), patience: FOREVER, ..Limits::default() };
    let (host, actor) = restless_with(limits, next_turn());
    let failure = current_thread().block_on(host.call(&actor, "Get", b"x").wait());
    assert_eq!(failure, Err(CallFailure::Deadline(limits.deadline)));
}

#[test]
fn a_guest_that_runs_on_lets_others_have_their_turn() {
    let limits = Limits { deadline: Duration::from_secs(2), patience: FOREVER, ..Limits::default() };
    let provider = next_turn();
    let (host, actor) = restless_with(limits, Arc::clone(&provider));
    current_thread().block_on(async {
        let call = tokio::spawn(host.call(&actor, "Get", b"").wait());
        // From here on it waits for one turn, and then never.
        while provider.counters.total() == 0 {
            tokio::task::yield_now().await;
        }
        let mut turns = 0;
        while !call.is_finished() {
            turns += 1;
            tokio::task::yield_now().await;
        }
        assert_eq!(call.await.expect("no panic"), Err(CallFailure::Deadline(limits.deadline)));
        // One while it waited, and one after its end.
        assert!(turns > 2, "{turns} turns");
    });
}

/// The engine's own clock is enough: this runtime has none.
#[test]
fn a_call_that_waits_without_end_is_given_up() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let limits = Limits { patience: Duration::from_secs(1), instances: 1, ..Limits::default() };
    let config = HostConfig { limits, ..HostConfig::default() };
    let (host, actor) = loaded_with(&keyvalue(), config, &["wascc:keyvalue"]);
    let provider = Fake::getting(false, |key| match key {
        "never" => Answer::pending(std::future::pending()),
        _ => Answer::Ready(Ok(entry("now"))),
    });
    bound(&host, &actor, provider);
    for _ in 0..2 {
        let failure = runtime.block_on(get(&host, &actor, "never").wait()).expect_err("it never comes");
        assert_eq!(failure, CallFailure::Patience(limits.patience));
        assert_eq!(failure.to_string(), "the call took more than 1s, waiting included, and was given up");
        runtime.block_on(get(&host, &actor, "k").wait()).expect("the one instance is free again");
    }
}

/// A guest that sleeps for that many nanoseconds, by WASI, and answers.
fn sleeper(nanoseconds: u64) -> Vec<u8> {
    crate::guests::parse(&format!(
        r#"(module
            (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "__guest_call") (param i32 i32) (result i32)
              ;; One subscription to the monotonic clock, from now on.
              (i32.store (i32.const 16) (i32.const 1))
              (i64.store (i32.const 24) (i64.const {nanoseconds}))
              (drop (call $poll (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 200)))
              (call $guest_response (i32.const 200) (i32.const 4)) (i32.const 1)))"#
    ))
}

#[test]
fn a_sleep_is_waiting_and_does_not_last_for_ever() {
    let limits = Limits { deadline: Duration::from_millis(200), ..Limits::default() };
    let sleeping = |nanoseconds, limits| {
        let (host, actor) =
            loaded_with(&sleeper(nanoseconds), HostConfig { limits, ..HostConfig::default() }, &[]);
        current_thread().block_on(host.call(&actor, "any", b"").wait())
    };
    // Five times the deadline. One event occurred.
    assert_eq!(sleeping(1_000_000_000, limits).as_deref(), Ok(&[1, 0, 0, 0][..]));
    let limits = Limits { patience: Duration::from_millis(50), ..limits };
    assert_eq!(sleeping(3_600_000_000_000, limits), Err(CallFailure::Patience(limits.patience)));
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
