//! What a get through the sidecar costs, beside a bare server that does the same get on the same transport.
//!
//! `get/<transport>/sidecar` and `get/<transport>/bare` are whole round trips, one in flight. The sidecar is the
//! product's own [`Server`]; the bare one is hyper's HTTP/1.1 server or tonic's, each as its documentation has it,
//! around the same memory provider. Either server is a thread with a current-thread runtime of its own, the client
//! another; the client is the same for both. All threads share one processor, as waking an idle one would cost more
//! than what is compared. At the end the `ratio` lines are printed: see the module `ratio`. `half/*` are the parts of
//! either side that need no socket: of the sidecar, and of the shipped clients of `pillion-native`. `invoke` is a call of
//! another app by its id, from sidecar to sidecar, which is three hops; it is held against two calls of that app without
//! any sidecar, one after the other.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run ends")]

#[expect(dead_code, reason = "the other benchmark uses the rest")]
mod ratio;

use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion};
use dapr::dapr::proto::runtime::v1::dapr_client::DaprClient;
use dapr::dapr::proto::runtime::v1::{GetStateRequest, GetStateResponse};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;
use pillion_capabilities::keyvalue::SetOptions;
use pillion_capabilities::{Answer, KeyValue, Memory};
use pillion_native::{Address, GrpcSidecar, HttpSidecar};
use pillion_sidecar::http::{Call, Route, value_answer};
use pillion_sidecar::state::{Backend, KeyPrefix, Store};
use pillion_sidecar::{Flags, Server, Sidecar, grpc};
use prost::Message;
use ratio::{Goal, Lines, Way};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tonic::server::{Grpc, NamedService};
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

const KEY: &str = "key";
const VALUE: &[u8; 18] = b"\"0123456789abcdef\"";

/// A way to a server.
#[derive(Clone, Debug)]
enum At {
    Tcp(String),
    Unix(PathBuf),
}

/// A connected client.
enum Client {
    Http(hyper::client::conn::http1::SendRequest<Empty<Bytes>>, String),
    Grpc(DaprClient<Channel>),
}

/// The service of the bare tonic server: what the generated code makes of one method.
#[derive(Clone)]
struct BareGrpc(Arc<Memory>);

/// A pair of servers on one transport.
struct Lane {
    name: &'static str,
    sidecar: Client,
    bare: Client,
}

// === impl Client ===

impl Client {
    async fn http(at: &At) -> Self {
        Self::http_at(at, format!("/v1.0/state/store/{KEY}")).await
    }

    async fn http_at(at: &At, path: String) -> Self {
        let sender = match at {
            At::Tcp(address) => {
                let stream = TcpStream::connect(address).await.expect("connect");
                stream.set_nodelay(true).expect("no delay");
                Self::handshake(stream).await
            }
            At::Unix(path) => Self::handshake(UnixStream::connect(path).await.expect("connect")).await,
        };
        Self::Http(sender, path)
    }

    async fn handshake<S>(stream: S) -> hyper::client::conn::http1::SendRequest<Empty<Bytes>>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("handshake");
        tokio::spawn(connection);
        sender
    }

    async fn grpc(at: &At) -> Self {
        let address = match at {
            At::Tcp(address) => format!("http://{address}"),
            At::Unix(path) => format!("unix://{}", path.display()),
        };
        Self::Grpc(DaprClient::connect(address).await.expect("connect"))
    }

    /// One get, checked.
    async fn get(&mut self) {
        match self {
            Self::Http(sender, path) => {
                let request = Request::get(&**path).header("host", "localhost").body(Empty::new());
                let answer = sender.send_request(request.expect("a request")).await.expect("answer");
                let body = answer.into_body().collect().await.expect("body").to_bytes();
                assert_eq!(&body[..], VALUE);
            }
            Self::Grpc(client) => {
                let answer = client.get_state(grpc_request()).await.expect("answer").into_inner();
                assert_eq!(&answer.data[..], VALUE);
            }
        }
    }
}

// === impl Lane ===

