//! The ways through one guest that are measured beside each other: on bare wasmtime, in our host, on the published engine.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use pillion_capabilities::keyvalue::SetOptions;
use pillion_capabilities::{Answer, KeyValue, Memory};
use pillion_host::engine::{Dispatch, Dispatched, Engine, EngineConfig, Guest, HostCall, Reply};
use pillion_host::identity::{self, ActorClaims, Claims, KeyPair, TrustedIssuers};
use pillion_host::{ActorRef, Host, HostConfig};
use pillion_wapc_crate::PublishedHost;

use crate::ratio::Way;
use crate::raw_limit::RawLimit;

/// Passes its request on to the host and answers with what it gets. On failure it answers the host's error.
pub(crate) const FORWARDING: &str = r#"(module
 (import "wapc" "__guest_request" (func $guest_request (param i32 i32)))
 (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
 (import "wapc" "__guest_error" (func $guest_error (param i32 i32)))
 (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
 (import "wapc" "__host_response_len" (func $host_response_len (result i32)))
 (import "wapc" "__host_response" (func $host_response (param i32)))
 (import "wapc" "__host_error_len" (func $host_error_len (result i32)))
 (import "wapc" "__host_error" (func $host_error (param i32)))
 (memory (export "memory") 8)
 (data (i32.const 16) "default")
 (data (i32.const 32) "wascc:keyvalue")
 (data (i32.const 64) "Get")
 (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
   (local $n i32)
   (call $guest_request (i32.const 1024) (i32.const 4096))
   (if (i32.eqz (call $host_call (i32.const 16) (i32.const 7) (i32.const 32) (i32.const 14)
          (i32.const 64) (i32.const 3) (i32.const 4096) (local.get $length)))
     (then
       (local.set $n (call $host_error_len))
       (call $host_error (i32.const 131072))
       (call $guest_error (i32.const 131072) (local.get $n))
       (return (i32.const 0))))
   (local.set $n (call $host_response_len))
   (call $host_response (i32.const 131072))
   (call $guest_response (i32.const 131072) (local.get $n))
   (i32.const 1)))"#;

/// Answers with its payload.
pub(crate) const ECHO: &str = r#"(module
 (import "wapc" "__guest_request" (func $guest_request (param i32 i32)))
 (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
 (memory (export "memory") 8)
 (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
   (call $guest_request (i32.const 1024) (i32.const 4096))
   (call $guest_response (i32.const 4096) (local.get $length))
   (i32.const 1)))"#;

/// Makes as many host calls as the first byte of its payload says, each with the whole payload and with the fetching of
/// what the host answers, and answers with its payload.
pub(crate) const REPEATING: &str = r#"(module
 (import "wapc" "__guest_request" (func $guest_request (param i32 i32)))
 (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
 (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
 (import "wapc" "__host_response_len" (func $host_response_len (result i32)))
 (import "wapc" "__host_response" (func $host_response (param i32)))
 (memory (export "memory") 8)
 (data (i32.const 16) "default")
 (data (i32.const 32) "wascc:keyvalue")
 (data (i32.const 64) "Get")
 (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
   (local $left i32)
   (call $guest_request (i32.const 1024) (i32.const 4096))
   (local.set $left (i32.load8_u (i32.const 4096)))
   (block $done
     (loop $again
       (br_if $done (i32.eqz (local.get $left)))
       (if (i32.eqz (call $host_call (i32.const 16) (i32.const 7) (i32.const 32) (i32.const 14)
              (i32.const 64) (i32.const 3) (i32.const 4096) (local.get $length)))
         (then (return (i32.const 0))))
       (if (i32.eqz (call $host_response_len)) (then (return (i32.const 0))))
       (call $host_response (i32.const 131072))
       (local.set $left (i32.sub (local.get $left) (i32.const 1)))
       (br $again)))
   (call $guest_response (i32.const 4096) (local.get $length))
   (i32.const 1)))"#;

/// Answers every call with the same shared bytes, or with an error.
pub(crate) struct Shared(pub(crate) Result<Bytes, String>);

/// The engines alone, with one guest and one payload.
pub(crate) struct EngineWays {
    raw: RawLimit,
    ours: Guest,
    published: PublishedHost,
    payload: Vec<u8>,
    response: Vec<u8>,
}

/// `kv.get` of the real signed guest over the memory provider, from the request's bytes to the reply's. There,
/// `raw-limit` is bare wasmtime with [`FORWARDING`] over the same provider, without codec and checks.
pub(crate) struct PathWays {
    raw: RawLimit,
    host: Host,
    actor: ActorRef,
    published: PublishedHost,
    response: Vec<u8>,
}

// === impl Shared ===

impl Dispatch for Shared {
    fn always_ready(&self) -> bool {
        true
    }

    fn dispatch(&self, _: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        match &self.0 {
            Ok(bytes) => reply.insert(0, bytes.clone()),
            Err(text) => reply.fail(text),
        }
        Dispatched::Done
    }
}

// === impl EngineWays ===

impl EngineWays {
    /// A guest whose host calls are answered with `answer`, and which answers `payload` with `expected`.
    pub(crate) fn new(guest: &str, payload: &[u8], answer: &Bytes, expected: &[u8]) -> Self {
        let shared = answer.clone();
        let mut raw = RawLimit::new(guest.as_bytes(), Box::new(move |_, _| shared.clone())).expect("it runs");
        assert_eq!(raw.call("Get", payload).expect("it answers"), expected);

        let engine = Engine::new(EngineConfig::default()).expect("it starts");
        let program = engine.compile(guest.as_bytes()).expect("it compiles");
        let ours = Guest::new(program, Arc::new(Shared(Ok(answer.clone()))));
        let mut response = Vec::new();
        ours.call_into("Get", payload, &mut response).expect("it answers");
        assert_eq!(response, expected);

        let published = PublishedHost::unverified(guest.as_bytes(), Arc::new(Shared(Ok(answer.clone()))));
        let published = published.expect("it runs");
        assert_eq!(published.call("Get", payload).expect("it answers"), expected);
        Self { raw, ours, published, payload: payload.to_vec(), response }
    }

    /// `raw-limit`, `ours` and `wapc-crate`.
    pub(crate) fn all(&mut self) -> [Way<'_>; 3] {
        let Self { raw, ours, published, payload, response } = self;
        let payload = &*payload;
        [
            Way::new("raw-limit", move || raw.call(black_box("Get"), black_box(payload)).is_ok()),
            Way::new("ours", move || ours.call_into(black_box("Get"), black_box(payload), response).is_ok()),
            Way::new("wapc-crate", move || published.call(black_box("Get"), black_box(payload)).is_ok()),
        ]
    }
}

// === impl PathWays ===

impl PathWays {
    /// A value of so many bytes.
    pub(crate) fn new(size: usize) -> Self {
        let (signed, trusted) = signed_guest();
        let value = bytes(size);
        let provider = memory(&value);

        let store = Arc::clone(&provider);
        let get = move |_: &[u8], key: &[u8]| match store.get(std::str::from_utf8(key).unwrap_or_default()) {
            Answer::Ready(Ok(Some(entry))) => entry.value,
            _ => Bytes::new(),
        };
        let mut raw = RawLimit::new(FORWARDING.as_bytes(), Box::new(get)).expect("it runs");
        assert_eq!(raw.call("kv.get", b"key").expect("it answers"), value);

        let (host, actor) = host(&signed, &trusted, &provider, HostConfig::default());
        let mut response = Vec::new();
        host.call_into(&actor, "kv.get", b"key", &mut response).expect("it answers");
        assert_eq!(response, value);

        let published = PublishedHost::new(&signed, &trusted, &provider).expect("it runs");
        assert_eq!(published.call("kv.get", b"key").expect("it answers"), value);
        Self { raw, host, actor, published, response }
    }

    /// `raw-limit`, `host` and `wapc-crate`.
    pub(crate) fn all(&mut self) -> [Way<'_>; 3] {
        let Self { raw, host, actor, published, response } = self;
        [
            Way::new("raw-limit", move || raw.call(black_box("kv.get"), black_box(b"key")).is_ok()),
            call("host", host, actor, "kv.get", b"key", response),
            Way::new("wapc-crate", move || published.call(black_box("kv.get"), black_box(b"key")).is_ok()),
        ]
    }
}

/// One call of an actor.
pub(crate) fn call<'a>(
    name: &'static str,
    host: &'a Host,
    actor: &'a ActorRef,
    operation: &'a str,
    payload: &'a [u8],
    response: &'a mut Vec<u8>,
) -> Way<'a> {
    Way::new(name, move || host.call_into(actor, black_box(operation), black_box(payload), response).is_ok())
}

