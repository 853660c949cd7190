//! What a call costs within one process: engine, whole path, identity, policy, codec, and the way of an error.
//!
//! `engine/*` is the engine alone: a guest makes one host call with raw bytes, to an answer that is a clone of
//! shared bytes. `path/*` is `kv.get` of the real signed guest over the memory provider, with codec and checks;
//! there, `raw-limit` is bare wasmtime with the small guest of `engine/*` over the same provider, with neither.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run ends")]

mod raw_limit;

use std::hint::black_box;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pillion_capabilities::keyvalue::SetOptions;
use pillion_capabilities::{Answer, KeyValue, Memory};
use pillion_codec::{GetRequest, GetResponse};
use pillion_host::dispatch::Bindings;
use pillion_host::engine::{Dispatch, Dispatched, Engine, EngineConfig, Guest, HostCall, Reply};
use pillion_host::identity::{self, ActorClaims, Claims, KeyPair, TrustedIssuers};
use pillion_host::policy::{Authorizer, Decision, Invocation, Opa};
use pillion_host::{ActorRef, Host, HostConfig};
use pillion_wapc_crate::PublishedHost;
use raw_limit::RawLimit;

const SIZES: [(&str, usize); 3] = [("16B", 16), ("1KiB", 1 << 10), ("64KiB", 64 << 10)];

/// Passes its request on to the host and answers with what it gets. On failure it answers the host's error.
const FORWARDING: &str = r#"(module
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

/// Answers every call with the same shared bytes, or with an error.
struct Shared(Result<Bytes, String>);

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

fn bytes(length: usize) -> Bytes {
    Bytes::from(vec![b'v'; length])
}

fn forwarding() -> Vec<u8> {
    FORWARDING.as_bytes().to_vec()
}

/// The engine alone. The request is 16 bytes, the reply of the given size.
fn engine(criterion: &mut Criterion) {
    let request = [b'k'; 16];
    let mut group = criterion.benchmark_group("engine");
    for (name, size) in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let reply = bytes(size);
        let shared = reply.clone();
        let mut raw = RawLimit::new(&forwarding(), Box::new(move |_, _| shared.clone())).expect("it runs");
        group.bench_function(BenchmarkId::new("raw-limit", name), |bencher| {
            bencher.iter(|| raw.call(black_box("Get"), black_box(&request)).is_ok());
        });

        let engine = Engine::new(EngineConfig::default()).expect("it starts");
        let program = engine.compile(&forwarding()).expect("it compiles");
        let ours = Guest::new(program, Arc::new(Shared(Ok(reply.clone()))));
        let mut response = Vec::new();
        ours.call_into("Get", &request, &mut response).expect("it answers");
        assert_eq!(response, reply);
        group.bench_function(BenchmarkId::new("ours", name), |bencher| {
            bencher.iter(|| ours.call_into(black_box("Get"), black_box(&request), &mut response).is_ok());
        });

        let published =
            PublishedHost::unverified(&forwarding(), Arc::new(Shared(Ok(reply.clone())))).expect("it runs");
        assert_eq!(published.call("Get", &request).expect("it answers"), reply);
        group.bench_function(BenchmarkId::new("wapc-crate", name), |bencher| {
            bencher.iter(|| published.call(black_box("Get"), black_box(&request)).is_ok());
        });
    }
    group.finish();
}

fn memory(value: &Bytes) -> Arc<dyn KeyValue> {
    let memory: Arc<dyn KeyValue> = Arc::new(Memory::new());
    let Answer::Ready(Ok(_)) = memory.set("key", value.clone(), SetOptions::default()) else {
        unreachable!("memory answers at once")
    };
    memory
}

/// The real guest, signed with a fresh key.
fn signed_guest() -> (Vec<u8>, TrustedIssuers) {
    let path = pillion_artifacts::guest().expect("the guest builds");
    let wasm = std::fs::read(path).expect("the guest was built");
    let (account, module) = (KeyPair::new_account(), KeyPair::new_module());
    let actor = ActorClaims { caps: vec!["wascc:keyvalue".to_owned()], ..ActorClaims::default() };
    let signed =
        identity::sign(&wasm, Claims::new(&account, &module, actor), &account).expect("it can be signed");
    (signed, [account.public_key()].into())
}

fn host(signed: &[u8], trusted: &TrustedIssuers, provider: &Arc<dyn KeyValue>) -> (Host, ActorRef) {
    let config = HostConfig { trust: trusted.clone().into(), ..HostConfig::default() };
    let host = Host::new(config).expect("it starts");
    let actor = host.load(signed).expect("it loads");
    host.bind(&actor, "default", Arc::clone(provider)).expect("it is granted");
    (host, actor)
}

