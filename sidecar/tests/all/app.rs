//! An app for a test: it answers as it is told, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use crate::accepting::Accepting;

/// A request as the app got it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// The path with its query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An app that listens on a port of its own, over HTTP/1.1 and h2c; gone when dropped.
pub(crate) struct App {
    pub(crate) port: u16,
    /// Closed when the app panicked.
    asked: watch::Receiver<Vec<Asked>>,
    _accepting: Accepting,
}

type Answer = (StatusCode, String);

/// An address where nobody listens, and nobody can before this is dropped.
pub(crate) struct Dead(TcpSocket);

// === impl App ===

impl App {
    /// Starts an app that answers so.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at(0, answer).await
    }

    /// Starts it on this port.
    pub(crate) async fn start_at(
        port: u16,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (remembered, asked) = watch::channel(Vec::new());
        let (remembered, answer) = (Arc::new(remembered), Arc::new(answer));
        let accepting = Accepting::start(listener, move |stream, witness| {
            let (remembered, answer) = (Arc::clone(&remembered), Arc::clone(&answer));
            let service = service_fn(move |request: Request<Incoming>| {
                let (remembered, answer) = (Arc::clone(&remembered), Arc::clone(&answer));
                let witness = witness.clone();
                async move {
                    let _witness = witness;
                    let (head, body) = request.into_parts();
                    let path = head.uri.path_and_query().unwrap().to_string();
                    // Of a request that breaks off nobody wants an answer.
                    let body = body.collect().await?.to_bytes();
                    let asked = Asked { method: head.method, path, headers: head.headers, body };
                    let (status, body) = answer(&asked);
                    remembered.send_modify(|all| all.push(asked));
                    let response = Response::builder().status(status);
                    let response = response.header("content-type", "application/json");
                    Ok::<_, hyper::Error>(response.body(Full::new(Bytes::from(body))).unwrap())
                }
            });
            async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                // One that breaks off is the sidecar's affair.
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            }
        });
        Self { port, asked, _accepting: accepting }
    }

    /// The requests so far whose path begins so.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.asked.borrow().iter().filter(|asked| asked.path.starts_with(path)).cloned().collect()
    }

    /// The requests so far, but for what a sidecar asks when it begins.
    pub(crate) fn calls(&self) -> Vec<Asked> {
        self.asked.borrow().iter().filter(|asked| !asked.path.starts_with("/dapr/")).cloned().collect()
    }

    /// Waits for so many requests whose path begins so.
    pub(crate) async fn until_asked(&self, path: &str, count: usize) -> Vec<Asked> {
        let mut changes = self.asked.clone();
        let enough =
            |all: &Vec<Asked>| all.iter().filter(|asked| asked.path.starts_with(path)).count() >= count;
        changes.wait_for(enough).await.expect("the app panicked");
        self.asked(path)
    }
}

// === impl Dead ===

impl Dead {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

// === impl Asked ===

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

// === free functions ===

/// A port that nobody listens on, and that the system gives to nobody who asks for any: for an app that comes later, or that
/// comes again.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other processes of tests begin elsewhere.
    let start = u16::try_from(std::process::id() % 1_000).unwrap() * 10;
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
