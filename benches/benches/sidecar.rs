//! What a call through the sidecar costs, beside a bare server that does the same on the same transport.
//!
//! `get`, `set`, `bulk-get` and `publish`, each as `<call>/<transport>/sidecar` and `<call>/<transport>/bare`, are whole
//! round trips, one in flight. The sidecar is the product's own [`Server`] with metrics, as it ships, and components in
//! memory by their files; the bare one is hyper's server or tonic's, each as its documentation has it, around the same
//! providers. It reads what a caller sends and puts what is published into an envelope, too; it knows of no components,
//! policies, tokens, metrics or errors. Either server is a thread with a current-thread runtime of its own, the client
//! another; the client is the same for both. All threads share one processor, as waking an idle one would cost more than
//! what is compared. At the end the `ratio` lines are printed: see the module `ratio`; those of `cpu` are of what the
//! server's thread alone takes of the processor. `half/*` are the parts of either side that need no socket: of the
//! sidecar, and of the shipped clients of `pillion-native`. `invoke` is a call of another app by its id, from sidecar to
//! sidecar, which is three hops; it is held against two calls of that app without any sidecar, one after the other.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run ends")]

#[expect(dead_code, reason = "the other benchmark uses the rest")]
mod ratio;
mod sides;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion};
use dapr::dapr::proto::runtime::v1::{GetStateRequest, GetStateResponse};
use http::Response;
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;
use pillion_native::{Address, GrpcSidecar, HttpSidecar};
use pillion_sidecar::http::{Call, Route, value_answer};
use pillion_sidecar::state::{Backend, KeyPrefix, Store};
use pillion_sidecar::{Flags, Ready, Server, grpc};
use prost::Message;
use ratio::{Goal, Lines, Way};
use sides::client::{Client, Kind, get_request};
use sides::{At, Cpu, KEY, Protocol, STATE, VALUE, bare, ready, serve};
use tokio::runtime::{Builder, Runtime};

const COMPONENTS: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: store}\n\
                          spec: {type: state.in-memory, version: v1}\n---\n\
                          apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: pubsub}\n\
                          spec: {type: pubsub.in-memory, version: v1}\n";

/// A server, and who calls it.
struct Side {
    client: Client,
    cpu: Cpu,
}

/// A pair of servers on one transport.
struct Lane {
    name: &'static str,
    sidecar: Side,
    bare: Side,
}

// === impl Lane ===

impl Lane {
    /// One call after another, of either side.
    fn ways<'a>(&'a mut self, kind: Kind, runtime: &'a Runtime) -> [Way<'a>; 2] {
        [("sidecar", &mut self.sidecar), ("bare", &mut self.bare)]
            .map(|(name, side)| Way::batched(name, calls(runtime, &mut side.client, kind)))
    }

    /// The same, of which the server's time on the processor counts.
    fn servers<'a>(&'a mut self, kind: Kind, runtime: &'a Runtime) -> [Way<'a>; 2] {
        [("sidecar", &mut self.sidecar), ("bare", &mut self.bare)].map(|(name, side)| {
            let cpu = side.cpu.clone();
            Way::clocked(name, calls(runtime, &mut side.client, kind), move || cpu.used())
        })
    }
}

fn main() {
    stay_on_one_processor();
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut lanes, shipped) = runtime.block_on(lanes(folder.path()));
    let mut criterion = Criterion::default().configure_from_args();
    halves(&mut criterion, &shipped);
    for kind in Kind::ALL {
        let mut group = criterion.benchmark_group(kind.name());
        for lane in &mut lanes {
            let name = lane.name;
            for mut way in lane.ways(kind, &runtime) {
                group.bench_function(BenchmarkId::new(name, way.name()), |bencher| way.bench(bencher));
            }
        }
        group.finish();
    }
    criterion.final_summary();
    let lines = Lines::from_args();
    for kind in Kind::ALL {
        for lane in &mut lanes {
            let group = format!("{}/{}", kind.name(), lane.name);
            let [mut sidecar, mut bare] = lane.ways(kind, &runtime);
            lines.ratio(&group, Goal::AtMost(1.25), [&mut sidecar, &mut bare]);
        }
        for lane in &mut lanes {
            let group = format!("cpu/{}/{}", kind.name(), lane.name);
            let [mut sidecar, mut bare] = lane.servers(kind, &runtime);
            lines.ratio(&group, Goal::AtMost(1.3), [&mut sidecar, &mut bare]);
        }
    }
    let [mut invoked, mut direct] = runtime.block_on(invocation());
    let mut over = Way::batched("two-sidecars", calls(&runtime, &mut invoked, Kind::Get));
    let mut one_hop = calls(&runtime, &mut direct, Kind::Get);
    let mut under = Way::batched("two-bare-hops", move |times| one_hop(2 * times));
    lines.ratio("invoke", Goal::AtMost(3.0), [&mut over, &mut under]);
}

/// Makes so many calls, one after another.
fn calls<'a>(runtime: &'a Runtime, client: &'a mut Client, kind: Kind) -> impl FnMut(u64) + 'a {
    move |times| {
        runtime.block_on(async {
            for _ in 0..times {
                client.call(kind).await;
            }
        });
    }
}

