//! The bare servers: hyper's or tonic's as its documentation has it, around the providers.

use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use dapr::dapr::proto::runtime::v1::{
    BulkStateItem, GetBulkStateRequest, GetBulkStateResponse, GetStateRequest, GetStateResponse,
    PublishEventRequest, SaveStateRequest,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pillion_capabilities::keyvalue::SetOptions;
use pillion_capabilities::messaging::{self, Messaging};
use pillion_capabilities::{KeyValue, Memory};
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tonic::server::{Grpc, NamedService};
use tonic_prost::ProstCodec;
use uuid::Uuid;

use super::{At, BULK, Cpu, KEY, Protocol, STATE, VALUE, ready, serve};

/// What they serve.
#[derive(Clone)]
struct Providers {
    state: Arc<Memory>,
    broker: Arc<messaging::Memory>,
}

/// The service of the tonic server: what the generated code makes of some methods.
#[derive(Clone)]
struct Service(Providers);

type Answer = Pin<Box<dyn Future<Output = Result<Response<tonic::body::Body>, Infallible>> + Send>>;

/// What a caller saves.
#[derive(Deserialize)]
struct Saved<'a> {
    key: &'a str,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// What a caller wants to read at once.
#[derive(Deserialize)]
struct Wanted<'a> {
    #[serde(borrow)]
    keys: Vec<&'a str>,
}

/// What it reads.
#[derive(Serialize)]
struct Item<'a> {
    key: &'a str,
    data: &'a RawValue,
    etag: String,
}

/// What is published, in its envelope.
#[derive(Serialize)]
struct Envelope<'a> {
    data: &'a RawValue,
    datacontenttype: &'a str,
    id: &'a str,
    pubsubname: &'a str,
    source: &'a str,
    specversion: &'a str,
    time: String,
    topic: &'a str,
    traceid: &'a str,
    traceparent: &'a str,
    tracestate: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
}

// === impl Providers ===

impl Providers {
    fn new() -> Self {
        let broker = Arc::new(messaging::Memory::new(messaging::Limits::default()));
        Self { state: memory(KEY), broker }
    }

    fn get(&self, key: &str) -> Bytes {
        ready(self.state.get(key).wait()).expect("a get").expect("the key is there").value
    }

    /// Values and their etags.
    fn get_all(&self, keys: &[&str]) -> Vec<(Bytes, String)> {
        let found = ready(self.state.bulk_get(keys).wait()).expect("a bulk get").into_iter();
        found
            .map(|entry| entry.expect("the key is there"))
            .map(|entry| (entry.value, entry.etag.to_string()))
            .collect()
    }

    fn set(&self, key: &str, value: Bytes) {
        ready(self.state.set(key, value, SetOptions::default()).wait()).expect("a set");
    }

    fn publish(&self, pubsub: &str, topic: &str, content_type: &str, data: &[u8]) {
        let mut id = Uuid::encode_buffer();
        let none = "00-00000000000000000000000000000000-0000000000000000-00";
        let envelope = Envelope {
            data: serde_json::from_slice(data).expect("JSON"),
            datacontenttype: content_type,
            id: Uuid::new_v4().hyphenated().encode_lower(&mut id),
            pubsubname: pubsub,
            source: "app",
            specversion: "1.0",
            time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            topic,
            traceid: none,
            traceparent: none,
            tracestate: "",
            kind: "com.dapr.event.sent",
        };
        let body = serde_json::to_vec(&envelope).expect("an envelope").into();
        let message = messaging::Message { body, ..messaging::Message::default() };
        ready(self.broker.publish(topic, message).wait()).expect("published");
    }
}

// === impl Service ===

impl NamedService for Service {
    const NAME: &'static str = "dapr.proto.runtime.v1.Dapr";
}

impl tower::Service<Request<tonic::body::Body>> for Service {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Answer {
        let providers = self.0.clone();
        match request.uri().path().rsplit('/').next().unwrap_or_default() {
            "GetState" => unary(request, move |request: GetStateRequest| {
                let data = providers.get(&request.key).into();
                GetStateResponse { data, ..GetStateResponse::default() }
            }),
            "GetBulkState" => unary(request, move |request: GetBulkStateRequest| {
                let keys: Vec<&str> = request.keys.iter().map(String::as_str).collect();
                let found = providers.get_all(&keys).into_iter();
                let item = |(key, (value, etag)): (&str, (Bytes, String))| BulkStateItem {
                    key: key.to_owned(),
                    data: value.into(),
                    etag,
                    ..BulkStateItem::default()
                };
                GetBulkStateResponse { items: keys.iter().copied().zip(found).map(item).collect() }
            }),
            "SaveState" => unary(request, move |request: SaveStateRequest| {
                for item in request.states {
                    providers.set(&item.key, item.value.into());
                }
            }),
            "PublishEvent" => unary(request, move |request: PublishEventRequest| {
                let PublishEventRequest { pubsub_name, topic, data, data_content_type, .. } = request;
                providers.publish(&pubsub_name, &topic, &data_content_type, &data);
            }),
            other => unreachable!("nobody calls {other}"),
        }
    }
}

