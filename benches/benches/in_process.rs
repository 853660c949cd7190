//! What a call costs within one process: engine, guest call, host import, whole path, identity, policy, codec, and the
//! way of an error.
//!
//! `engine/*` is the engine alone: a guest makes one host call with raw bytes, to an answer that is a clone of
//! shared bytes. `call/echo/*` is a guest's call without any host call, `import/*` the same guest with no host call and
//! with 64 of them, each 16 bytes there and back: a host import by itself is a 64th of what lies between. `path/*` is
//! `kv.get` of the real signed guest over the memory provider, with codec and checks; there, `raw-limit` is bare wasmtime
//! with the small guest of `engine/*` over the same provider, with neither.
//!
//! At the end the `ratio` lines are printed, each beside its goal: see the module `ratio`.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run ends")]

mod load;
mod ratio;
mod raw_limit;
mod ways;

use std::hint::black_box;
use std::sync::Arc;
use std::time::SystemTime;

use criterion::{BenchmarkId, Criterion, Throughput};
use pillion_codec::{GetRequest, GetResponse};
use pillion_host::dispatch::Bindings;
use pillion_host::engine::{Dispatch, Engine, EngineConfig, Guest, HostCall, Reply};
use pillion_host::identity::{self, ActorClaims, Claims, KeyPair, TrustedIssuers};
use pillion_host::metrics::Metrics;
use pillion_host::policy::{AntiForgery, Authorizer, Decision, Invocation, Opa};
use pillion_host::{ActorRef, Host, HostConfig};
use pillion_wapc_crate::PublishedHost;
use ratio::{Goal, Lines, Way};
use ways::{
    ECHO, EngineWays, FORWARDING, PathWays, REPEATING, Shared, bytes, call, host, memory, signed_guest,
};

const SIZES: [(&str, usize); 3] = [("16B", 16), ("1KiB", 1 << 10), ("64KiB", 64 << 10)];
/// Host calls of one request, to tell what one of them costs.
const IMPORTS: u8 = 64;
const SIXTEEN: &[u8; 16] = b"sixteen bytes...";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let lines = Lines::from_args();
    engine(&mut criterion);
    call_alone(&mut criterion);
    imports(&mut criterion);
    path(&mut criterion);
    actors(&mut criterion);
    opa(&mut criterion);
    claims(&mut criterion);
    policy(&mut criterion);
    codec(&mut criterion);
    errors(&mut criterion);
    criterion.final_summary();
    ratios(&lines);
}

/// Everything that has a goal, from neighbours of one run.
fn ratios(lines: &Lines) {
    // At 64 KiB both copy for most of the time.
    let goals = [Goal::AtLeast(4.0), Goal::AtLeast(4.0), Goal::Unset];
    for ((name, size), goal) in SIZES.into_iter().zip(goals) {
        let mut ways = engine_ways(size);
        let [mut raw, mut ours, mut published] = ways.all();
        let group = format!("engine/{name}");
        lines.ratio(&group, goal, [&mut published, &mut ours]);
        lines.ratio(&group, Goal::AtMost(1.3), [&mut ours, &mut raw]);
    }
    for ((name, size), goal) in SIZES.into_iter().zip([2.5, 2.5, 2.0]) {
        let mut ways = PathWays::new(size);
        let [mut raw, mut host, mut published] = ways.all();
        let group = format!("path/{name}");
        lines.ratio(&group, Goal::AtLeast(goal), [&mut published, &mut host]);
        lines.ratio(&group, Goal::AtMost(2.5), [&mut host, &mut raw]);
    }
    let [mut ways, mut none, mut all] = [echo_ways(), repeating(0), repeating(IMPORTS)];
    let [mut raw, mut ours, mut published] = ways.all();
    lines.ratio("call/echo", Goal::Unset, [&mut published, &mut ours]);
    lines.ratio("call/echo", Goal::Unset, [&mut ours, &mut raw]);
    for (mut all, mut none) in all.all().into_iter().zip(none.all()) {
        let group = format!("import/{}", all.name());
        lines.difference(&group, Goal::Unset, IMPORTS.into(), [&mut all, &mut none]);
    }
    let (actors, mut responses) = (Actors::new(), [Vec::new(), Vec::new()]);
    let [mut linked, mut plain] = actors.ways(&mut responses);
    lines.ratio("actors", Goal::AtMost(1.3), [&mut linked, &mut plain]);
    opa_lines(lines);
    check_lines(lines);
    layer_lines(lines);
    load::swap(lines);
    load::waiting(lines);
}