/// A call of another app through two sidecars, and of that app itself.
async fn invocation() -> [Client; 2] {
    let (app, _) = bare::start(Protocol::Http, None);
    let At::Tcp(address) = &app else { unreachable!("it listens over TCP") };
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let mut flags = Flags::local("callee");
    flags.app_port = port;
    flags.enable_metrics = true;
    let (callee, _) = start(flags);
    let mut flags = Flags::local("caller");
    flags.enable_metrics = true;
    flags.app_address = vec![("callee".to_owned(), callee.internal)];
    let (caller, _) = start(flags);
    let path = format!("/v1.0/invoke/callee/method/{KEY}");
    [Client::http_at(&At::Tcp(caller.http), path).await, Client::http_at(&app, format!("/{KEY}")).await]
}

/// All lanes, and the shipped client of the sidecar. Its store has the key.
async fn lanes(folder: &Path) -> (Vec<Lane>, GrpcSidecar) {
    let components = folder.join("components");
    std::fs::create_dir(&components).expect("a folder");
    std::fs::write(components.join("components.yaml"), COMPONENTS).expect("a file");
    let mut flags = Flags::local("app");
    flags.unix_domain_socket = Some(folder.to_owned());
    flags.resources_path = vec![components];
    flags.enable_metrics = true;
    let (told, cpu) = start(flags);
    let shipped = GrpcSidecar::connect(Address::Tcp(told.grpc.clone()), "store").await.expect("connect");
    let unix = |path: &Option<PathBuf>| At::Unix(path.clone().expect("a socket"));
    let mut lanes = Vec::new();
    for (name, at, protocol) in [
        ("http-tcp", At::Tcp(told.http.clone()), Protocol::Http),
        ("http-uds", unix(&told.http_socket), Protocol::Http),
        ("http2-tcp", At::Tcp(told.http), Protocol::Http2),
        ("http2-uds", unix(&told.http_socket), Protocol::Http2),
        ("grpc-tcp", At::Tcp(told.grpc), Protocol::Grpc),
        ("grpc-uds", unix(&told.grpc_socket), Protocol::Grpc),
    ] {
        let own = name.ends_with("uds").then(|| folder.join(name));
        let mut client = Client::connect(protocol, &at).await;
        client.call(Kind::Set).await;
        let sidecar = Side { client, cpu: cpu.clone() };
        let (at, cpu) = bare::start(protocol, own);
        let bare = Side { client: Client::connect(protocol, &at).await, cpu };
        lanes.push(Lane { name, sidecar, bare });
    }
    (lanes, shipped)
}

/// Starts a sidecar.
fn start(flags: Flags) -> (Ready, Cpu) {
    let (tell, told) = mpsc::channel();
    let cpu = serve(async move {
        let server = Server::start(&flags).await.expect("listen");
        tell.send(server.ready().clone()).expect("somebody waits");
        server.run(std::future::pending()).await;
    });
    (told.recv().expect("ready"), cpu)
}

/// The parts of client and server that need no socket.
fn halves(criterion: &mut Criterion, client: &GrpcSidecar) {
    let store = store();
    let mut group = criterion.benchmark_group("half");
    group.bench_function("http/server", |bencher| {
        let path = format!("{STATE}/{KEY}");
        bencher.iter(|| match Route::find(&http::Method::GET, black_box(&path)) {
            Route::Found(Call::GetState { key, .. }) => value_answer(
                ready(pillion_sidecar::state::get(&store, key)).expect("a get").expect("a value"),
            ),
            other => unreachable!("{other:?}"),
        });
    });
    let http = HttpSidecar::new("127.0.0.1:3500".parse().expect("an address"), "store");
    let answer =
        value_answer(ready(pillion_sidecar::state::get(&store, KEY)).expect("a get").expect("a value"));
    let (head, _) = answer.into_parts();
    group.bench_function("http/client", |bencher| {
        bencher.iter(|| {
            let answer = Response::from_parts(head.clone(), Bytes::from_static(black_box(VALUE)));
            let value = http.read_answer(KEY, answer).expect("an answer").expect("a value");
            (http.read_request(black_box(KEY)).expect("a request"), value)
        });
    });
    let request = get_request().encode_to_vec();
    let entry = ready(pillion_sidecar::state::get(&store, KEY)).expect("a get").expect("a value");
    let response = grpc::get_state_response(entry).encode_to_vec();
    group.bench_function("grpc/server", |bencher| {
        bencher.iter(|| {
            let request = GetStateRequest::decode(black_box(&request[..])).expect("a request");
            let entry = ready(pillion_sidecar::state::get(&store, &request.key));
            grpc::get_state_response(entry.expect("a get").expect("a value")).encode_to_vec()
        });
    });
    group.bench_function("grpc/client", |bencher| {
        bencher.iter(|| {
            let answer = GetStateResponse::decode(black_box(&response[..])).expect("a response");
            let value = GrpcSidecar::read_answer(answer).expect("a value");
            (client.read_request(black_box(KEY)).get_ref().encode_to_vec(), value)
        });
    });
    group.finish();
}

fn store() -> Store {
    Store::new("store", Backend::Memory, bare::memory(&format!("app||{KEY}")), &KeyPrefix::AppId, "app", None)
}

/// Binds this thread, and so all it starts, to the processor it is on.
fn stay_on_one_processor() {
    let mut set = CpuSet::new();
    set.set(sched_getcpu().expect("a processor")).expect("in range");
    sched_setaffinity(Pid::from_raw(0), &set).expect("may be bound");
    // The scheduler moves the thread before it returns to us; give the timer a tick all the same.
    thread::sleep(Duration::from_millis(1));
}
