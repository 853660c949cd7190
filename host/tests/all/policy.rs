//! The authorizer: it takes away, and never adds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pillion_codec::GetRequest;
use pillion_host::dispatch::Provider;
use pillion_host::identity::{Claims, KeyPair};
use pillion_host::policy::{Authorizer, Decision, Invocation};
use pillion_host::{ActorRef, CallFailure, Host, HostConfig};

use crate::guests::{Author, DEFAULT, MESSAGING, caps, echo, forwarding, keyvalue};
use crate::provider::Fake;
use crate::traces::Traces;

/// Allows all operations but one, and modules without the tag `evil`.
struct Picky {
    cacheable: bool,
    asked: AtomicUsize,
}

impl Picky {
    fn new(cacheable: bool) -> Arc<Self> {
        Arc::new(Self { cacheable, asked: AtomicUsize::new(0) })
    }
}

impl Authorizer for Picky {
    fn can_load(&self, claims: &Claims) -> Decision {
        if claims.wascap.tags.iter().any(|tag| tag == "evil") {
            Decision::Deny("evil is not welcome".into())
        } else {
            Decision::Allow
        }
    }

    fn can_invoke(&self, claims: &Claims, invocation: &Invocation<'_>) -> Decision {
        self.asked.fetch_add(1, Ordering::Relaxed);
        assert!(claims.sub.starts_with('M'));
        match invocation.operation {
            "Set" => Decision::Deny(format!("{} is read-only", invocation.namespace).into()),
            _ => Decision::Allow,
        }
    }

    fn cacheable(&self) -> bool {
        self.cacheable
    }
}

fn call(host: &Host, actor: &ActorRef, operation: &str) -> Result<Vec<u8>, CallFailure> {
    let (mut request, mut response) = (Vec::new(), Vec::new());
    GetRequest { key: "k" }.encode(&mut request);
    host.call_into(actor, operation, &request, &mut response).map(|()| response)
}

fn host(author: &Author, authorizer: &Arc<Picky>) -> Host {
    author.host(HostConfig { authorizer: Some(Arc::clone(authorizer) as _), ..HostConfig::default() })
}

#[test]
fn a_module_that_the_policy_denies_is_not_loaded() {
    let author = Author::new();
    let host = host(&author, &Picky::new(true));
    let mut claims = caps(&[]);
    claims.tags = vec!["evil".to_owned()];
    let error = host.load(&author.sign(&KeyPair::new_module(), &echo(), claims)).expect_err("denied");
    assert!(error.to_string().contains("evil is not welcome"), "{error}");
    assert!(host.actors().is_empty());
}

#[test]
fn a_call_that_the_policy_denies_never_reaches_the_provider() {
    for cacheable in [true, false] {
        let (author, authorizer, provider) = (Author::new(), Picky::new(cacheable), Fake::map());
        let host = host(&author, &authorizer);
        let actor = author.sign(&KeyPair::new_module(), &keyvalue(), caps(&["wascc:keyvalue"]));
        let actor = host.load(&actor).expect("it loads");
        host.bind(&actor, "default", Provider::key_value(Arc::clone(&provider))).expect("granted");
        for _ in 0..5 {
            call(&host, &actor, "Get").expect("allowed");
            let failure = call(&host, &actor, "Set").expect_err("denied");
            assert_eq!(failure.to_string(), "denied by policy: wascc:keyvalue is read-only");
        }
        assert_eq!(provider.counters.total(), 5);
        let asked = if cacheable { 2 } else { 10 };
        assert_eq!(authorizer.asked.load(Ordering::Relaxed), asked);
    }
}

