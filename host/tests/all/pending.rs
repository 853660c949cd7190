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

/// It has its fuel for the whole call, whatever it waited for.
#[test]
fn a_guest_that_waits_again_and_again_uses_up_its_fuel() {
    let limits = Limits {
        fuel: Some(100_000),
        deadline: Duration::from_secs(3_600),
        patience: FOREVER,
        ..Limits::default()
    };
    let (host, actor) = restless_with(limits, next_turn());
    for _ in 0..2 {
        let failure = current_thread().block_on(host.call(&actor, "Get", b"x").wait());
        assert_eq!(failure, Err(CallFailure::Fuel(100_000)));
    }
}

/// A call that is made while the actor waits, and awaited when it does not any more, leaves nothing behind that the calls
/// after it would stumble over.
#[test]
fn an_actor_may_stop_waiting_between_a_call_and_its_begin() {
    let (host, actor) = loaded(&keyvalue());
    bound(&host, &actor, next_turn());
    let call = get(&host, &actor, "k");
    host.unbind(&actor, "default", pillion_host::dispatch::Contract::KeyValue).expect("it is bound");
    bound(&host, &actor, Fake::getting(true, |_| Answer::Ready(Ok(entry("now")))));
    assert!(actor.always_ready());
    let response = current_thread().block_on(call.wait()).expect("it is answered");
    assert_eq!(GetResponse::decode(&response).map(|it| it.value), Ok(&b"now"[..]));
    let mut request = Vec::new();
    GetRequest { key: "k" }.encode(&mut request);
    for _ in 0..2 {
        host.call_into(&actor, "Get", &request, &mut Vec::new()).expect("so are those after it");
    }
}

/// From a kilobyte on, the allocator takes a longer way, and moving it is noticed.
#[test]
fn a_call_that_waits_takes_little_room() {
    let (host, actor) = loaded(&keyvalue());
    bound(&host, &actor, next_turn());
    let Call::Pending(call) = get(&host, &actor, "k") else { panic!("it waits") };
    let room = size_of_val(&*call);
    assert!(room < 1_000, "{room} bytes");
}

#[test]
fn a_guest_that_runs_on_lets_others_have_their_turn() {
    for fuel in [None, Some(u64::MAX)] {
        let deadline = Duration::from_secs(2);
        runs_on(Limits { deadline, patience: FOREVER, fuel, ..Limits::default() });
    }
}

fn runs_on(limits: Limits) {
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

/// Neither a runtime without a clock nor none at all is in a sleeping guest's way.
#[test]
fn a_sleep_needs_no_clock_of_the_runtimes() {
    let (host, actor) = loaded_with(&sleeper(1_000_000), HostConfig::default(), &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let slept = runtime.block_on(host.call(&actor, "any", b"").wait());
    assert_eq!(slept.as_deref(), Ok(&[1, 0, 0, 0][..]));
    // An executor that is nobody's runtime.
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut call = std::pin::pin!(host.call(&actor, "any", b"").wait());
    let slept = loop {
        match call.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            std::task::Poll::Ready(slept) => break slept,
            std::task::Poll::Pending => std::thread::park(),
        }
    };
    assert_eq!(slept.as_deref(), Ok(&[1, 0, 0, 0][..]));
}

/// What a guest subscribes to, as `poll_oneoff` takes it, and what it is told of it.
fn polled(subscriptions: &[u8], count: u32) -> Vec<u8> {
    let text: String = subscriptions.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let wasm = crate::guests::parse(&format!(
        r#"(module
            (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 1024) "{text}")
            (func (export "__guest_call") (param i32 i32) (result i32)
              ;; Errno and number of events, then the events.
              (i32.store (i32.const 4096)
                (call $poll (i32.const 1024) (i32.const 4104) (i32.const {count}) (i32.const 4100)))
              (call $guest_response (i32.const 4096) (i32.const 104)) (i32.const 1)))"#
    ));
    let (host, actor) = loaded_with(&wasm, HostConfig::default(), &[]);
    current_thread().block_on(host.call(&actor, "any", b"").wait()).expect("it answers").to_vec()
}

fn subscription(user: u8, kind: u8, number: u32, timeout: u64, absolute: bool) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    bytes[0] = user;
    bytes[8] = kind;
    bytes[16..20].copy_from_slice(&number.to_le_bytes());
    bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
    bytes[40] = u8::from(absolute);
    bytes
}

#[test]
fn what_is_polled_is_told_when_it_occurs() {
    const HOUR: u64 = 3_600_000_000_000;
    let event = |user: u8, kind: u8| {
        let mut bytes = [0; 32];
        bytes[0] = user;
        bytes[10] = kind;
        bytes[16] = u8::from(kind > 0);
        bytes
    };
    let told = |subscriptions: &[Vec<u8>], events: &[[u8; 32]]| {
        let answer = polled(&subscriptions.concat(), subscriptions.len() as u32);
        assert_eq!(
            answer[..8],
            [0, 0, 0, 0, events.len() as u8, 0, 0, 0],
            "success, and the number of events"
        );
        assert_eq!(answer[8..8 + 32 * events.len()], events.concat(), "the events");
    };
    let (realtime, monotonic) = (0, 1);
    // The sooner of two clocks, relative and absolute, monotonic and of the year.
    told(
        &[subscription(7, 0, monotonic, HOUR, false), subscription(8, 0, realtime, 1, false)],
        &[event(8, 0)],
    );
    told(
        &[subscription(7, 0, monotonic, 1, true), subscription(8, 0, monotonic, HOUR, true)],
        &[event(7, 0)],
    );
    told(&[subscription(9, 0, realtime, 1, true)], &[event(9, 0)]);
    // Standard input and output never keep anybody waiting.
    told(
        &[
            subscription(1, 1, 0, 0, false),
            subscription(2, 0, 1, HOUR, false),
            subscription(3, 2, 2, 0, false),
        ],
        &[event(1, 1), event(3, 2)],
    );
    let errno = |subscriptions: &[u8], count| polled(subscriptions, count)[..4].to_vec();
    assert_eq!(errno(&[], 0), [28, 0, 0, 0], "nothing to wait for is invalid");
    assert_eq!(errno(&subscription(1, 0, 2, 0, false), 1), [28, 0, 0, 0], "so is an unknown clock");
    assert_eq!(errno(&subscription(1, 9, 2, 0, false), 1), [28, 0, 0, 0], "and an unknown kind");
    assert_eq!(errno(&subscription(1, 1, 3, 0, false), 1), [8, 0, 0, 0], "a file that is not there");
}

#[test]
fn a_poll_beyond_memory_is_a_trap() {
    for count in [2_000, u32::MAX] {
        let wasm = crate::guests::parse(&format!(
            r#"(module
                (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
                (memory (export "memory") 1)
                (func (export "__guest_call") (param i32 i32) (result i32)
                  (call $poll (i32.const 0) (i32.const 0) (i32.const {count}) (i32.const 0))))"#
        ));
        let (host, actor) = loaded_with(&wasm, HostConfig::default(), &[]);
        let failure = current_thread().block_on(host.call(&actor, "any", b"").wait()).expect_err("a trap");
        assert!(failure.to_string().contains("out of bounds memory access"), "{failure}");
    }
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
