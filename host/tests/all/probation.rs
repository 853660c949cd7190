//! A new revision has to prove itself once it runs, or the one before it comes back.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use pillion_capabilities::Answer;
use pillion_host::dispatch::{Contract, Provider};
use pillion_host::identity::{ActorClaims, KeyPair};
use pillion_host::{
    ActorRef, CallFailure, HealthCheck, Host, HostConfig, HostError, Probation, Trial, Verdict,
};

use crate::guests::{Author, calling, caps, keyvalue, module, saying};
use crate::provider::{Fake, entry};
use crate::traces::Traces;

/// Answers with a text; traps on an operation of four letters, and answers one of five with an error.
fn trapping(text: &str) -> Vec<u8> {
    module(&format!(
        "(data (i32.const 3000) \"{text}\")
         (func (export \"__guest_call\") (param $operation i32) (param i32) (result i32)
           (if (i32.eq (local.get $operation) (i32.const 4)) (then unreachable))
           (if (i32.eq (local.get $operation) (i32.const 5)) (then
             (call $guest_error (i32.const 3000) (i32.const 1)) (return (i32.const 0))))
           (call $guest_response (i32.const 3000) (i32.const {})) (i32.const 1))",
        text.len()
    ))
}

struct Fixture {
    author: Author,
    key: KeyPair,
    host: Arc<Host>,
    actor: ActorRef,
}

impl Fixture {
    /// An actor at revision 1, which answers with it.
    fn new(granted: &[&str]) -> Self {
        let (author, key) = (Author::new(), KeyPair::new_module());
        let host = Arc::new(author.host(HostConfig::default()));
        let actor = host.load(&author.sign(&key, &trapping("1"), revision(1, granted))).expect("it loads");
        Self { author, key, host, actor }
    }

    fn call(&self, operation: &str) -> Result<Vec<u8>, CallFailure> {
        let mut response = Vec::new();
        self.host.call_into(&self.actor, operation, b"", &mut response).map(|()| response)
    }

    fn sign(&self, wasm: &[u8], claims: ActorClaims) -> Vec<u8> {
        self.author.sign(&self.key, wasm, claims)
    }

    fn update(&self, rev: i32, granted: &[&str], probation: Probation) -> Result<Trial, HostError> {
        let signed = self.sign(&trapping(&rev.to_string()), revision(rev, granted));
        // No runtime is needed unless it is to be asked.
        futures(self.host.update_on_probation(&self.actor, &signed, None, probation))
    }

    fn runs(&self) -> String {
        String::from_utf8(self.call("any").expect("it answers")).expect("text")
    }
}

/// Runs what needs no runtime.
fn futures<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        thread::yield_now();
    }
}

fn revision(rev: i32, granted: &[&str]) -> ActorClaims {
    ActorClaims { rev: Some(rev), ..caps(granted) }
}

fn after(calls: u32, failures: u32) -> Probation {
    let mut probation = Probation::default();
    (probation.calls, probation.failures) = (calls, failures);
    probation
}

fn asked(asks: u32) -> Probation {
    let mut probation = Probation::default();
    (probation.calls, probation.asks, probation.pause) = (0, asks, Duration::ZERO);
    probation
}

#[test]
fn a_revision_that_traps_too_often_goes_back_at_once() {
    let fixture = Fixture::new(&[]);
    let trial = fixture.update(2, &[], after(10, 2)).expect("it is newer");
    assert_eq!(fixture.runs(), "2");
    for _ in 0..2 {
        fixture.call("Trap").expect_err("it traps");
        assert_eq!(fixture.call("Error").expect_err("an answer"), CallFailure::Guest("2".to_owned()));
    }
    let info = fixture.actor.info();
    let probation = info.probation.expect("it is on probation");
    assert_eq!((probation.previous, probation.calls, probation.failures), (Some(1), 5, 2));
    assert_eq!((info.revision, trial.verdict(), fixture.runs().as_str()), (Some(2), None, "2"));
    // The third failure is one too many, and the very next call is the old code's.
    fixture.call("Trap").expect_err("it traps");
    assert_eq!(fixture.runs(), "1");
    let Some(Verdict::RolledBack(reason)) = trial.verdict() else { panic!("{:?}", trial.verdict()) };
    assert!(reason.starts_with("3 of 7 calls failed, the last because the guest trapped"), "{reason}");
    let info = fixture.actor.info();
    assert_eq!((info.revision, info.probation), (Some(1), None));
    let rolled_back = info.rolled_back.expect("it is told");
    assert_eq!((rolled_back.revision, &rolled_back.reason), (Some(2), &reason));
    // The old one is on no probation, and the next update tells nothing of this one any more.
    fixture.call("Trap").expect_err("it traps");
    assert_eq!(fixture.runs(), "1");
    let trial = fixture.update(2, &[], after(0, 0)).expect("it is newer again");
    assert_eq!(trial.verdict(), Some(Verdict::Confirmed), "nothing was asked of it");
    assert_eq!(fixture.actor.info().rolled_back, None);
}

