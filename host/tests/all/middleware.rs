//! Layers around calls, what they count, and tokens of calls.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pillion_capabilities::{Answer, KeyValue};
use pillion_codec::GetRequest;
use pillion_host::dispatch::Provider;
use pillion_host::engine::Reply;
use pillion_host::identity::{ForgeryError, KeyPair, Notary, SignedCall};
use pillion_host::metrics::{Metrics, MetricsServer};
use pillion_host::middleware::{ActorCall, CapabilityCall, Halt, Middleware};
use pillion_host::policy::AntiForgery;
use pillion_host::{ActorRef, Call, CallFailure, Host, HostConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::guests::{Author, calling, caps, echo, keyvalue, loaded_with};
use crate::provider::{Fake, entry};

/// Notes what passes, and halts what it is told to.
struct Layer {
    name: &'static str,
    seen: Arc<Mutex<Vec<String>>>,
    halts: Option<&'static str>,
}

impl Layer {
    fn note(&self, what: &str, operation: &[u8]) -> Result<(), Halt> {
        let operation = String::from_utf8_lossy(operation);
        self.seen.lock().expect("unpoisoned").push(format!("{} {what} {operation}", self.name));
        if self.halts == Some(what) { Err(Halt(format!("{} halts", self.name))) } else { Ok(()) }
    }
}

impl Middleware for Layer {
    fn before_actor(&self, call: &ActorCall<'_>) -> Result<(), Halt> {
        self.note("enters", call.operation.as_bytes())
    }

    fn after_actor(&self, call: &ActorCall<'_>, outcome: Result<&[u8], &CallFailure>, _: Duration) {
        let _ = self.note(if outcome.is_ok() { "left" } else { "failed" }, call.operation.as_bytes());
    }

    fn before_capability(&self, call: &CapabilityCall<'_>) -> Result<(), Halt> {
        assert_eq!((call.binding, call.namespace), (&b"default"[..], &b"wascc:keyvalue"[..]));
        self.note("calls", call.operation)
    }

    fn after_capability(&self, call: &CapabilityCall<'_>, reply: &mut Reply, _: Duration) {
        let _ = self.note(if reply.is_error() { "erred" } else { "called" }, call.operation);
    }
}

type Seen = Arc<Mutex<Vec<String>>>;

fn layers(halts: Option<&'static str>) -> (Seen, Vec<Arc<dyn Middleware>>) {
    let seen = Seen::default();
    let layer = |name, halts| Arc::new(Layer { name, seen: Arc::clone(&seen), halts }) as Arc<dyn Middleware>;
    let layers = vec![layer("outer", None), layer("inner", halts)];
    (seen, layers)
}

fn host(middleware: Vec<Arc<dyn Middleware>>, provider: Arc<Fake>) -> (Host, ActorRef) {
    let config = HostConfig { middleware, ..HostConfig::default() };
    let (host, actor) = loaded_with(&keyvalue(), config, &["wascc:keyvalue"]);
    host.bind(&actor, "default", provider as Arc<dyn KeyValue>).expect("it is granted");
    (host, actor)
}

fn get() -> Vec<u8> {
    let mut request = Vec::new();
    GetRequest { key: "k" }.encode(&mut request);
    request
}

const THROUGH: [&str; 8] = [
    "outer enters Get",
    "inner enters Get",
    "outer calls Get",
    "inner calls Get",
    "inner called Get",
    "outer called Get",
    "inner left Get",
    "outer left Get",
];

/// Defect 4 of the original: each layer ran the operation once more.
#[test]
fn layers_are_an_onion_that_runs_the_operation_once() {
    let (seen, middleware) = layers(None);
    let provider = Fake::getting(true, |_| Answer::Ready(Ok(entry("now"))));
    let (host, actor) = host(middleware, Arc::clone(&provider));
    host.call_into(&actor, "Get", &get(), &mut Vec::new()).expect("it is answered");
    assert_eq!(*seen.lock().expect("unpoisoned"), THROUGH);
    assert_eq!(provider.counters.total(), 1);
    let Call::Ready(Ok(_)) = host.call(&actor, "Get", &get()) else { panic!("it is there at once") };
    assert_eq!(seen.lock().expect("unpoisoned")[8..], THROUGH);
    assert_eq!(provider.counters.total(), 2);
}

#[test]
fn layers_are_an_onion_where_calls_wait_too() {
    let (seen, middleware) = layers(None);
    let provider = Fake::getting(false, |_| {
        Answer::pending(async {
            tokio::task::yield_now().await;
            Ok(entry("late"))
        })
    });
    let (host, actor) = host(middleware, Arc::clone(&provider));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(host.call(&actor, "Get", &get()).wait()).expect("it is answered");
    assert_eq!(*seen.lock().expect("unpoisoned"), THROUGH);
    assert_eq!(provider.counters.total(), 1);
    // What cannot wait is refused before any layer sees it.
    assert_eq!(host.call_into(&actor, "Get", b"", &mut Vec::new()), Err(CallFailure::Waits));
    assert_eq!(seen.lock().expect("unpoisoned").len(), THROUGH.len());
}

#[test]
fn a_layer_that_halts_is_as_far_as_a_call_gets() {
    let (seen, middleware) = layers(Some("calls"));
    let provider = Fake::getting(true, |_| Answer::Ready(Ok(entry("now"))));
    let (host_of_calls, actor) = host(middleware, Arc::clone(&provider));
    let failure = host_of_calls.call_into(&actor, "Get", &get(), &mut Vec::new());
    assert_eq!(failure, Err(CallFailure::Guest("inner halts".to_owned())));
    let expected = ["outer calls Get", "inner calls Get", "outer erred Get"];
    assert_eq!(seen.lock().expect("unpoisoned")[2..5], expected);

    let (seen, middleware) = layers(Some("enters"));
    let (host_of_entries, actor) = host(middleware, Arc::clone(&provider));
    let failure = host_of_entries.call_into(&actor, "Get", &get(), &mut Vec::new());
    assert_eq!(failure, Err(CallFailure::Halted("inner halts".to_owned())));
    assert_eq!(
        *seen.lock().expect("unpoisoned"),
        ["outer enters Get", "inner enters Get", "outer failed Get"]
    );
    assert_eq!(provider.counters.total(), 0);
}

#[test]
fn calls_between_actors_pass_the_layers_of_the_called_one() {
    let seen = Seen::default();
    let layer = Arc::new(Counting(Arc::clone(&seen)));
    let author = Author::new();
    let host = author.host(HostConfig { middleware: vec![layer], ..HostConfig::default() });
    let target = host.load(&author.sign(&KeyPair::new_module(), &echo(), caps(&[]))).expect("it loads");
    let caller = author.sign(&KeyPair::new_module(), &calling(target.key()), caps(&[target.key()]));
    let caller = host.load(&caller).expect("it loads");
    host.link(&caller, &target).expect("granted");
    host.call_into(&caller, "any", b"hello", &mut Vec::new()).expect("it is answered");
    assert_eq!(*seen.lock().expect("unpoisoned"), [caller.key(), target.key()]);
}

/// Notes which actors are entered.
struct Counting(Seen);

impl Middleware for Counting {
    fn before_actor(&self, call: &ActorCall<'_>) -> Result<(), Halt> {
        self.0.lock().expect("unpoisoned").push(call.actor.to_owned());
        Ok(())
    }
}

#[test]
fn metrics_count_calls_under_labels_that_nobody_can_make_up() {
    let metrics = Arc::new(Metrics::default());
    let provider = Fake::getting(true, |_| Answer::Ready(Ok(entry("now"))));
    let (host, actor) = host(vec![Arc::clone(&metrics) as Arc<dyn Middleware>], provider);
    for _ in 0..3 {
        host.call_into(&actor, "Get", &get(), &mut Vec::new()).expect("it is answered");
    }
    for number in 0..100 {
        host.call_into(&actor, &format!("Made\nUp{number}"), &get(), &mut Vec::new()).expect_err("unknown");
    }
    let text = metrics.text();
    let key = actor.key();
    let count = |line: &str| assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
    let of = format!("actor=\"{key}\",contract=\"wascc:keyvalue\",operation");
    count(&format!("pillion_capability_call_seconds_count{{{of}=\"Get\",outcome=\"ok\"}} 3"));
    count(&format!("pillion_capability_call_seconds_count{{{of}=\"other\",outcome=\"error\"}} 100"));
    count(&format!("pillion_capability_call_seconds_bucket{{{of}=\"Get\",outcome=\"ok\",le=\"+Inf\"}} 3"));
    let of = format!("actor=\"{key}\",operation=\"other\"");
    count(&format!("pillion_actor_call_seconds_count{{{of},outcome=\"ok\"}} 3"));
    count(&format!("pillion_actor_call_seconds_count{{{of},outcome=\"error\"}} 100"));
    let series = text.lines().filter(|line| line.contains("_count{")).count();
    assert_eq!(series, 4, "{text}");
}

#[test]
fn metrics_and_health_are_served() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let ready = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let says = Arc::clone(&ready);
        let is_ready = move || says.load(std::sync::atomic::Ordering::Acquire);
        let server = MetricsServer::start(Arc::default(), listener, is_ready).expect("it listens");
        let ask = async |request: &str| {
            let mut stream = TcpStream::connect(server.address()).await.expect("it listens");
            let head = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.expect("it reads");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("it answers");
            answer
        };
        assert!(ask("GET /healthz").await.starts_with("HTTP/1.1 200"));
        assert!(ask("GET /readyz").await.starts_with("HTTP/1.1 503"));
        ready.store(true, std::sync::atomic::Ordering::Release);
        assert!(ask("GET /readyz").await.starts_with("HTTP/1.1 200"));
        let metrics = ask("GET /metrics").await;
        assert!(metrics.contains("# TYPE pillion_actor_call_seconds histogram"), "{metrics}");
        assert!(ask("GET /elsewhere").await.starts_with("HTTP/1.1 404"));
        assert!(ask("POST /metrics").await.starts_with("HTTP/1.1 405"));
    });
}