pub(crate) fn bytes(length: usize) -> Bytes {
    Bytes::from(vec![b'v'; length])
}

/// A store whose only key is `key`.
pub(crate) fn memory(value: &Bytes) -> Arc<dyn KeyValue> {
    let memory: Arc<dyn KeyValue> = Arc::new(Memory::new());
    let Answer::Ready(Ok(_)) = memory.set("key", value.clone(), SetOptions::default()) else {
        unreachable!("memory answers at once")
    };
    memory
}

/// The real guest.
pub(crate) fn guest() -> Vec<u8> {
    let path = pillion_artifacts::guest().expect("the guest builds");
    std::fs::read(path).expect("the guest was built")
}

/// The real guest, signed with a fresh key.
pub(crate) fn signed_guest() -> (Vec<u8>, TrustedIssuers) {
    let wasm = guest();
    let (account, module) = (KeyPair::new_account(), KeyPair::new_module());
    let actor = ActorClaims { caps: vec!["wascc:keyvalue".to_owned()], ..ActorClaims::default() };
    let signed =
        identity::sign(&wasm, Claims::new(&account, &module, actor), &account).expect("it can be signed");
    (signed, [account.public_key()].into())
}

/// A host that trusts nobody else, with the actor bound.
pub(crate) fn host(
    signed: &[u8],
    trusted: &TrustedIssuers,
    provider: &Arc<dyn KeyValue>,
    config: HostConfig,
) -> (Host, ActorRef) {
    let config = HostConfig { trust: trusted.clone().into(), ..config };
    let host = Host::new(config).expect("it starts");
    let actor = host.load(signed).expect("it loads");
    host.bind(&actor, "default", Arc::clone(provider)).expect("it is granted");
    (host, actor)
}
