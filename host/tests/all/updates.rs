//! Updates: a newer revision in an actor's place, while it is being called.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use pillion_host::dispatch::Provider;
use pillion_host::engine::{Dispatch, Dispatched, Engine, EngineConfig, Guest, HostCall, Reply};
use pillion_host::identity::{ActorClaims, Claims, KeyPair};
use pillion_host::policy::{Authorizer, Decision, Invocation};
use pillion_host::{ActorRef, CallFailure, HealthCheck, Host, HostConfig, HostError};

use crate::guests::{Author, calling, caps, echo, guest, keyvalue, saying};
use crate::provider::{Fake, entry};

fn call(host: &Host, actor: &ActorRef, payload: &[u8]) -> Result<Vec<u8>, CallFailure> {
    let mut response = Vec::new();
    host.call_into(actor, "Get", payload, &mut response).map(|()| response)
}

fn revision(rev: i32, granted: &[&str]) -> ActorClaims {
    ActorClaims { rev: Some(rev), ..caps(granted) }
}

fn update(
    host: &Host,
    actor: &ActorRef,
    wasm: &[u8],
    health: Option<HealthCheck<'_>>,
) -> Result<(), HostError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(host.update(actor, wasm, health))
}

const HEALTH: Option<HealthCheck<'_>> =
    Some(HealthCheck { operation: "HealthRequest", payload: b"", patience: Duration::from_secs(60) });

/// The published host reports success and goes on with the old code.
#[test]
fn an_update_is_what_runs_from_then_on() {
    let (author, module) = (Author::new(), KeyPair::new_module());
    let host = author.host(HostConfig::default());
    let load = author.sign(&module, &saying("one"), revision(1, &["wascc:keyvalue"]));
    let actor = host.load(&load).expect("it loads");
    host.bind(&actor, "default", Provider::key_value(Fake::map())).expect("granted");
    assert_eq!(call(&host, &actor, b""), Ok(b"one".to_vec()));

    let signed = author.sign(&module, &saying("two"), revision(2, &["wascc:keyvalue"]));
    update(&host, &actor, &signed, HEALTH).expect("it is newer");
    assert_eq!(call(&host, &actor, b""), Ok(b"two".to_vec()));
    assert_eq!(actor.claims().wascap.rev, Some(2));
    assert_eq!(actor.info().bindings.len(), 1, "its bindings stay");

    // What the new claims do not grant is not there any more.
    let signed = author.sign(&module, &keyvalue(), revision(3, &[]));
    update(&host, &actor, &signed, None).expect("it is newer");
    assert!(actor.info().bindings.is_empty());
    let failure = call(&host, &actor, b"").expect_err("no longer granted");
    assert!(failure.to_string().contains("do not grant wascc:keyvalue"), "{failure}");
}

#[test]
fn an_update_that_is_older_another_or_unbelieved_changes_nothing() {
    let (author, module) = (Author::new(), KeyPair::new_module());
    let host = author.host(HostConfig::default());
    let actor = host.load(&author.sign(&module, &saying("two"), revision(2, &[]))).expect("it loads");
    let refused = |wasm: &[u8], expected: &str| {
        let error = update(&host, &actor, wasm, HEALTH).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(call(&host, &actor, b""), Ok(b"two".to_vec()));
    };
    for older in [revision(1, &[]), revision(2, &[]), caps(&[])] {
        refused(&author.sign(&module, &saying("x"), older), "is at revision 2");
    }
    refused(
        &author.sign(&KeyPair::new_module(), &saying("x"), revision(3, &[])),
        "load that as an actor of its own",
    );
    refused(&Author::new().sign(&module, &saying("x"), revision(3, &[])), "is not trusted");
    refused(&author.sign(&module, b"\0asm\x01\0\0\0", revision(3, &[])), "not a waPC module");
    for ill in [
        "unreachable",
        "(call $guest_error (i32.const 16) (i32.const 7)) (i32.const 0)",
        "(loop (br 0)) (i32.const 1)",
    ] {
        refused(&author.sign(&module, &guest(ill), revision(3, &[])), "is not well");
    }
    host.remove(&actor).expect("it is there");
    let newer = author.sign(&module, &saying("three"), revision(3, &[]));
    let error = update(&host, &actor, &newer, None).expect_err("it is gone");
    assert!(error.to_string().contains("is not on this host"), "{error}");
}