impl Lane {
    /// One get after another, of either side.
    fn ways<'a>(&'a mut self, runtime: &'a Runtime) -> [Way<'a>; 2] {
        let way = |name, client: &'a mut Client| {
            Way::batched(name, move |times| {
                runtime.block_on(async {
                    for _ in 0..times {
                        client.get().await;
                    }
                });
            })
        };
        [way("sidecar", &mut self.sidecar), way("bare", &mut self.bare)]
    }
}

// === impl BareGrpc ===

impl NamedService for BareGrpc {
    const NAME: &'static str = "dapr.proto.runtime.v1.Dapr";
}

impl tower::Service<http::Request<tonic::body::Body>> for BareGrpc {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let memory = Arc::clone(&self.0);
        Box::pin(async move {
            let service = tower::service_fn(|request: tonic::Request<GetStateRequest>| {
                let data = bare_get(&memory, &request.get_ref().key).into();
                let response = GetStateResponse { data, ..GetStateResponse::default() };
                std::future::ready(Ok::<_, tonic::Status>(tonic::Response::new(response)))
            });
            Ok(Grpc::new(ProstCodec::default()).unary(service, request).await)
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
    let mut group = criterion.benchmark_group("get");
    for lane in &mut lanes {
        let name = lane.name;
        for mut way in lane.ways(&runtime) {
            group.bench_function(BenchmarkId::new(name, way.name()), |bencher| way.bench(bencher));
        }
    }
    group.finish();
    criterion.final_summary();
    let lines = Lines::from_args();
    for lane in &mut lanes {
        let group = format!("get/{}", lane.name);
        let [mut sidecar, mut bare] = lane.ways(&runtime);
        lines.ratio(&group, Goal::AtMost(1.25), [&mut sidecar, &mut bare]);
    }
    let [mut invoked, mut direct] = runtime.block_on(invocation(folder.path()));
    let mut over = Way::batched("two-sidecars", |times| {
        runtime.block_on(async {
            for _ in 0..times {
                invoked.get().await;
            }
        });
    });
    let mut under = Way::batched("two-bare-hops", |times| {
        runtime.block_on(async {
            for _ in 0..2 * times {
                direct.get().await;
            }
        });
    });
    lines.ratio("invoke", Goal::AtMost(3.0), [&mut over, &mut under]);
}

/// A call of another app through two sidecars, and of that app itself.
async fn invocation(folder: &Path) -> [Client; 2] {
    let bare = start_bare("app-tcp", folder, true);
    let At::Tcp(address) = &bare else { unreachable!("it listens over TCP") };
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let mut flags = Flags::local("callee");
    flags.app_port = port;
    let callee = start(flags, None);
    let mut flags = Flags::local("caller");
    flags.app_address = vec![("callee".to_owned(), callee.internal)];
    let caller = start(flags, None);
    let path = format!("/v1.0/invoke/callee/method/{KEY}");
    [Client::http_at(&At::Tcp(caller.http), path).await, Client::http_at(&bare, format!("/{KEY}")).await]
}

/// All lanes, and the shipped client of the sidecar.
async fn lanes(folder: &Path) -> (Vec<Lane>, GrpcSidecar) {
    let (sidecar_http, sidecar_grpc, ready) = start_sidecar(folder);
    let shipped = GrpcSidecar::connect(Address::Tcp(ready.grpc.clone()), "store").await.expect("connect");
    let at = |text: &str| At::Tcp(text.to_owned());
    let mut lanes = Vec::new();
    for (name, sidecar, is_http) in [
        ("http-tcp", at(&ready.http), true),
        ("http-uds", At::Unix(sidecar_http), true),
        ("grpc-tcp", at(&ready.grpc), false),
        ("grpc-uds", At::Unix(sidecar_grpc), false),
    ] {
        let bare = start_bare(name, folder, is_http);
        let (sidecar, bare) = if is_http {
            (Client::http(&sidecar).await, Client::http(&bare).await)
        } else {
            (Client::grpc(&sidecar).await, Client::grpc(&bare).await)
        };
        lanes.push(Lane { name, sidecar, bare });
    }
    (lanes, shipped)
}

fn start_sidecar(folder: &Path) -> (PathBuf, PathBuf, pillion_sidecar::Ready) {
    let mut flags = Flags::local("app");
    flags.unix_domain_socket = Some(folder.to_owned());
    let ready = start(flags, Some(Sidecar::new("app", vec![store()])));
    let socket = |path: &Option<PathBuf>| path.clone().expect("a socket");
    (socket(&ready.http_socket), socket(&ready.grpc_socket), ready)
}

/// Starts a sidecar, or lets one listen that is made already.
fn start(flags: Flags, sidecar: Option<Sidecar>) -> pillion_sidecar::Ready {
    let (tell, told) = mpsc::channel();
    serve(async move {
        let server = match sidecar {
            Some(sidecar) => Server::listen(&flags, Arc::new(sidecar)).await,
            None => Server::start(&flags).await,
        };
        let server = server.expect("listen");
        tell.send(server.ready().clone()).expect("somebody waits");
        server.run(std::future::pending()).await;
    });
    told.recv().expect("ready")
}

fn start_bare(name: &str, folder: &Path, is_http: bool) -> At {
    let path = folder.join(name);
    let over_tcp = name.ends_with("tcp");
    let (tell, told) = mpsc::channel();
    serve(async move {
        let memory = memory(KEY);
        if over_tcp {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
            let at = At::Tcp(listener.local_addr().expect("an address").to_string());
            tell.send(at).expect("somebody waits");
            if is_http {
                loop {
                    let (stream, _) = listener.accept().await.expect("accept");
                    stream.set_nodelay(true).expect("no delay");
                    serve_http(stream, Arc::clone(&memory));
                }
            }
            let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
            let server = tonic::transport::Server::builder().add_service(BareGrpc(memory));
            server.serve_with_incoming(incoming).await.expect("serve");
        } else {
            let listener = UnixListener::bind(&path).expect("listen");
            tell.send(At::Unix(path)).expect("somebody waits");
            if is_http {
                loop {
                    let (stream, _) = listener.accept().await.expect("accept");
                    serve_http(stream, Arc::clone(&memory));
                }
            }
            let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
            let server = tonic::transport::Server::builder().add_service(BareGrpc(memory));
            server.serve_with_incoming(incoming).await.expect("serve");
        }
    });
    told.recv().expect("ready")
}

fn serve_http<S>(stream: S, memory: Arc<Memory>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let key = request.uri().path().rsplit('/').next().unwrap_or_default();
        std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(bare_get(&memory, key)))))
    });
    tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
}