/// `kv.get` from the request's bytes to the reply's.
fn path(criterion: &mut Criterion) {
    let (signed, trusted) = signed_guest();
    let mut group = criterion.benchmark_group("path");
    for (name, size) in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let value = bytes(size);
        let provider = memory(&value);

        let store = Arc::clone(&provider);
        let get = move |_: &[u8], key: &[u8]| match store.get(std::str::from_utf8(key).unwrap_or_default()) {
            Answer::Ready(Ok(Some(entry))) => entry.value,
            _ => Bytes::new(),
        };
        let mut raw = RawLimit::new(&forwarding(), Box::new(get)).expect("it runs");
        assert_eq!(raw.call("kv.get", b"key").expect("it answers"), value);
        group.bench_function(BenchmarkId::new("raw-limit", name), |bencher| {
            bencher.iter(|| raw.call(black_box("kv.get"), black_box(b"key")).is_ok());
        });

        let (host, actor) = host(&signed, &trusted, &provider);
        let mut response = Vec::new();
        host.call_into(&actor, "kv.get", b"key", &mut response).expect("it answers");
        assert_eq!(response, value);
        group.bench_function(BenchmarkId::new("host", name), |bencher| {
            bencher.iter(|| {
                host.call_into(&actor, black_box("kv.get"), black_box(b"key"), &mut response).is_ok()
            });
        });

        let published = PublishedHost::new(&signed, &trusted, &provider).expect("it runs");
        assert_eq!(published.call("kv.get", b"key").expect("it answers"), value);
        group.bench_function(BenchmarkId::new("wapc-crate", name), |bencher| {
            bencher.iter(|| published.call(black_box("kv.get"), black_box(b"key")).is_ok());
        });
    }
    group.finish();
}

/// Answers with its payload.
const ECHO: &str = r#"(module
 (import "wapc" "__guest_request" (func $guest_request (param i32 i32)))
 (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
 (memory (export "memory") 8)
 (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
   (call $guest_request (i32.const 1024) (i32.const 4096))
   (call $guest_response (i32.const 4096) (local.get $length))
   (i32.const 1)))"#;

/// One actor that passes its request on to another, beside two calls of the other.
fn actors(criterion: &mut Criterion) {
    let account = KeyPair::new_account();
    let host = Host::new(HostConfig {
        trust: TrustedIssuers::from([account.public_key()]).into(),
        ..HostConfig::default()
    })
    .expect("it starts");
    let load = |text: &str, caps: Vec<String>| {
        let wasm = wat::parse_str(text).expect("it is WebAssembly");
        let claims = ActorClaims { caps, ..ActorClaims::default() };
        let claims = Claims::new(&account, &KeyPair::new_module(), claims);
        host.load(&identity::sign(&wasm, claims, &account).expect("it can be signed")).expect("it loads")
    };
    let echo = load(ECHO, Vec::new());
    // The name of the contract in the forwarding guest makes room for the other's key.
    let forwarding = FORWARDING
        .replace(
            "(data (i32.const 32) \"wascc:keyvalue\")",
            &format!("(data (i32.const 128) \"{}\")", echo.key()),
        )
        .replace("(i32.const 32) (i32.const 14)", "(i32.const 128) (i32.const 56)");
    let caller = load(&forwarding, vec![echo.key().to_owned()]);
    host.link(&caller, &echo).expect("it is granted");
    let mut response = Vec::new();
    host.call_into(&caller, "Get", b"sixteen bytes...", &mut response).expect("it answers");
    assert_eq!(response, b"sixteen bytes...");
    let mut group = criterion.benchmark_group("actors");
    group.bench_function("one-calls-another", |bencher| {
        bencher.iter(|| {
            host.call_into(&caller, black_box("Get"), black_box(b"sixteen bytes..."), &mut response).is_ok()
        });
    });
    group.bench_function("two-plain-calls", |bencher| {
        bencher.iter(|| {
            let call = |response: &mut Vec<u8>| {
                host.call_into(&echo, black_box("Get"), black_box(b"sixteen bytes..."), response).is_ok()
            };
            call(&mut response) && call(&mut response)
        });
    });
    group.finish();
}

const POLICY: &str = r#"
package pillion
default can_load := true
can_invoke if {
    input.invocation.namespace in input.claims.wascap.caps
    input.invocation.operation in {"Get", "Set", "Add", "KeyExists"}
}
"#;