const CALL: SignedCall<'static> = SignedCall {
    origin: "MACTOR",
    binding: "default",
    namespace: "wascc:keyvalue",
    operation: "Get",
    payload: b"request",
};

#[test]
fn a_calls_token_is_good_for_that_call_alone() {
    let (notary, now) = (Notary::default(), SystemTime::now());
    let token = notary.mint(&CALL, now).expect("it can sign");
    assert_eq!(notary.verify(&token, &CALL, now), Ok(()));

    for other in [
        SignedCall { origin: "MOTHER", ..CALL },
        SignedCall { binding: "other", ..CALL },
        SignedCall { namespace: "wascc:messaging", ..CALL },
        SignedCall { operation: "Set", ..CALL },
    ] {
        let refused = notary.verify(&token, &other, now);
        assert!(matches!(refused, Err(ForgeryError::Other { .. })), "{other:?}: {refused:?}");
    }
    let other = SignedCall { payload: b"requesu", ..CALL };
    assert_eq!(notary.verify(&token, &other, now), Err(ForgeryError::Request));
    let later = now + Duration::from_secs(31);
    assert_eq!(notary.verify(&token, &CALL, later), Err(ForgeryError::Validity));
    assert_eq!(Notary::default().verify(&token, &CALL, now), Err(ForgeryError::Signature), "another host's");
    // Each character matters; the last one's low bits are not part of the signature.
    for at in 0..token.len() - 1 {
        let mut forged = token.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).expect("it is text");
        assert!(notary.verify(&forged, &CALL, now).is_err(), "changed at {at}");
    }
    for garbage in ["", ".", "a.b.c", "🦀.🦀.🦀"] {
        assert!(matches!(notary.verify(garbage, &CALL, now), Err(ForgeryError::Token(_))), "{garbage:?}");
    }
}

