//! Which trace a request is of on its way through a host, and the spans that it leaves.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use pillion_capabilities::httpclient::{Hyper, Options as ClientOptions};
use pillion_capabilities::messaging::{
    JetStream, Memory as Bus, Nats, RedisStreams, StreamOptions, Streams, SubscribeOptions,
};
use pillion_capabilities::testing::{CollectedSpan, Collector, NatsServer, RedisServer};
use pillion_capabilities::trace::{
    self, Context, Export, FutureExt as _, Options, Protocol, SamplingRate, TraceContextExt as _, Tracing,
};
use pillion_capabilities::{Answer, BlobStore, KeyValue, Memory, Messaging, Redis};
use pillion_codec::{BrokerMessage, GetRequest, Headers, Request as ActorRequest, Response as ActorResponse};
use pillion_host::dispatch::Provider;
use pillion_host::identity::{ActorClaims, KeyPair};
use pillion_host::middleware::{ActorCall, Halt, Middleware};
use pillion_host::{ActorRef, Host, HostConfig, HttpOptions, HttpServer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::guests::{Author, PUSH, caps, downloader, http_echo, keyvalue, loaded_with, mailbox, module};
use crate::provider::{Fake, entry};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const MINUTE: Duration = Duration::from_secs(60);

/// A call that a guest makes: namespace, operation, and the payload, or its own.
type Step<'a> = (&'a str, &'a str, Option<Vec<u8>>);

/// A guest that makes these calls one after another, and then responds so; it fails as the first of them that does.
fn scripted(steps: &[Step<'_>], response: &[u8]) -> Vec<u8> {
    let bytes = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
    let (mut data, mut calls) = (String::new(), String::new());
    let _ = write!(data, "(data (i32.const 30000) \"{}\")", bytes(response));
    for (number, (namespace, operation, payload)) in steps.iter().enumerate() {
        let (name_at, operation_at, payload_at) =
            (2_000 + number * 200, 2_100 + number * 200, 32_000 + number * 2_000);
        for (at, text) in [(name_at, namespace.as_bytes()), (operation_at, operation.as_bytes())] {
            let _ = write!(data, "(data (i32.const {at}) \"{}\")", bytes(text));
        }
        let payload = match payload {
            None => "(i32.const 4096) (local.get $length)".to_owned(),
            Some(payload) => {
                let _ = write!(data, "(data (i32.const {payload_at}) \"{}\")", bytes(payload));
                format!("(i32.const {payload_at}) (i32.const {})", payload.len())
            }
        };
        let _ = write!(
            calls,
            "(if (i32.eqz (call $host_call (i32.const 16) (i32.const 7) (i32.const {name_at}) (i32.const {})
               (i32.const {operation_at}) (i32.const {}) {payload}))
             (then
               (local.set $n (call $host_error_len))
               (call $host_error (i32.const 65536))
               (call $guest_error (i32.const 65536) (local.get $n))
               (return (i32.const 0))))",
            namespace.len(),
            operation.len()
        );
    }
    module(&format!(
        "{data}
         (func (export \"__guest_call\") (param $operation i32) (param $length i32) (result i32)
           (local $n i32)
           (call $guest_request (i32.const 1024) (i32.const 4096))
           {calls}
           (call $guest_response (i32.const 30000) (i32.const {})) (i32.const 1))",
        response.len()
    ))
}

fn get_request(key: &str) -> Vec<u8> {
    let mut payload = Vec::new();
    GetRequest { key }.encode(&mut payload);
    payload
}

/// A request of an actor's to a server, with header fields of its own.
fn outward(url: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut payload = Vec::new();
    let header = Headers::new(fields);
    ActorRequest { method: "GET", path: url, query_string: "secret=1", header, body: b"" }
        .encode(&mut payload);
    payload
}

fn published(subject: &str, body: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    BrokerMessage { subject, reply_to: "", body }.encode(&mut payload);
    payload
}

