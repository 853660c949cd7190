//! Plain clients of either protocol over either transport.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use dapr::dapr::proto::runtime::v1::dapr_client::DaprClient;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pillion_sidecar::http::{Offer, answer};
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::{Channel, Endpoint};

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) enum At {
    Tcp(String),
    Unix(PathBuf),
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Sends one request on a connection of its own.
pub(crate) async fn call(
    at: &At,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> Answer {
    let sender = match at {
        At::Tcp(address) => connect(TcpStream::connect(address).await.unwrap()).await,
        At::Unix(path) => connect(UnixStream::connect(path).await.unwrap()).await,
    };
    send(sender, method, path, headers, body.into()).await
}

/// Sends one request to a sidecar in this process, as it is: nobody has made it listen.
pub(crate) async fn call_within(sidecar: &Arc<pillion_sidecar::Sidecar>, path: &str) -> Answer {
    let (client, server) = tokio::io::duplex(1 << 16);
    let sidecar = Arc::clone(sidecar);
    let service = service_fn(move |request| {
        let sidecar = Arc::clone(&sidecar);
        async move { answer(&sidecar, Offer::Whole, request).await }
    });
    tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service));
    send(connect(client).await, "GET", path, &[], Vec::new()).await
}

async fn send(
    mut sender: http1::SendRequest<Full<Bytes>>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from(body)).unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

async fn connect<S>(stream: S) -> http1::SendRequest<Full<Bytes>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A client generated from Dapr's protos.
pub(crate) async fn grpc(at: &At) -> DaprClient<Channel> {
    DaprClient::new(channel(at).await)
}

/// A connection for gRPC of any service.
pub(crate) async fn channel(at: &At) -> Channel {
    let address = match at {
        At::Tcp(address) => format!("http://{address}"),
        At::Unix(path) => format!("unix://{}", path.display()),
    };
    Endpoint::new(address).unwrap().connect().await.unwrap()
}

// === impl Answer ===

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn etag(&self) -> String {
        self.header("etag").expect("an etag").to_owned()
    }

    /// Asserts success without a body.
    #[track_caller]
    pub(crate) fn is_empty(&self) {
        assert_eq!((self.status, &self.body[..]), (StatusCode::NO_CONTENT, &b""[..]), "{self:?}");
    }

    /// Asserts a failure by its status and Dapr's name, and answers its message.
    #[track_caller]
    pub(crate) fn failed(&self, status: u16, error_code: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json();
        assert_eq!(body["errorCode"], error_code);
        body["message"].as_str().unwrap().to_owned()
    }
}
