//! An app or server for a test that answers requests as they come, body and trailers included.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::accepting::Accepting;

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A server on a port of its own, over HTTP/1.1 and HTTP/2; gone when dropped.
pub(crate) struct Raw {
    pub(crate) port: u16,
    _accepting: Accepting,
}

/// Writes a body, frame by frame; the body ends when this is dropped.
pub(crate) type Writer = mpsc::UnboundedSender<Frame<Bytes>>;

// === impl Raw ===

impl Raw {
    pub(crate) async fn start<F>(answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(answer);
        let accepting = Accepting::start(listener, move |stream, witness| {
            let answer = Arc::clone(&answer);
            let service = service_fn(move |request: Request<Incoming>| {
                let witness = witness.clone();
                let begun = begins(request.uri().path());
                let answer = begun.is_none().then(|| answer(request));
                async move {
                    let _witness = witness;
                    Ok::<_, Infallible>(match (begun, answer) {
                        (Some(begun), _) => begun,
                        (None, Some(answer)) => answer.await,
                        (None, None) => unreachable!("one of them is there"),
                    })
                }
            });
            async move {
                stream.set_nodelay(true).unwrap();
                let mut builder = auto::Builder::new(TokioExecutor::new());
                // What one handler does not read is not to hold up the others here.
                builder.http2().initial_connection_window_size(1 << 30);
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            }
        });
        Self { port, _accepting: accepting }
    }
}

/// The answer to what a sidecar asks when it begins: this app subscribes to nothing.
fn begins(path: &str) -> Option<Response<Body>> {
    let response = Response::builder();
    let response = if matches!(path, "/dapr/subscribe" | "/dapr/config") {
        response.status(404)
    } else if path.starts_with("/dapr.proto.runtime.v1.AppCallback/List") {
        response.header("content-type", "application/grpc").header("grpc-status", "12")
    } else {
        return None;
    };
    Some(response.body(full("")).unwrap())
}

/// A whole body.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// A body that is written while it is read.
pub(crate) fn written() -> (Writer, Body) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let frames = UnboundedReceiverStream::new(receiver).map(Ok::<_, Infallible>);
    (sender, StreamBody::new(frames).boxed_unsync())
}

/// The next bytes of a body, or nothing at its end.
pub(crate) async fn next(body: &mut Incoming) -> Option<Bytes> {
    loop {
        match body.frame().await?.unwrap().into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => return Some(data),
            Err(_) => return None,
        }
    }
}