/// What answers an HTTP request with 200.
fn fine() -> Vec<u8> {
    let mut response = Vec::new();
    let header = Headers::new(&[]);
    ActorResponse { status_code: 200, status: "OK", header, body: b"fine" }.encode(&mut response);
    response
}

/// The header fields of the requests that a server was asked.
type Asked = Arc<Mutex<Vec<HeaderMap>>>;

/// A server elsewhere; answers its URL.
async fn elsewhere() -> (String, Asked) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let url = format!("http://{}/path", listener.local_addr().expect("it has one"));
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let seen = Arc::clone(&seen);
            let service = service_fn(move |request: Request<Incoming>| {
                seen.lock().expect("unpoisoned").push(request.headers().clone());
                async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
            });
            tokio::spawn(async move {
                // The client may go before.
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (url, asked)
}

fn client() -> Provider {
    let mut options = ClientOptions::default();
    options.allow = vec!["127.0.0.1".parse().expect("a rule")];
    options.allow_private = true;
    Provider::http_client(Arc::new(Hyper::new(options).expect("within a runtime")))
}

fn tracing(collector: &Collector, protocol: Protocol, rate: SamplingRate) -> Tracing {
    let export = Some(Export::new(collector.url(), protocol));
    Tracing::start(&Options { service: "host".to_owned(), sampling_rate: rate, export }).expect("it starts")
}

fn traced(tracing: &Tracing) -> HostConfig {
    HostConfig { tracing: Some(tracing.clone()), ..HostConfig::default() }
}

/// Asks a server; answers the status and the body.
async fn ask(server: &HttpServer, fields: &[(&str, &str)]) -> (StatusCode, Bytes) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut request = Request::get(format!("http://{}/a?secret=2", server.address()));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response =
        client.request(request.body(Full::default()).expect("a request")).await.expect("a response");
    let (head, body) = response.into_parts();
    (head.status, body.collect().await.expect("a body").to_bytes())
}

async fn serve(host: &Host, actor: &ActorRef) -> HttpServer {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    host.serve_http(actor, listener, HttpOptions::default()).expect("it is granted")
}

/// The one span of that name.
fn named<'a>(spans: &'a [CollectedSpan], name: &str) -> &'a CollectedSpan {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "not one span {name}: {spans:#?}");
    found[0]
}

fn within(inner: &CollectedSpan, outer: &CollectedSpan) {
    assert_eq!((&inner.trace, &inner.parent), (&outer.trace, &outer.span), "{inner:#?} is not in {outer:#?}");
}

/// A front actor that has a back actor work: it asks a store, and a server elsewhere.
struct Chain {
    _host: Host,
    server: HttpServer,
    asked: Asked,
    callee: String,
}

impl Chain {
    async fn of(config: HostConfig, store: Arc<dyn KeyValue>) -> Self {
        let author = Author::new();
        let host = author.host(config);
        let (url, asked) = elsewhere().await;
        let own =
            [("TraceParent", "00-11111111111111111111111111111111-2222222222222222-00"), ("x", "stays")];
        let back = scripted(
            &[
                ("wascc:keyvalue", "Get", Some(get_request("k"))),
                ("wascc:http_client", "PerformRequest", Some(outward(&url, &own))),
            ],
            b"done",
        );
        let granted = ActorClaims {
            call_alias: Some("back".to_owned()),
            ..caps(&["wascc:keyvalue", "wascc:http_client"])
        };
        let back = host.load(&author.sign(&KeyPair::new_module(), &back, granted)).expect("it loads");
        host.bind(&back, "default", store).expect("granted");
        host.bind(&back, "default", client()).expect("granted");
        let front = scripted(&[("back", "Work", Some(Vec::new()))], &fine());
        let granted = caps(&["back", "wascc:http_server"]);
        let front = host.load(&author.sign(&KeyPair::new_module(), &front, granted)).expect("it loads");
        host.link(&front, &back).expect("granted");
        let server = serve(&host, &front).await;
        Self { server, asked, callee: back.key().to_owned(), _host: host }
    }