/// Runs a server on a thread of its own until the process ends.
fn serve(server: impl Future<Output = ()> + Send + 'static) {
    thread::spawn(move || {
        Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(server);
    });
}

/// The parts of client and server that need no socket.
fn halves(criterion: &mut Criterion, client: &GrpcSidecar) {
    let store = store();
    let mut group = criterion.benchmark_group("half");
    group.bench_function("http/server", |bencher| {
        let path = format!("/v1.0/state/store/{KEY}");
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
    let request = grpc_request().encode_to_vec();
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

fn grpc_request() -> GetStateRequest {
    GetStateRequest { store_name: "store".to_owned(), key: KEY.to_owned(), ..GetStateRequest::default() }
}

fn store() -> Store {
    Store::new("store", Backend::Memory, memory(&format!("app||{KEY}")), &KeyPrefix::AppId, "app", None)
}

fn memory(key: &str) -> Arc<Memory> {
    let memory = Memory::new();
    match memory.set(key, Bytes::from_static(VALUE), SetOptions::default()) {
        Answer::Ready(Ok(_)) => Arc::new(memory),
        _ => unreachable!("the memory provider answers at once"),
    }
}

fn bare_get(memory: &Memory, key: &str) -> Bytes {
    match memory.get(key) {
        Answer::Ready(Ok(Some(entry))) => entry.value,
        _ => unreachable!("the memory provider answers at once, and the key is there"),
    }
}

/// Runs a future that is ready at its first poll.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory provider answers at once"),
    }
}

/// Binds this thread, and so all it starts, to the processor it is on.
fn stay_on_one_processor() {
    let mut set = CpuSet::new();
    set.set(sched_getcpu().expect("a processor")).expect("in range");
    sched_setaffinity(Pid::from_raw(0), &set).expect("may be bound");
    // The scheduler moves the thread before it returns to us; give the timer a tick all the same.
    thread::sleep(Duration::from_millis(1));
}