/// A capability call with every check on, beside one of a host that was told nothing but whom to trust. Claims and binding
/// are checked in both. The goal is that of the checks: metrics count and do not check, and a token for each call costs
/// what a signature does, which no call in process can hide.
fn check_lines(lines: &Lines) {
    let (signed, trusted) = signed_guest();
    let provider = memory(&bytes(16));
    let (bare, bare_actor) = host(&signed, &trusted, &provider, HostConfig::default());
    let counted = |config| HostConfig { middleware: vec![Arc::new(Metrics::default())], ..config };
    let signing = |anti_forgery| HostConfig { anti_forgery, ..counted(asked()) };
    for (name, goal, config) in [
        ("policy", Goal::AtMost(1.1), asked()),
        ("policy-metrics", Goal::Unset, counted(asked())),
        ("policy-metrics-mint", Goal::Unset, signing(AntiForgery::Mint)),
        ("policy-metrics-mint-and-verify", Goal::Unset, signing(AntiForgery::MintAndVerify)),
    ] {
        let (host, actor) = host(&signed, &trusted, &provider, config);
        let [mut first, mut second] = [Vec::new(), Vec::new()];
        let mut checked = call(name, &host, &actor, "kv.get", b"key", &mut first);
        let mut unchecked = call("bare", &bare, &bare_actor, "kv.get", b"key", &mut second);
        lines.ratio("checks", goal, [&mut checked, &mut unchecked]);
    }
}

/// What the switches beside the policy add to a call: a token that is minted, or verified too, and counting it.
fn layer_lines(lines: &Lines) {
    let (signed, trusted) = signed_guest();
    let provider = memory(&bytes(16));
    let signing = |anti_forgery| HostConfig { anti_forgery, ..HostConfig::default() };
    let counting = HostConfig { middleware: vec![Arc::new(Metrics::default())], ..HostConfig::default() };
    let (bare, bare_actor) = host(&signed, &trusted, &provider, HostConfig::default());
    for (line, name, config) in [
        ("anti-forgery/mint-minus-off", "mint", signing(AntiForgery::Mint)),
        ("anti-forgery/mint-and-verify-minus-off", "mint and verify", signing(AntiForgery::MintAndVerify)),
        ("metrics/counted-minus-not", "counted", counting),
    ] {
        let (host, actor) = host(&signed, &trusted, &provider, config);
        let [mut first, mut second] = [Vec::new(), Vec::new()];
        let mut more = call(name, &host, &actor, "kv.get", b"key", &mut first);
        let mut less = call("off", &bare, &bare_actor, "kv.get", b"key", &mut second);
        lines.difference(line, Goal::Unset, 1.0, [&mut more, &mut less]);
    }
}

/// What a policy adds to a call when its word is remembered, and what asking it costs.
fn opa_lines(lines: &Lines) {
    let (signed, trusted) = signed_guest();
    let provider = memory(&bytes(16));
    let (bare, bare_actor) = host(&signed, &trusted, &provider, HostConfig::default());
    let (asking, asking_actor) = host(&signed, &trusted, &provider, asked());
    let [mut first, mut second] = [Vec::new(), Vec::new()];
    lines.difference(
        "opa/remembered-minus-none",
        Goal::AtMost(50.0),
        1.0,
        [
            &mut call("remembered", &asking, &asking_actor, "kv.get", b"key", &mut first),
            &mut call("none", &bare, &bare_actor, "kv.get", b"key", &mut second),
        ],
    );
    let (policy, claims) = (opa_policy(), identity::extract(&signed).expect("it is signed"));
    let mut evaluated = Way::new("evaluated", || policy.can_invoke(black_box(&claims), black_box(&GET)));
    lines.duration("opa", Goal::AtMost(20.0), &mut evaluated);
}

/// A guest that makes one host call. The request is 16 bytes, the reply of the given size.
fn engine_ways(size: usize) -> EngineWays {
    let reply = bytes(size);
    EngineWays::new(FORWARDING, &[b'k'; 16], &reply, &reply)
}

fn echo_ways() -> EngineWays {
    EngineWays::new(ECHO, SIXTEEN, &bytes(16), SIXTEEN)
}

/// A guest that makes so many host calls, each with 16 bytes there and back.
fn repeating(calls: u8) -> EngineWays {
    let mut payload = *SIXTEEN;
    payload[0] = calls;
    EngineWays::new(REPEATING, &payload, &bytes(16), &payload)
}

/// The engine alone.
fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    for (name, size) in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        for mut way in engine_ways(size).all() {
            group.bench_function(BenchmarkId::new(way.name(), name), |bencher| way.bench(bencher));
        }
    }
    group.finish();
}