#[test]
fn a_policy_that_allows_everything_grants_nothing() {
    let (author, authorizer, provider) = (Author::new(), Picky::new(true), Fake::map());
    let host = host(&author, &authorizer);
    let actor =
        author.sign(&KeyPair::new_module(), &forwarding(DEFAULT, MESSAGING), caps(&["wascc:keyvalue"]));
    let actor = host.load(&actor).expect("it loads");
    host.bind(&actor, "default", Provider::key_value(Arc::clone(&provider))).expect("granted");
    let failure = call(&host, &actor, "Get").expect_err("not granted");
    assert!(failure.to_string().contains("do not grant wascc:messaging"), "{failure}");
    assert_eq!((provider.counters.total(), authorizer.asked.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn names_that_a_guest_makes_up_are_remembered_only_so_far() {
    let (author, authorizer) = (Author::new(), Picky::new(true));
    let host = host(&author, &authorizer);
    let actor = author.sign(&KeyPair::new_module(), &keyvalue(), caps(&["wascc:keyvalue"]));
    let actor = host.load(&actor).expect("it loads");
    host.bind(&actor, "default", Provider::key_value(Fake::map())).expect("granted");
    for round in 1..=2 {
        for number in 0..1_500 {
            call(&host, &actor, &format!("Made{number}")).expect_err("no such operation");
        }
        let asked = authorizer.asked.load(Ordering::Relaxed);
        assert_eq!(asked, if round == 1 { 1_500 } else { 1_976 }, "1,024 are remembered");
    }
}

/// The actor that [`Picky`] decides about.
fn bound(authorizer: &Arc<Picky>) -> (Host, ActorRef) {
    let author = Author::new();
    let host = host(&author, authorizer);
    let actor = author.sign(&KeyPair::new_module(), &keyvalue(), caps(&["wascc:keyvalue"]));
    let actor = host.load(&actor).expect("it loads");
    host.bind(&actor, "default", Provider::key_value(Fake::map())).expect("granted");
    (host, actor)
}

#[test]
fn a_long_name_is_asked_about_each_time() {
    let authorizer = Picky::new(true);
    let (host, actor) = bound(&authorizer);
    // Together with `default` and `wascc:keyvalue` 256 bytes, and one more.
    for (length, asked) in [(235, 1), (236, 3)] {
        for _ in 0..2 {
            call(&host, &actor, &"x".repeat(length)).expect_err("no such operation");
        }
        assert_eq!(authorizer.asked.load(Ordering::Relaxed), asked);
    }
}

/// Fails the first time that it is asked.
struct Shaky(AtomicUsize);

impl Authorizer for Shaky {
    fn can_load(&self, claims: &Claims) -> Decision {
        if claims.wascap.tags.is_empty() { Decision::Allow } else { Decision::Fail("too busy".into()) }
    }

    fn can_invoke(&self, _: &Claims, _: &Invocation<'_>) -> Decision {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Decision::Fail("too busy".into()),
            _ => Decision::Allow,
        }
    }

    fn cacheable(&self) -> bool {
        true
    }
}

#[test]
fn a_failure_denies_and_is_forgotten() {
    let (author, authorizer) = (Author::new(), Arc::new(Shaky(AtomicUsize::new(0))));
    let host =
        author.host(HostConfig { authorizer: Some(Arc::clone(&authorizer) as _), ..HostConfig::default() });
    let tagged = pillion_host::identity::ActorClaims { tags: vec!["any".to_owned()], ..caps(&[]) };
    let error = host.load(&author.sign(&KeyPair::new_module(), &echo(), tagged)).expect_err("not decided");
    assert!(error.to_string().contains("denied by policy: too busy"), "{error}");

    let actor = author.sign(&KeyPair::new_module(), &keyvalue(), caps(&["wascc:keyvalue"]));
    let actor = host.load(&actor).expect("it loads");
    host.bind(&actor, "default", Provider::key_value(Fake::map())).expect("granted");
    let failure = call(&host, &actor, "Get").expect_err("not decided");
    assert_eq!(failure.to_string(), "denied by policy: too busy");
    for _ in 0..3 {
        call(&host, &actor, "Get").expect("decided now");
    }
    assert_eq!(authorizer.0.load(Ordering::Relaxed), 2, "the decision is remembered");
}

/// Denies everything.
struct No;

impl Authorizer for No {
    fn can_load(&self, _: &Claims) -> Decision {
        Decision::Allow
    }

    fn can_invoke(&self, _: &Claims, _: &Invocation<'_>) -> Decision {
        Decision::Deny("no".into())
    }

    fn cacheable(&self) -> bool {
        true
    }
}

#[test]
fn a_guest_that_is_denied_again_and_again_does_not_flood_the_log() {
    const CALLS: usize = 5_000;
    let author = Author::new();
    let host = author.host(HostConfig { authorizer: Some(Arc::new(No)), ..HostConfig::default() });
    let actor = author.sign(&KeyPair::new_module(), &keyvalue(), caps(&["wascc:keyvalue"]));
    let actor = host.load(&actor).expect("it loads");
    host.bind(&actor, "default", Provider::key_value(Fake::map())).expect("granted");
    let traces = Traces::of("pillion::policy");
    let denied = |operation: &str| {
        tracing::subscriber::with_default(traces.clone(), || {
            call(&host, &actor, operation).expect_err("denied");
        });
    };
    for _ in 0..3 {
        denied("Get");
    }
    assert_eq!(traces.lines().len(), 1, "a decision that is remembered is logged once");

    let (long, began) = ("x".repeat(10_000), Instant::now());
    for number in 0..CALLS {
        denied(&format!("{long}{number}"));
    }
    // Ten in each second, of which the first and the last may be begun only.
    let most = 10 * (began.elapsed().as_secs() as usize + 2);
    let lines = traces.lines();
    assert!(lines.len() <= 1 + most && most < CALLS, "{} of {most}", lines.len());
    assert!(lines.iter().all(|line| line.len() < 2_000), "names are clipped");
}