/// Open Policy Agent's say in `kv.get`: asked each time, and remembered.
fn opa(criterion: &mut Criterion) {
    let (signed, trusted) = signed_guest();
    let opa = || Opa::from_rego("bench.rego", POLICY).expect("it is a policy");
    let mut group = criterion.benchmark_group("opa");
    let claims = identity::extract(&signed).expect("it is signed");
    let evaluated = opa();
    let invocation = Invocation { binding: "default", namespace: "wascc:keyvalue", operation: "Get" };
    assert_eq!(evaluated.can_invoke(&claims, &invocation), Decision::Allow);
    group.bench_function("evaluated", |bencher| {
        bencher.iter(|| evaluated.can_invoke(black_box(&claims), black_box(&invocation)));
    });
    for (name, authorizer) in [("none", None), ("remembered", Some(Arc::new(opa()) as Arc<dyn Authorizer>))] {
        let config = HostConfig { trust: trusted.clone().into(), authorizer, ..HostConfig::default() };
        let host = Host::new(config).expect("it starts");
        let actor = host.load(&signed).expect("it loads");
        host.bind(&actor, "default", memory(&bytes(16))).expect("it is granted");
        let mut response = Vec::new();
        group.bench_function(format!("kv-get-{name}"), |bencher| {
            bencher.iter(|| {
                host.call_into(&actor, black_box("kv.get"), black_box(b"key"), &mut response).is_ok()
            });
        });
    }
    group.finish();
}

/// A module's whole identity, from its bytes to believed claims.
fn claims(criterion: &mut Criterion) {
    let (signed, trusted) = signed_guest();
    criterion.bench_function("claims/verify", |bencher| {
        bencher.iter(|| identity::verify(black_box(&signed), &trusted, SystemTime::now()).is_ok());
    });
}

/// Grant and binding, allowed and denied; both with all that follows from them within the host.
fn policy(criterion: &mut Criterion) {
    let mut bindings = Bindings::new("M", vec!["wascc:keyvalue".to_owned()]);
    bindings.bind("default", memory(&bytes(16))).expect("it is granted");
    let mut payload = Vec::new();
    GetRequest { key: "key" }.encode(&mut payload);
    let mut reply = Reply::default();
    for (name, namespace) in [("allowed", &b"wascc:keyvalue"[..]), ("denied", b"wascc:messaging")] {
        criterion.bench_function(&format!("policy/{name}"), |bencher| {
            bencher.iter(|| {
                let call = HostCall {
                    binding: b"default",
                    namespace,
                    operation: b"Get",
                    payload: &payload,
                    depth: 0,
                };
                reply.reset();
                bindings.dispatch(black_box(&call), &mut reply)
            });
        });
    }
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    for (name, size) in SIZES {
        let value = bytes(size);
        let mut encoded = Vec::new();
        let response = GetResponse { value: &value, exists: true };
        group.bench_function(BenchmarkId::new("encode", name), |bencher| {
            bencher.iter(|| {
                encoded.clear();
                black_box(&response).encode(&mut encoded);
            });
        });
        group.bench_function(BenchmarkId::new("decode", name), |bencher| {
            bencher.iter(|| GetResponse::decode(black_box(&encoded)).map(|it| it.value.len()));
        });
    }
    group.finish();
}

/// A host error that the guest hands on, and a trap that costs an instance.
fn errors(criterion: &mut Criterion) {
    let failing = || Arc::new(Shared(Err("no such key".to_owned())));
    let engine = Engine::new(EngineConfig::default()).expect("it starts");
    let ours = Guest::new(engine.compile(&forwarding()).expect("it compiles"), failing());
    let mut response = Vec::new();
    criterion.bench_function("error/guest/ours", |bencher| {
        bencher.iter(|| ours.call_into(black_box("Get"), b"key", &mut response).is_err());
    });
    let published = PublishedHost::unverified(&forwarding(), failing()).expect("it runs");
    criterion.bench_function("error/guest/wapc-crate", |bencher| {
        bencher.iter(|| published.call(black_box("Get"), b"key").is_err());
    });
    // A request beyond the guest's memory.
    let huge = vec![0; 1 << 20];
    criterion.bench_function("error/trap/ours", |bencher| {
        bencher.iter(|| ours.call_into(black_box("Get"), &huge, &mut response).is_err());
    });
}

criterion_group!(benches, engine, path, actors, opa, claims, policy, codec, errors);
criterion_main!(benches);