// === free functions ===

/// Starts one, around providers of its own in which the key is.
pub(crate) fn start(protocol: Protocol, unix: Option<PathBuf>) -> (At, Cpu) {
    let (tell, told) = mpsc::channel();
    let cpu = serve(async move {
        let providers = Providers::new();
        match unix {
            None => {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
                let address = listener.local_addr().expect("an address").to_string();
                tell.send(At::Tcp(address)).expect("somebody waits");
                if protocol == Protocol::Grpc {
                    let incoming = tonic::transport::server::TcpIncoming::from(listener);
                    let server = tonic::transport::Server::builder().add_service(Service(providers));
                    let served = server.serve_with_incoming(incoming.with_nodelay(Some(true))).await;
                    return served.expect("serve");
                }
                loop {
                    let (stream, _) = listener.accept().await.expect("accept");
                    stream.set_nodelay(true).expect("no delay");
                    serve_http(protocol, stream, providers.clone());
                }
            }
            Some(path) => {
                let listener = UnixListener::bind(&path).expect("listen");
                tell.send(At::Unix(path)).expect("somebody waits");
                if protocol == Protocol::Grpc {
                    let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
                    let server = tonic::transport::Server::builder().add_service(Service(providers));
                    return server.serve_with_incoming(incoming).await.expect("serve");
                }
                loop {
                    let (stream, _) = listener.accept().await.expect("accept");
                    serve_http(protocol, stream, providers.clone());
                }
            }
        }
    });
    (told.recv().expect("ready"), cpu)
}

fn serve_http<S>(protocol: Protocol, stream: S, providers: Providers)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let providers = providers.clone();
        async move { Ok::<_, Infallible>(answer(&providers, request).await) }
    });
    let stream = TokioIo::new(stream);
    if protocol == Protocol::Http2 {
        tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service));
    } else {
        tokio::spawn(http1::Builder::new().serve_connection(stream, service));
    }
}

async fn answer(providers: &Providers, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() == Method::GET {
        let key = request.uri().path().rsplit('/').next().unwrap_or_default();
        // A sidecar asks its app for more than that.
        return if key == KEY {
            Response::new(Full::new(providers.get(key)))
        } else {
            empty(StatusCode::NOT_FOUND)
        };
    }
    if request.method() != Method::POST {
        return empty(StatusCode::NOT_FOUND);
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    match head.uri.path() {
        STATE => {
            let items: Vec<Saved<'_>> = serde_json::from_slice(&body).expect("items");
            for Saved { key, value } in items {
                providers.set(key, Bytes::copy_from_slice(value.get().as_bytes()));
            }
        }
        BULK => {
            let Wanted { keys } = serde_json::from_slice(&body).expect("keys");
            let found = providers.get_all(&keys);
            let item = |(key, (value, etag)): (&'_ &'_ str, &'_ (Bytes, String))| {
                let data: &RawValue = serde_json::from_slice(value).expect("JSON");
                serde_json::to_string(&Item { key, data, etag: etag.clone() }).expect("an item")
            };
            let items: Vec<String> = keys.iter().zip(&found).map(item).collect();
            return Response::new(Full::new(format!("[{}]", items.join(",")).into()));
        }
        path => {
            let mut parts = path.rsplit('/');
            let [topic, pubsub] = [(); 2].map(|()| parts.next().unwrap_or_default());
            let content_type = head.headers.get("content-type").and_then(|text| text.to_str().ok());
            providers.publish(pubsub, topic, content_type.unwrap_or_default(), &body);
        }
    }
    empty(StatusCode::NO_CONTENT)
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

/// Answers a call of one method.
fn unary<Q, A>(request: Request<tonic::body::Body>, answer: impl Fn(Q) -> A + Send + Sync + 'static) -> Answer
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
{
    Box::pin(async move {
        let service = tower::service_fn(|request: tonic::Request<Q>| {
            std::future::ready(Ok::<_, tonic::Status>(tonic::Response::new(answer(request.into_inner()))))
        });
        Ok(Grpc::new(ProstCodec::default()).unary(service, request).await)
    })
}

/// A provider in which this key is.
pub(crate) fn memory(key: &str) -> Arc<Memory> {
    let memory = Memory::new();
    ready(memory.set(key, Bytes::from_static(VALUE), SetOptions::default()).wait()).expect("a set");
    Arc::new(memory)
}