#[test]
fn a_call_under_way_ends_on_the_code_it_began_with() {
    let (author, module) = (Author::new(), KeyPair::new_module());
    let host = Arc::new(author.host(HostConfig::default()));
    let granted = ["wascc:keyvalue"];
    let actor = host.load(&author.sign(&module, &keyvalue(), revision(1, &granted))).expect("it loads");
    let (reached, when_reached) = mpsc::channel();
    let (go, when_gone) = mpsc::channel::<()>();
    let when_gone = std::sync::Mutex::new(when_gone);
    let provider = Fake::getting(true, move |_| {
        reached.send(()).expect("the test waits");
        when_gone.lock().expect("unpoisoned").recv().expect("the test lets it go");
        pillion_capabilities::Answer::Ready(Ok(entry("old")))
    });
    host.bind(&actor, "default", Provider::key_value(provider)).expect("granted");
    let under_way = thread::spawn({
        let (host, actor) = (Arc::clone(&host), actor.clone());
        move || call(&host, &actor, b"\x81\xa3key\xa1k")
    });
    when_reached.recv().expect("it is under way");
    let signed = author.sign(&module, &saying("new"), revision(2, &granted));
    update(&host, &actor, &signed, None).expect("it is newer");
    assert_eq!(call(&host, &actor, b""), Ok(b"new".to_vec()));
    go.send(()).expect("it waits");
    let answer = under_way.join().expect("no panic").expect("it is answered");
    assert!(answer.windows(3).any(|it| it == b"old"), "{answer:?}");
}

#[test]
fn no_call_is_lost_or_answered_by_two_while_revisions_change() {
    const CALLERS: u64 = 4;
    const SWAPS: i32 = 60;
    let (author, module) = (Author::new(), KeyPair::new_module());
    let host = author.host(HostConfig::default());
    let actor = host.load(&author.sign(&module, &saying("0"), revision(0, &[]))).expect("it loads");
    let (swapping, calls) = (AtomicBool::new(true), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                let mut latest = 0;
                while swapping.load(Ordering::Acquire) {
                    let answer = call(&host, &actor, b"").expect("no call fails");
                    let answer: i32 = String::from_utf8_lossy(&answer).parse().expect("a whole answer");
                    assert!(answer >= latest, "an older revision after a newer one");
                    latest = answer;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for swap in 1..=SWAPS {
            let before = calls.load(Ordering::Relaxed);
            let signed = author.sign(&module, &saying(&swap.to_string()), revision(swap, &[]));
            update(&host, &actor, &signed, HEALTH).expect("it is newer");
            assert_eq!(call(&host, &actor, b""), Ok(swap.to_string().into_bytes()));
            while calls.load(Ordering::Relaxed) < before + CALLERS {
                thread::yield_now();
            }
        }
        swapping.store(false, Ordering::Release);
    });
    assert!(calls.load(Ordering::Relaxed) >= CALLERS * SWAPS as u64);
}

/// Answers nothing; every instance and every wiring has a share of it.
struct Nobody;

impl Dispatch for Nobody {
    fn always_ready(&self) -> bool {
        true
    }

    fn dispatch(&self, _: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        reply.fail("nobody is there");
        Dispatched::Done
    }
}

/// The published engine's `replace` keeps every instance until its store goes, and stops at 10,000.
#[test]
fn what_earlier_revisions_used_is_freed() {
    const SWAPS: usize = 300;
    let engine = Engine::new(EngineConfig::default()).expect("it starts");
    let program = |number: usize| engine.compile(&saying(&number.to_string())).expect("it compiles");
    let mut dispatches: Vec<Weak<Nobody>> = Vec::new();
    let mut dispatch = || {
        let dispatch = Arc::new(Nobody);
        dispatches.push(Arc::downgrade(&dispatch));
        dispatch
    };
    let guest = Guest::new(program(0), dispatch());
    let call = |number: usize| {
        let mut response = Vec::new();
        guest.call_into("any", b"", &mut response).expect("it answers");
        assert_eq!(response, number.to_string().into_bytes());
    };
    for number in 1..=SWAPS {
        // Instances of the old one are kept by this thread, and now and then by one that never calls again.
        call(number - 1);
        if number % 50 == 0 {
            thread::scope(|scope| drop(scope.spawn(|| call(number - 1))));
        }
        guest.replace(program(number), dispatch());
    }
    call(SWAPS);
    let alive = dispatches.iter().filter(|dispatch| dispatch.strong_count() > 0).count();
    assert_eq!(alive, 1, "only the last is used");
}

