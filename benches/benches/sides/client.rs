//! The client of either side.

use bytes::Bytes;
use dapr::dapr::proto::common::v1::StateItem;
use dapr::dapr::proto::runtime::v1::dapr_client::DaprClient;
use dapr::dapr::proto::runtime::v1::{
    GetBulkStateRequest, GetStateRequest, PublishEventRequest, SaveStateRequest,
};
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::Channel;

use super::{At, BULK, KEY, PUBLISH, Protocol, STATE, VALUE};

const SAVE: &[u8] = b"[{\"key\":\"key\",\"value\":\"0123456789abcdef\"}]";
const KEYS: &[u8] = b"{\"keys\":[\"key\"]}";

/// What is called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Get,
    Set,
    Bulk,
    Publish,
}

/// A connected client.
pub(crate) enum Client {
    /// With the path of a get.
    Http(http1::SendRequest<Full<Bytes>>, String),
    Http2(http2::SendRequest<Full<Bytes>>),
    Grpc(DaprClient<Channel>),
}

// === impl Kind ===

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Get, Self::Set, Self::Bulk, Self::Publish];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Bulk => "bulk-get",
            Self::Publish => "publish",
        }
    }

    /// Whether its answer has the value.
    fn reads(self) -> bool {
        matches!(self, Self::Get | Self::Bulk)
    }
}

// === impl Client ===

impl Client {
    pub(crate) async fn connect(protocol: Protocol, at: &At) -> Self {
        match protocol {
            Protocol::Http => Self::http_at(at, format!("{STATE}/{KEY}")).await,
            Protocol::Http2 => match at {
                At::Tcp(_) => Self::http2(tcp(at).await).await,
                At::Unix(_) => Self::http2(unix(at).await).await,
            },
            Protocol::Grpc => {
                let address = match at {
                    At::Tcp(address) => format!("http://{address}"),
                    At::Unix(path) => format!("unix://{}", path.display()),
                };
                Self::Grpc(DaprClient::connect(address).await.expect("connect"))
            }
        }
    }

    /// One over HTTP/1.1 whose gets have this path.
    pub(crate) async fn http_at(at: &At, path: String) -> Self {
        let sender = match at {
            At::Tcp(_) => Self::http1(tcp(at).await).await,
            At::Unix(_) => Self::http1(unix(at).await).await,
        };
        Self::Http(sender, path)
    }

    async fn http1(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> http1::SendRequest<Full<Bytes>> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("handshake");
        tokio::spawn(connection);
        sender
    }

    async fn http2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let made = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = made.expect("handshake");
        tokio::spawn(connection);
        Self::Http2(sender)
    }

    /// One call, checked.
    pub(crate) async fn call(&mut self, kind: Kind) {
        match self {
            Self::Http(sender, path) => {
                let answer = sender.send_request(request(kind, path, Version::HTTP_11)).await;
                check(kind, answer.expect("answer")).await;
            }
            Self::Http2(sender) => {
                let path = format!("http://localhost{STATE}/{KEY}");
                let answer = sender.send_request(request(kind, &path, Version::HTTP_2)).await;
                check(kind, answer.expect("answer")).await;
            }
            Self::Grpc(client) => call(client, kind).await,
        }
    }
}

// === free functions ===

async fn tcp(at: &At) -> TcpStream {
    let At::Tcp(address) = at else { unreachable!("it is asked for one over TCP") };
    let stream = TcpStream::connect(address).await.expect("connect");
    stream.set_nodelay(true).expect("no delay");
    stream
}

async fn unix(at: &At) -> UnixStream {
    let At::Unix(path) = at else { unreachable!("it is asked for a Unix socket") };
    UnixStream::connect(path).await.expect("connect")
}

fn request(kind: Kind, get: &str, version: Version) -> Request<Full<Bytes>> {
    let (path, body) = match kind {
        Kind::Get => (get, &b""[..]),
        Kind::Set => (STATE, SAVE),
        Kind::Bulk => (BULK, KEYS),
        Kind::Publish => (PUBLISH, &VALUE[..]),
    };
    let builder = match kind {
        Kind::Get => Request::get(path),
        _ if version == Version::HTTP_2 => Request::post(format!("http://localhost{path}")),
        _ => Request::post(path),
    };
    let builder = match version {
        Version::HTTP_2 => builder,
        _ => builder.header("host", "localhost"),
    };
    let builder = match kind {
        Kind::Get => builder,
        _ => builder.header("content-type", "application/json"),
    };
    builder.version(version).body(Full::new(Bytes::from_static(body))).expect("a request")
}

async fn check(kind: Kind, answer: Response<Incoming>) {
    let expected = if kind.reads() { StatusCode::OK } else { StatusCode::NO_CONTENT };
    assert_eq!(answer.status(), expected);
    let body = answer.into_body().collect().await.expect("body").to_bytes();
    match kind {
        Kind::Get => assert_eq!(&body[..], VALUE),
        Kind::Bulk => assert!(body.windows(VALUE.len()).any(|part| part == VALUE)),
        Kind::Set | Kind::Publish => assert!(body.is_empty()),
    }
}

async fn call(client: &mut DaprClient<Channel>, kind: Kind) {
    let store_name = "store".to_owned();
    match kind {
        Kind::Get => {
            let answer = client.get_state(get_request()).await.expect("answer").into_inner();
            assert_eq!(&answer.data[..], VALUE);
        }
        Kind::Set => {
            let item = StateItem { key: KEY.to_owned(), value: VALUE.to_vec(), ..StateItem::default() };
            let request = SaveStateRequest { store_name, states: vec![item] };
            client.save_state(request).await.expect("answer");
        }
        Kind::Bulk => {
            let keys = vec![KEY.to_owned()];
            let request = GetBulkStateRequest { store_name, keys, ..GetBulkStateRequest::default() };
            let answer = client.get_bulk_state(request).await.expect("answer").into_inner();
            assert_eq!(answer.items.first().expect("an item").data, VALUE);
        }
        Kind::Publish => {
            let request = PublishEventRequest {
                pubsub_name: "pubsub".to_owned(),
                topic: "topic".to_owned(),
                data: VALUE.to_vec(),
                data_content_type: "application/json".to_owned(),
                ..PublishEventRequest::default()
            };
            client.publish_event(request).await.expect("answer");
        }
    }
}

/// Reads the key over gRPC.
pub(crate) fn get_request() -> GetStateRequest {
    GetStateRequest { store_name: "store".to_owned(), key: KEY.to_owned(), ..GetStateRequest::default() }
}