    /// The trace fields of the one request elsewhere.
    fn outward(&self) -> (Option<String>, Option<String>) {
        let asked = self.asked.lock().expect("unpoisoned");
        assert_eq!(asked.len(), 1, "not one request: {asked:?}");
        let fields = &asked[0];
        assert_eq!(fields.get("x").expect("it is passed on"), "stays");
        let field = |name| {
            let mut values =
                fields.get_all(name).iter().map(|value| value.to_str().expect("text").to_owned());
            let value = values.next();
            assert_eq!(values.next(), None, "{name} is there once");
            value
        };
        (field("traceparent"), field("tracestate"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_followed_from_http_through_actors_to_providers_and_out() {
    let redis = RedisServer::start_or_skip().expect("Redis starts");
    for (protocol, networked) in [(Protocol::Http, false), (Protocol::Grpc, true)] {
        let store: Arc<dyn KeyValue> = match (&redis, networked) {
            (Some(redis), true) => Arc::new(Redis::connect(&redis.url()).await.expect("it is there")),
            _ => Arc::new(Memory::new()),
        };
        let provider = store.name();
        let collector = Collector::start().expect("it starts");
        let tracing = tracing(&collector, protocol, SamplingRate::NONE);
        let chain = Chain::of(traced(&tracing), store).await;
        let fields = [("traceparent", PARENT), ("tracestate", "vendor=value")];
        assert_eq!(ask(&chain.server, &fields).await, (StatusCode::OK, "fine".into()));
        tracing.flush().expect("it is exported");
        let spans = collector.until(|spans| spans.len() >= 6).await.expect("six spans");
        assert_eq!(spans.len(), 6, "{spans:#?}");
        assert!(
            spans.iter().all(|span| span.trace == TRACE && span.service == "host" && span.error.is_none())
        );
        assert!(spans.iter().all(|span| span.state == "vendor=value"), "{spans:#?}");

        let request = named(&spans, "GET");
        assert_eq!((request.kind.as_str(), request.parent.as_str()), ("SPAN_KIND_SERVER", SPAN));
        assert_eq!(request.attribute("url.path"), "/a");
        assert_eq!(request.attribute("http.response.status_code"), "200");
        let front = named(&spans, "HandleRequest");
        within(front, request);
        assert_eq!(front.kind, "SPAN_KIND_INTERNAL");
        assert_eq!(front.attribute("pillion.actor"), request.attribute("pillion.actor"));
        let call = named(&spans, "back Work");
        within(call, front);
        assert_eq!(
            (call.kind.as_str(), call.attribute("pillion.callee")),
            ("SPAN_KIND_CLIENT", &*chain.callee)
        );
        let back = named(&spans, "Work");
        within(back, call);
        assert_eq!(back.attribute("pillion.actor"), chain.callee);
        let get = named(&spans, "wascc:keyvalue Get");
        within(get, back);
        assert_eq!((get.kind.as_str(), get.attribute("pillion.provider")), ("SPAN_KIND_CLIENT", provider));
        assert_eq!(
            (get.attribute("pillion.contract"), get.attribute("pillion.operation")),
            ("wascc:keyvalue", "Get")
        );
        assert_eq!(get.attribute("pillion.binding"), "default");
        let out = named(&spans, "wascc:http_client PerformRequest");
        within(out, back);
        assert_eq!(
            (out.attribute("http.request.method"), out.attribute("server.address")),
            ("GET", "127.0.0.1")
        );
        assert!(out.attribute("url.full").ends_with("/path"), "{out:?}");

        // In place of what the actor says itself.
        let (parent, state) = chain.outward();
        assert_eq!(parent, Some(format!("00-{TRACE}-{}-01", out.span)));
        assert_eq!(state.as_deref(), Some("vendor=value"));
    }
}

#[tokio::test]
async fn without_tracing_a_trace_is_passed_on_and_none_begins() {
    let chain = Chain::of(HostConfig::default(), Arc::new(Memory::new())).await;
    let fields = [("traceparent", PARENT), ("tracestate", "vendor=value")];
    assert_eq!(ask(&chain.server, &fields).await.0, StatusCode::OK);
    assert_eq!(chain.outward(), (Some(PARENT.to_owned()), Some("vendor=value".to_owned())));
    // What the actor says itself is all that is known then.
    let chain = Chain::of(HostConfig::default(), Arc::new(Memory::new())).await;
    assert_eq!(ask(&chain.server, &[]).await.0, StatusCode::OK);
    let (parent, state) = chain.outward();
    assert_eq!(parent.as_deref(), Some("00-11111111111111111111111111111111-2222222222222222-00"));
    assert_eq!(state, None);
    assert_eq!(trace::current(), None, "nothing is left of it on this thread");
}

#[tokio::test]
async fn an_actor_gets_its_own_traceparent_and_hostile_ones_do_no_harm() {
    let collector = Collector::start().expect("it starts");
    let tracing = tracing(&collector, Protocol::Http, SamplingRate::ALL);
    for config in [traced(&tracing), HostConfig::default()] {
        let traced = config.tracing.is_some();
        let (host, actor) = loaded_with(&http_echo(200), config, &["wascc:http_server"]);
        let server = serve(&host, &actor).await;
        let seen = async |fields: &[(&str, &str)]| {
            let (status, body) = ask(&server, fields).await;
            assert_eq!(status, StatusCode::OK, "{fields:?}");
            let request = ActorRequest::decode(&body).expect("the request, as the actor got it");
            let fields: BTreeMap<_, _> =
                request.header.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            (fields.get("traceparent").cloned(), fields.get("tracestate").cloned())
        };
        let (parent, state) = seen(&[("traceparent", PARENT), ("tracestate", "a=1")]).await;
        let parent = parent.expect("it is told");
        assert_eq!((&parent[..35], state.as_deref()), (&PARENT[..35], Some("a=1")));
        assert_eq!(parent == PARENT, !traced, "the span of the request, or as it came");
        let (parent, _) = seen(&[]).await;
        assert_eq!(parent.is_some(), traced);
        let zeros = PARENT.replace(TRACE, &"0".repeat(32));
        let later = format!("ff{}", &PARENT[2..]);
        let long = "x".repeat(8_000);
        let many = vec!["a=1"; 2_000].join(",");
        for hostile in
            ["", "-", "00", &zeros, &later, &long, "00-\u{e9}-1-01", "\t \t", &format!("{PARENT}, {PARENT}")]
        {
            let (parent, state) = seen(&[("traceparent", hostile), ("tracestate", &many)]).await;
            if traced {
                let parent = parent.expect("a new trace");
                assert!(parent.len() == 55 && !parent.contains(TRACE), "{hostile:?} became {parent}");
                assert_eq!(state, None, "it belongs to the trace that is refused");
            }
        }
        let (parent, _) = seen(&[("traceparent", PARENT), ("traceparent", PARENT)]).await;
        assert!(!traced || !parent.expect("a new trace").contains(TRACE), "nobody knows which");
    }
}

/// Lets a message be published, and delivered to an actor that calls a store.
async fn through(bus: Arc<dyn Messaging>, config: HostConfig) -> (Host, Arc<dyn Messaging>) {
    let author = Author::new();
    let host = author.host(config);
    let granted = caps(&["wascc:keyvalue", "wascc:messaging"]);
    let actor = host.load(&author.sign(&KeyPair::new_module(), &mailbox(), granted)).expect("it loads");
    let store = Arc::new(Memory::new());
    host.bind(&actor, "default", Arc::clone(&bus)).expect("granted");
    host.bind(&actor, "default", Provider::key_value(Arc::clone(&store))).expect("granted");
    let group = SubscribeOptions { group: Some("g".to_owned()), ..SubscribeOptions::default() };
    host.subscribe(&actor, "default", "inbox", group).await.expect("subscribed");
    let mut body = Vec::new();
    pillion_codec::Item { key: "k", value: b"1" }.encode(&mut body);
    assert_eq!(body.len(), PUSH);
    let parent = trace::from_pairs(&[("traceparent".to_owned(), PARENT.to_owned())]).expect("it is one");
    let context = Context::new().with_remote_span_context(parent);
    let attached = context.clone().attach();
    let call = host.call(&actor, "Publish", &published("inbox", &body));
    drop(attached);
    call.wait().with_context(context).await.expect("published");
    let pushed = async {
        while store.list_range("k", 0, -1).wait().await.expect("it is a list").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(MINUTE, pushed).await.expect("it is pushed");
    (host, bus)
}

/// The buses that there are, with their servers.
async fn buses() -> (Vec<Arc<dyn Messaging>>, Option<RedisServer>, Option<NatsServer>) {
    let (redis, nats) = (RedisServer::start_or_skip(), NatsServer::start_or_skip());
    let (redis, nats) = (redis.expect("Redis starts"), nats.expect("NATS starts"));
    let mut buses: Vec<Arc<dyn Messaging>> = vec![Arc::new(Bus::default())];
    if let Some(redis) = &redis {
        buses.push(Arc::new(RedisStreams::connect(&redis.url(), 1_000).await.expect("it is there")));
    }
    if let Some(nats) = &nats {
        let streams = Streams::Made(StreamOptions::default());
        buses.push(Arc::new(JetStream::connect(&nats.url(), streams).await.expect("it is there")));
        buses.push(Arc::new(Nats::connect(&nats.url()).await.expect("it is there")));
    }
    (buses, redis, nats)
}

#[tokio::test]
async fn a_message_is_followed_to_whom_it_is_delivered() {
    let (buses, _redis, _nats) = buses().await;
    for bus in buses {
        let provider = bus.name();
        let collector = Collector::start().expect("it starts");
        let tracing = tracing(&collector, Protocol::Http, SamplingRate::ALL);
        let (host, _) = through(bus, traced(&tracing)).await;
        let all = |spans: &[CollectedSpan]| {
            // It ends when the message is settled.
            tracing.flush().is_ok() && spans.len() >= 5
        };
        let flushed = async {
            while !all(&collector.spans()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(MINUTE, flushed).await.expect("five spans");
        let spans = collector.spans();
        assert_eq!(spans.len(), 5, "{provider}: {spans:#?}");
        let publish = named(&spans, "wascc:messaging Publish");
        within(publish, named(&spans, "Publish"));
        assert_eq!(publish.kind, "SPAN_KIND_PRODUCER");
        assert_eq!(
            (publish.attribute("messaging.system"), publish.attribute("messaging.destination.name")),
            (provider, "inbox")
        );
        let process = named(&spans, "process inbox");
        within(process, publish);
        assert_eq!(
            (process.kind.as_str(), process.attribute("messaging.system")),
            ("SPAN_KIND_CONSUMER", provider)
        );
        assert_eq!((process.attribute("pillion.attempt"), process.error.as_deref()), ("1", None));
        let deliver = named(&spans, "DeliverMessage");
        within(deliver, process);
        within(named(&spans, "wascc:keyvalue Push"), deliver);
        drop(host);
    }
}

#[tokio::test]
async fn without_tracing_a_message_says_what_trace_it_is_of() {
    let (buses, _redis, _nats) = buses().await;
    for bus in buses {
        let mut seen =
            bus.subscribe("inbox", SubscribeOptions::default()).wait().await.expect("a subscription");
        let parent = trace::from_pairs(&[("traceparent".to_owned(), PARENT.to_owned())]).expect("it is one");
        let author = Author::new();
        let host = author.host(HostConfig::default());
        let granted = caps(&["wascc:messaging"]);
        let actor = host.load(&author.sign(&KeyPair::new_module(), &mailbox(), granted)).expect("it loads");
        host.bind(&actor, "default", Arc::clone(&bus)).expect("granted");
        for context in [Context::new(), Context::new().with_remote_span_context(parent)] {
            let known = context.has_active_span();
            let attached = context.clone().attach();
            let call = host.call(&actor, "Publish", &published("inbox", b"x"));
            drop(attached);
            call.wait().with_context(context).await.expect("published");
            let delivery =
                tokio::time::timeout(MINUTE, seen.next()).await.expect("in time").expect("it arrives");
            let headers = &delivery.received.message.headers;
            let parent =
                headers.iter().find(|(name, _)| name == "traceparent").map(|(_, value)| value.as_str());
            assert_eq!(parent, known.then_some(PARENT), "{}: {headers:?}", bus.name());
            delivery
                .ticket
                .settle(pillion_capabilities::messaging::Outcome::Acknowledge)
                .wait()
                .await
                .expect("settled");
        }
    }
}

/// The keys that a store was asked for, each with the trace that it was asked in.
type Reached = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// Hundreds of calls, each of a trace of its own, wait for a store twice, and are let go in another order than they came,
/// on whatever thread is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_wait_keep_the_trace_that_they_are_of() {
    const CALLS: usize = 300;
    let collector = Collector::start().expect("it starts");
    let tracing = tracing(&collector, Protocol::Http, SamplingRate::NONE);
    for config in [HostConfig::default(), traced(&tracing)] {
        let traced = config.tracing.is_some();
        let waiting: Arc<Mutex<Vec<oneshot::Sender<()>>>> = Arc::default();
        let reached: Reached = Arc::default();
        let (go, note) = (Arc::clone(&waiting), Arc::clone(&reached));
        let store = Fake::getting(false, move |key| {
            let trace = || trace::current().map(|context| context.trace_id().to_string());
            note.lock().expect("unpoisoned").push((key.to_owned(), trace()));
            let (sender, gone) = oneshot::channel();
            go.lock().expect("unpoisoned").push(sender);
            let (key, note) = (key.to_owned(), Arc::clone(&note));
            Answer::pending(async move {
                gone.await.expect("every call is let go");
                // Wherever it is polled.
                note.lock().expect("unpoisoned").push((key, trace()));
                Ok(entry("value"))
            })
        });
        let twice = scripted(&[("wascc:keyvalue", "Get", None), ("wascc:keyvalue", "Get", None)], b"done");
        let (host, actor) = loaded_with(&twice, config, &["wascc:keyvalue"]);
        host.bind(&actor, "default", store as Arc<dyn KeyValue>).expect("granted");
        let mut calls = JoinSet::new();
        for number in 1..=CALLS {
            let id = format!("{number:032x}");
            let parent = format!("00-{id}-{SPAN}-00");
            let parent = trace::from_pairs(&[("traceparent".to_owned(), parent)]).expect("it is one");
            let context = Context::new().with_remote_span_context(parent);
            let attached = context.clone().attach();
            let call = host.call(&actor, "Twice", &get_request(&id));
            drop(attached);
            // Without tracing it is for whoever makes a call to keep its context, as the HTTP server does.
            calls.spawn(call.wait().with_context(if traced { Context::new() } else { context }));
        }
        for _ in 0..2 {
            let all = async {
                while waiting.lock().expect("unpoisoned").len() < CALLS {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(MINUTE, all).await.expect("all wait");
            // The last come first; the next are not let go with them.
            let round: Vec<_> = std::mem::take(&mut *waiting.lock().expect("unpoisoned"));
            for go in round.into_iter().rev() {
                go.send(()).expect("it waits");
            }
        }
        while let Some(call) = calls.join_next().await {
            assert_eq!(call.expect("no panic").expect("answered"), "done");
        }
        let reached = reached.lock().expect("unpoisoned");
        assert_eq!(reached.len(), 4 * CALLS);
        assert!(reached.iter().all(|(key, trace)| trace.as_ref() == Some(key)), "each is of its own trace");
        assert_eq!(trace::current(), None);
    }
    assert!(collector.spans().is_empty(), "what their parents did not sample is not");
}

#[tokio::test]
async fn the_chunks_of_a_download_belong_to_the_request_for_it() {
    use pillion_capabilities::blobstore::{Files, Memory as Blobs};
    let folder = tempfile::tempdir().expect("a folder");
    let files: Arc<dyn BlobStore> = Arc::new(Files::open(folder.path()).expect("it opens"));
    // One answers at once, the other later.
    for blobs in [Arc::new(Blobs::new(1 << 20)), files] {
        let collector = Collector::start().expect("it starts");
        let tracing = tracing(&collector, Protocol::Http, SamplingRate::ALL);
        blobs.create_container("box").wait().await.expect("made");
        blobs.put("box", "thing", Bytes::from_static(b"bytes")).wait().await.expect("put");
        let (host, actor) =
            loaded_with(&downloader(), traced(&tracing), &["wascc:blobstore", "wascc:keyvalue"]);
        host.bind(&actor, "default", blobs).expect("granted");
        host.bind(&actor, "default", Provider::key_value(Arc::new(Memory::new()))).expect("granted");
        let mut payload = Vec::new();
        pillion_codec::StreamRequest { container: "box", id: "thing", chunk_size: 100, context: None }
            .encode(&mut payload);
        host.call(&actor, "StartDownload", &payload).wait().await.expect("begun");
        let exported = async {
            while !(tracing.flush().is_ok() && collector.spans().len() >= 4) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(MINUTE, exported).await.expect("four spans");
        let spans = collector.spans();
        let asked = named(&spans, "wascc:blobstore StartDownload");
        within(asked, named(&spans, "StartDownload"));
        let chunk = named(&spans, "ReceiveChunk");
        within(chunk, asked);
        within(named(&spans, "wascc:keyvalue Push"), chunk);
    }
}

struct Halting;

impl Middleware for Halting {
    fn before_actor(&self, _: &ActorCall<'_>) -> Result<(), Halt> {
        Err(Halt("not today".to_owned()))
    }
}

#[tokio::test]
async fn a_span_tells_what_went_wrong() {
    let collector = Collector::start().expect("it starts");
    let tracing = tracing(&collector, Protocol::Http, SamplingRate::ALL);
    // Nothing is bound, so that the call is denied; the actor fails with that, at once and where it waits.
    let (host, actor) = loaded_with(&keyvalue(), traced(&tracing), &["wascc:keyvalue"]);
    host.call(&actor, "Get", &get_request("k")).wait().await.expect_err("denied");
    host.bind(&actor, "other", Fake::getting(false, |_| panic!("nobody asks it")) as Arc<dyn KeyValue>)
        .expect("granted");
    host.call(&actor, "Set", &get_request("k")).wait().await.expect_err("denied");
    let config = HostConfig { middleware: vec![Arc::new(Halting)], ..traced(&tracing) };
    let (host, actor) = loaded_with(&keyvalue(), config, &["wascc:keyvalue"]);
    host.call(&actor, "Halted", b"").wait().await.expect_err("halted");
    tracing.flush().expect("it is exported");
    let spans = collector.until(|spans| spans.len() >= 5).await.expect("five spans");
    assert_eq!(spans.len(), 5, "{spans:#?}");
    for name in ["Get", "Set"] {
        let call = named(&spans, &format!("wascc:keyvalue {name}"));
        within(call, named(&spans, name));
        let error = call.error.as_deref().expect("it was denied");
        assert!(error.contains("no provider is bound for wascc:keyvalue"), "{error}");
        assert_eq!(call.attribute("pillion.provider"), "");
        assert!(named(&spans, name).error.is_some());
    }
    let error = named(&spans, "Halted").error.as_deref().expect("it was halted");
    assert!(error.contains("not today"), "{error}");
}