#[test]
fn a_revision_is_confirmed_after_its_calls_and_what_was_before_is_freed() {
    let fixture = Fixture::new(&["wascc:keyvalue"]);
    let provider = Fake::map();
    fixture
        .host
        .bind(&fixture.actor, "default", Provider::key_value(Arc::clone(&provider)))
        .expect("granted");
    assert_eq!(fixture.runs(), "1");
    let bound = Arc::strong_count(&provider);
    let trial = fixture.update(2, &["wascc:keyvalue"], after(3, 0)).expect("it is newer");
    assert_eq!(fixture.runs(), "2");
    assert!(Arc::strong_count(&provider) > bound, "what to go back to is kept");
    fixture.call("Error").expect_err("an answer");
    assert_eq!(trial.verdict(), None);
    assert_eq!(fixture.runs(), "2");
    assert_eq!(futures(trial.wait()), Verdict::Confirmed);
    assert_eq!(fixture.runs(), "2");
    assert_eq!(Arc::strong_count(&provider), bound, "only the present one uses it");
    assert_eq!(fixture.actor.info().probation, None);
    for _ in 0..5 {
        fixture.call("Trap").expect_err("it traps");
    }
    assert_eq!(fixture.runs(), "2", "nobody counts any more");

    // Going back frees the new one as well.
    let trial = fixture.update(3, &["wascc:keyvalue"], after(3, 0)).expect("it is newer");
    fixture.call("Trap").expect_err("it traps");
    assert!(matches!(trial.verdict(), Some(Verdict::RolledBack(_))));
    assert_eq!(fixture.runs(), "2");
    assert_eq!(Arc::strong_count(&provider), bound, "only the present one uses it");
}

#[test]
fn calls_under_way_end_on_the_code_they_began_with_when_it_goes_back() {
    let fixture = Fixture::new(&["wascc:keyvalue"]);
    let (reached, when_reached) = mpsc::channel();
    let (go, when_gone) = mpsc::channel::<()>();
    let when_gone = std::sync::Mutex::new(when_gone);
    let provider = Fake::getting(true, move |_| {
        reached.send(()).expect("the test waits");
        when_gone.lock().expect("unpoisoned").recv().expect("the test lets it go");
        Answer::Ready(Ok(entry("new")))
    });
    fixture.host.bind(&fixture.actor, "default", Provider::key_value(provider)).expect("granted");
    let signed = fixture.sign(&keyvalue(), revision(2, &["wascc:keyvalue"]));
    let trial = futures(fixture.host.update_on_probation(&fixture.actor, &signed, None, after(100, 0)));
    let trial = trial.expect("it is newer");
    let under_way = thread::spawn({
        let (host, actor) = (Arc::clone(&fixture.host), fixture.actor.clone());
        move || {
            let mut response = Vec::new();
            host.call_into(&actor, "Get", b"\x81\xa3key\xa1k", &mut response).map(|()| response)
        }
    });
    when_reached.recv().expect("it is under way");
    // A name that is not text makes it trap.
    let failure = fixture.host.call(&fixture.actor, "Get", &[0xc1]);
    let failure = futures(failure.wait());
    assert!(matches!(failure, Err(CallFailure::Guest(_))), "a malformed request is no trap: {failure:?}");
    let signed = fixture.sign(&trapping("3"), revision(3, &["wascc:keyvalue"]));
    let second = futures(fixture.host.update_on_probation(&fixture.actor, &signed, None, after(100, 0)));
    let second = second.expect("it is newer");
    assert_eq!(trial.verdict(), Some(Verdict::Superseded));
    fixture.call("Trap").expect_err("it traps");
    assert!(matches!(second.verdict(), Some(Verdict::RolledBack(_))));
    assert_eq!(fixture.runs(), "1", "of two that did not prove themselves, neither is gone back to");
    go.send(()).expect("it waits");
    let answer = under_way.join().expect("no panic").expect("it is answered");
    assert!(answer.windows(3).any(|it| it == b"new"), "{answer:?}");
    assert_eq!(fixture.actor.info().probation, None, "what ends late is not counted to anybody");
    assert_eq!(fixture.runs(), "1");
}