#[test]
fn a_link_follows_the_update_of_the_called_actor() {
    let (author, module) = (Author::new(), KeyPair::new_module());
    let host = author.host(HostConfig::default());
    let aliased = |rev, alias: &str| ActorClaims { call_alias: Some(alias.to_owned()), ..revision(rev, &[]) };
    let target = host.load(&author.sign(&module, &echo(), aliased(1, "demo/echo"))).expect("it loads");
    let caller = author.sign(&KeyPair::new_module(), &calling("demo/echo"), caps(&["demo/echo"]));
    let caller = host.load(&caller).expect("it loads");
    host.link(&caller, &target).expect("granted");
    assert_eq!(call(&host, &caller, b"hello"), Ok(b"hello".to_vec()));
    update(&host, &target, &author.sign(&module, &saying("new"), aliased(2, "demo/echo")), None)
        .expect("newer");
    assert_eq!(call(&host, &caller, b"hello"), Ok(b"new".to_vec()));
    update(&host, &target, &author.sign(&module, &echo(), aliased(3, "demo/renamed")), None).expect("newer");
    call(&host, &caller, b"hello").expect_err("nobody has that alias any more");
    assert_eq!(host.actor("demo/renamed").map(|it| it.key().to_owned()), Some(module.public_key()));
}

/// Says on which threads it is asked.
struct Where(std::sync::Mutex<Vec<thread::ThreadId>>);

impl Authorizer for Where {
    fn can_load(&self, _: &Claims) -> Decision {
        self.0.lock().expect("unpoisoned").push(thread::current().id());
        Decision::Allow
    }

    fn can_invoke(&self, _: &Claims, _: &Invocation<'_>) -> Decision {
        Decision::Allow
    }

    fn cacheable(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn an_update_is_checked_and_compiled_where_it_holds_nobody_up() {
    let (author, module) = (Author::new(), KeyPair::new_module());
    let authorizer = Arc::new(Where(std::sync::Mutex::default()));
    let host =
        author.host(HostConfig { authorizer: Some(Arc::clone(&authorizer) as _), ..HostConfig::default() });
    let actor = host.load(&author.sign(&module, &saying("one"), revision(1, &[]))).expect("it loads");
    host.update(&actor, &author.sign(&module, &saying("two"), revision(2, &[])), None).await.expect("newer");
    let threads = authorizer.0.lock().expect("unpoisoned").clone();
    assert_eq!(threads.len(), 2);
    assert_eq!(threads[0], thread::current().id());
    assert_ne!(threads[1], thread::current().id());
}

#[test]
fn an_update_that_never_says_that_it_is_well_is_refused_in_time() {
    let (author, module) = (Author::new(), KeyPair::new_module());
    let host = author.host(HostConfig::default());
    let granted = ["wascc:keyvalue"];
    let actor = host.load(&author.sign(&module, &keyvalue(), revision(1, &granted))).expect("it loads");
    let never = Fake::getting(false, |_| pillion_capabilities::Answer::pending(std::future::pending()));
    host.bind(&actor, "default", Provider::key_value(never)).expect("granted");
    let newer = author.sign(&module, &keyvalue(), revision(2, &granted));
    let health =
        HealthCheck { operation: "Get", payload: b"\x81\xa3key\xa1k", patience: Duration::from_millis(50) };
    let error = update(&host, &actor, &newer, Some(health)).expect_err("it does not answer").to_string();
    assert!(error.contains("did not answer Get within 50ms"), "{error}");
    assert_eq!(actor.claims().wascap.rev, Some(1), "it stays as it is");
}