/// A guest's call alone: nothing is imported but its request and its response.
fn call_alone(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call/echo");
    for mut way in echo_ways().all() {
        group.bench_function(way.name(), |bencher| way.bench(bencher));
    }
    let (actors, mut response) = (Actors::new(), Vec::new());
    let mut way = call("host", &actors.host, &actors.echo, "Get", SIXTEEN, &mut response);
    group.bench_function(way.name(), |bencher| way.bench(bencher));
    group.finish();
}

/// A guest's call with and without host calls.
fn imports(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("import");
    for calls in [0, IMPORTS] {
        for mut way in repeating(calls).all() {
            group.bench_function(BenchmarkId::new(way.name(), calls), |bencher| way.bench(bencher));
        }
    }
    group.finish();
}

/// `kv.get` from the request's bytes to the reply's.
fn path(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("path");
    for (name, size) in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        for mut way in PathWays::new(size).all() {
            group.bench_function(BenchmarkId::new(way.name(), name), |bencher| way.bench(bencher));
        }
    }
    group.finish();
}

/// One actor that passes its request on to another.
struct Actors {
    host: Host,
    caller: ActorRef,
    echo: ActorRef,
}

impl Actors {
    fn new() -> Self {
        let account = KeyPair::new_account();
        let trust = TrustedIssuers::from([account.public_key()]).into();
        let host = Host::new(HostConfig { trust, ..HostConfig::default() }).expect("it starts");
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
        host.call_into(&caller, "Get", SIXTEEN, &mut response).expect("it answers");
        assert_eq!(response, SIXTEEN);
        Self { host, caller, echo }
    }

    /// One that calls the other, and two calls of the other.
    fn ways<'a>(&'a self, [first, second]: &'a mut [Vec<u8>; 2]) -> [Way<'a>; 2] {
        let plain = move || {
            let call = |response: &mut Vec<u8>| {
                self.host.call_into(&self.echo, black_box("Get"), black_box(SIXTEEN), response).is_ok()
            };
            call(second) && call(second)
        };
        [
            call("one-calls-another", &self.host, &self.caller, "Get", SIXTEEN, first),
            Way::new("two-plain-calls", plain),
        ]
    }
}

/// One actor that calls another, beside two calls of the other.
fn actors(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("actors");
    let (actors, mut responses) = (Actors::new(), [Vec::new(), Vec::new()]);
    for mut way in actors.ways(&mut responses) {
        group.bench_function(way.name(), |bencher| way.bench(bencher));
    }
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
const GET: Invocation<'_> = Invocation { binding: "default", namespace: "wascc:keyvalue", operation: "Get" };

/// A host that asks the policy.
fn asked() -> HostConfig {
    HostConfig { authorizer: Some(Arc::new(opa_policy())), ..HostConfig::default() }
}

fn opa_policy() -> Opa {
    Opa::from_rego("bench.rego", POLICY).expect("it is a policy")
}

/// Open Policy Agent's say in `kv.get`: asked each time, and remembered.
fn opa(criterion: &mut Criterion) {
    let (signed, trusted) = signed_guest();
    let mut group = criterion.benchmark_group("opa");
    let claims = identity::extract(&signed).expect("it is signed");
    let evaluated = opa_policy();
    assert_eq!(evaluated.can_invoke(&claims, &GET), Decision::Allow);
    group.bench_function("evaluated", |bencher| {
        bencher.iter(|| evaluated.can_invoke(black_box(&claims), black_box(&GET)));
    });
    for (name, config) in [("kv-get-none", HostConfig::default()), ("kv-get-remembered", asked())] {
        let (host, actor) = host(&signed, &trusted, &memory(&bytes(16)), config);
        let mut response = Vec::new();
        let mut way = call(name, &host, &actor, "kv.get", b"key", &mut response);
        group.bench_function(name, |bencher| way.bench(bencher));
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
    let ours = Guest::new(engine.compile(FORWARDING.as_bytes()).expect("it compiles"), failing());
    let mut response = Vec::new();
    criterion.bench_function("error/guest/ours", |bencher| {
        bencher.iter(|| ours.call_into(black_box("Get"), b"key", &mut response).is_err());
    });
    let published = PublishedHost::unverified(FORWARDING.as_bytes(), failing()).expect("it runs");
    criterion.bench_function("error/guest/wapc-crate", |bencher| {
        bencher.iter(|| published.call(black_box("Get"), b"key").is_err());
    });
    // A request beyond the guest's memory.
    let huge = vec![0; 1 << 20];
    criterion.bench_function("error/trap/ours", |bencher| {
        bencher.iter(|| ours.call_into(black_box("Get"), &huge, &mut response).is_err());
    });
}
