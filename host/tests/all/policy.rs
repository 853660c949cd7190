//! The authorizer: it takes away, and never adds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pillion_codec::GetRequest;
use pillion_host::dispatch::Provider;
use pillion_host::identity::{Claims, KeyPair};
use pillion_host::policy::{Authorizer, Decision, Invocation};
use pillion_host::{ActorRef, CallFailure, Host, HostConfig};

use crate::guests::{Author, DEFAULT, MESSAGING, caps, echo, forwarding, keyvalue};
use crate::provider::Fake;

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