#[test]
fn what_the_new_claims_gave_up_comes_back_and_what_was_changed_since_stays() {
    let fixture = Fixture::new(&["wascc:keyvalue", "demo/other"]);
    let other = ActorClaims { call_alias: Some("demo/other".to_owned()), ..caps(&[]) };
    let other = fixture.author.sign(&KeyPair::new_module(), &saying("other"), other);
    let other = fixture.host.load(&other).expect("it loads");
    let provider = || Provider::key_value(Fake::map());
    for binding in ["default", "second"] {
        fixture.host.bind(&fixture.actor, binding, provider()).expect("granted");
    }
    fixture.host.link(&fixture.actor, &other).expect("granted");
    let trial = fixture.update(2, &["wascc:messaging"], after(100, 0)).expect("it is newer");
    let info = fixture.actor.info();
    assert!(info.bindings.is_empty() && info.links.is_empty(), "{info:?}");
    fixture.call("Trap").expect_err("it traps");
    assert!(matches!(trial.verdict(), Some(Verdict::RolledBack(_))));
    let bindings = || {
        let mut names: Vec<_> = fixture.actor.info().bindings.into_iter().map(|it| it.binding).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(bindings(), ["default", "second"]);
    assert_eq!(fixture.actor.info().links, [other.key()]);

    fixture.update(3, &["wascc:keyvalue"], after(100, 0)).expect("it is newer");
    fixture.host.unbind(&fixture.actor, "second", Contract::KeyValue).expect("it is bound");
    fixture.host.bind(&fixture.actor, "third", provider()).expect("granted");
    fixture.host.remove(&other).expect("it is there");
    fixture.call("Trap").expect_err("it traps");
    assert_eq!(fixture.runs(), "1");
    assert_eq!(bindings(), ["default", "third"]);
    assert!(fixture.actor.info().links.is_empty(), "whom it was linked to is gone");
}

#[test]
fn an_alias_is_kept_for_a_revision_that_may_come_back() {
    let (author, key) = (Author::new(), KeyPair::new_module());
    let host = author.host(HostConfig::default());
    let aliased = |rev, alias: &str| ActorClaims { call_alias: Some(alias.to_owned()), ..revision(rev, &[]) };
    let actor = host.load(&author.sign(&key, &trapping("1"), aliased(1, "demo/old"))).expect("it loads");
    let caller = author.sign(&KeyPair::new_module(), &calling("demo/old"), caps(&["demo/old", "demo/new"]));
    let caller = host.load(&caller).expect("it loads");
    host.link(&caller, &actor).expect("granted");
    let signed = author.sign(&key, &trapping("2"), aliased(2, "demo/new"));
    let trial = futures(host.update_on_probation(&actor, &signed, None, after(100, 0))).expect("newer");
    let other = author.sign(&KeyPair::new_module(), &saying("other"), aliased(1, "demo/old"));
    let error = host.load(&other).expect_err("it may be wanted again").to_string();
    assert!(error.contains("the call alias \"demo/old\""), "{error}");
    let call = |actor: &ActorRef, operation: &str| {
        let mut response = Vec::new();
        host.call_into(actor, operation, b"", &mut response).map(|()| response)
    };
    call(&caller, "any").expect_err("nobody has that alias now");
    call(&actor, "Trap").expect_err("it traps");
    assert!(matches!(trial.verdict(), Some(Verdict::RolledBack(_))));
    assert_eq!(call(&caller, "any"), Ok(b"1".to_vec()), "links follow it back");
}

#[tokio::test]
async fn a_revision_is_asked_again_and_again() {
    let fixture = Fixture::new(&[]);
    let trial = fixture.update(2, &[], asked(3)).expect("it is newer");
    assert_eq!(trial.wait().await, Verdict::Confirmed);
    assert_eq!(fixture.runs(), "2");
    let health = HealthCheck { operation: "Error", ..HealthCheck::default() };
    // Before it is published, it is asked too.
    let signed = fixture.sign(&trapping("3"), revision(3, &[]));
    let refused = fixture.host.update_on_probation(&fixture.actor, &signed, Some(health), asked(3)).await;
    assert!(matches!(refused, Err(HostError::Unhealthy { .. })), "{refused:?}");

    // One that is well once: it counts its calls in its memory.
    let weary = module(
        "(data (i32.const 3000) \"3\")
         (func (export \"__guest_call\") (param i32 i32) (result i32)
           (i32.store (i32.const 2000) (i32.add (i32.load (i32.const 2000)) (i32.const 1)))
           (if (i32.gt_u (i32.load (i32.const 2000)) (i32.const 2)) (then
             (call $guest_error (i32.const 3000) (i32.const 1)) (return (i32.const 0))))
           (call $guest_response (i32.const 3000) (i32.const 1)) (i32.const 1))",
    );
    let signed = fixture.sign(&weary, revision(3, &[]));
    let health = HealthCheck { operation: "HealthRequest", ..HealthCheck::default() };
    let trial = fixture.host.update_on_probation(&fixture.actor, &signed, Some(health), asked(50)).await;
    let Verdict::RolledBack(reason) = trial.expect("it is well at first").wait().await else {
        panic!("it is not well")
    };
    assert_eq!(reason, "HealthRequest failed: 3");
    assert_eq!(fixture.runs(), "2");
}

#[tokio::test]
async fn a_revision_on_probation_may_wait_for_its_providers() {
    let fixture = Fixture::new(&["wascc:keyvalue"]);
    let never = Fake::getting(false, |_| Answer::pending(std::future::pending()));
    fixture.host.bind(&fixture.actor, "default", Provider::key_value(never)).expect("granted");
    let call = async |operation: &str, payload: &[u8]| {
        fixture.host.call(&fixture.actor, operation, payload).wait().await
    };
    assert_eq!(call("any", b"").await.expect("it answers"), "1");
    let trial = fixture.update(2, &["wascc:keyvalue"], after(10, 0)).expect("it is newer");
    assert_eq!(call("any", b"").await.expect("it answers"), "2");
    call("Trap", b"").await.expect_err("it traps");
    assert!(matches!(trial.verdict(), Some(Verdict::RolledBack(_))));
    assert_eq!(call("any", b"").await.expect("it answers"), "1");

    let signed = fixture.sign(&keyvalue(), revision(3, &["wascc:keyvalue"]));
    let trial = fixture.host.update_on_probation(&fixture.actor, &signed, None, after(10, 0)).await;
    let trial = trial.expect("it is newer");
    {
        let given_up = fixture.host.call(&fixture.actor, "Get", b"\x81\xa3key\xa1k").wait();
        tokio::pin!(given_up);
        tokio::select! {
            biased;
            _ = &mut given_up => panic!("it waits for ever"),
            () = std::future::ready(()) => {}
        }
    }
    assert_eq!(trial.verdict(), None, "a call that is given up says nothing");
    // Nor does a health request that nobody answers in time say anything good.
    let health =
        HealthCheck { operation: "Get", payload: b"\x81\xa3key\xa1k", patience: Duration::from_millis(50) };
    let signed = fixture.sign(&keyvalue(), revision(4, &["wascc:keyvalue"]));
    let refused = fixture.host.update_on_probation(&fixture.actor, &signed, Some(health), asked(1)).await;
    assert!(matches!(refused, Err(HostError::NoAnswer { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_verdict_is_logged() {
    let fixture = Fixture::new(&[]);
    let mut rev = 1;
    for (trap, expected) in
        [(true, ["WARN", "rolled back", "back_to=1"]), (false, ["INFO", "confirmed", "calls=1"])]
    {
        let traces = Traces::of("pillion::update");
        let line = traces.until_logged(async || {
            rev += 1;
            fixture.update(rev, &[], after(1, 0)).expect("it is newer");
            let _ = fixture.call(if trap { "Trap" } else { "any" });
        });
        let line = line.await;
        assert!(expected.iter().all(|word| line.contains(word)), "{line}");
        assert!(line.contains(fixture.actor.key()) && line.contains(&format!("revision={rev}")), "{line}");
    }
}

#[test]
fn asking_again_takes_a_runtime() {
    let fixture = Fixture::new(&[]);
    let error = fixture.update(2, &[], asked(1)).expect_err("there is none");
    assert!(matches!(error, HostError::NoRuntime), "{error}");
    assert_eq!(fixture.runs(), "1");
}

#[test]
fn whoever_is_removed_or_updated_ends_its_probation() {
    let fixture = Fixture::new(&[]);
    let trial = fixture.update(2, &[], after(10, 0)).expect("it is newer");
    let signed = fixture.sign(&trapping("3"), revision(3, &[]));
    futures(fixture.host.update(&fixture.actor, &signed, None)).expect("it is newer");
    assert_eq!(trial.verdict(), Some(Verdict::Superseded));
    fixture.call("Trap").expect_err("it traps");
    assert_eq!(fixture.runs(), "3", "an update without probation is for good");
    let trial = fixture.update(4, &[], after(10, 0)).expect("it is newer");
    fixture.host.remove(&fixture.actor).expect("it is there");
    assert_eq!(futures(trial.wait()), Verdict::Superseded);
}

/// Many threads call while the revision goes back: none is refused, and each failure is one of the new revision's.
#[test]
fn no_call_is_lost_when_a_revision_goes_back_under_load() {
    const CALLERS: usize = 4;
    const ROUNDS: i32 = 20;
    let fixture = Fixture::new(&[]);
    for round in 0..ROUNDS {
        let trial = fixture.update(2 + round, &[], after(u32::MAX, 5)).expect("it is newer");
        let traps: usize = thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut traps = 0;
                        while trial.verdict().is_none() {
                            let answer = fixture.call("any").expect("it answers");
                            assert!(answer == b"1" || answer == (2 + round).to_string().as_bytes());
                            fixture.call("Trap").expect_err("it traps");
                            traps += 1;
                        }
                        traps
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().expect("no call was lost")).sum()
        });
        assert!(traps >= 6, "{traps}");
        assert_eq!(fixture.runs(), "1");
    }
}