/// Defect 7 of the original: a token was minted for every call, wanted or not.
#[test]
fn calls_are_made_with_and_without_tokens() {
    for (anti_forgery, expected) in
        [(AntiForgery::Off, (0, 0)), (AntiForgery::Mint, (3, 0)), (AntiForgery::MintAndVerify, (3, 3))]
    {
        let config = HostConfig { anti_forgery, ..HostConfig::default() };
        let (host, actor) = loaded_with(&keyvalue(), config, &["wascc:keyvalue"]);
        let provider = Fake::getting(true, |_| Answer::Ready(Ok(entry("now"))));
        host.bind(&actor, "default", Provider::key_value(Arc::clone(&provider))).expect("it is granted");
        for _ in 0..3 {
            host.call_into(&actor, "Get", &get(), &mut Vec::new()).expect("it is answered");
        }
        assert_eq!(provider.counters.total(), 3, "{anti_forgery:?}");
        assert_eq!((host.notary().minted(), host.notary().verified()), expected, "{anti_forgery:?}");
    }
}

/// Answers in the provider's place.
struct Replacing;

impl Middleware for Replacing {
    fn after_capability(&self, _: &CapabilityCall<'_>, reply: &mut Reply, _: Duration) {
        let failed = reply.is_error();
        reply.reset();
        if failed {
            reply.respond().extend_from_slice(b"mended");
        } else {
            reply.fail("spoilt");
        }
    }
}

#[test]
fn a_layer_may_answer_otherwise_than_the_provider() {
    let provider = Fake::getting(true, |key| match key {
        "k" => Answer::Ready(Ok(entry("now"))),
        _ => Answer::Ready(Err(pillion_capabilities::Error::InvalidArgument("no such key".to_owned()))),
    });
    let (host, actor) = host(vec![Arc::new(Replacing)], provider);
    let mut response = Vec::new();
    let failure = host.call_into(&actor, "Get", &get(), &mut response);
    assert_eq!(failure, Err(CallFailure::Guest("spoilt".to_owned())));
    let mut other = Vec::new();
    GetRequest { key: "other" }.encode(&mut other);
    host.call_into(&actor, "Get", &other, &mut response).expect("the layer says so");
    assert_eq!(response, b"mended");
}
