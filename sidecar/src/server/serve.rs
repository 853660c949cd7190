//! One connection, from accept to close.

use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};

use super::listen::Stream;
use crate::{Sidecar, grpc, http, metrics};

/// Requests at once on one HTTP/2 connection. One client may hold a single connection for all it does.
const STREAMS: u32 = 1_000;

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1, and HTTP/2 without encryption if it is wanted.
    Http {
        http2: bool,
    },
    Grpc,
    Metrics,
}

// === impl Protocol ===

impl Protocol {
    /// The name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http { .. } => "HTTP",
            Self::Grpc => "gRPC",
            Self::Metrics => "metrics",
        }
    }

    /// The name in socket files.
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Grpc => "grpc",
            Self::Metrics => "metrics",
        }
    }
}

/// Serves a connection in a task of its own.
pub(super) fn spawn(protocol: Protocol, stream: Stream, sidecar: Arc<Sidecar>, watcher: Watcher) {
    match stream {
        Stream::Tcp(stream) => spawn_on(protocol, stream, sidecar, watcher),
        Stream::Unix(stream) => spawn_on(protocol, stream, sidecar, watcher),
    }
}

fn spawn_on<S>(protocol: Protocol, stream: S, sidecar: Arc<Sidecar>, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    match protocol {
        Protocol::Http { http2 } => {
            let service = service_fn(move |request| {
                let sidecar = Arc::clone(&sidecar);
                async move { http::answer(&sidecar, request).await }
            });
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().pipeline_flush(true);
            builder.http2().max_concurrent_streams(STREAMS);
            if !http2 {
                builder = builder.http1_only();
            }
            let connection = watcher.watch(builder.serve_connection(stream, service).into_owned());
            tokio::spawn(
                async move { closed(protocol, connection.await.map_err(|error| error.to_string())) },
            );
        }
        Protocol::Grpc => {
            let service = service_fn(move |request| {
                let sidecar = Arc::clone(&sidecar);
                async move { grpc::answer(&sidecar, request).await }
            });
            let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_streams(STREAMS);
            let connection = watcher.watch(builder.serve_connection(stream, service));
            tokio::spawn(
                async move { closed(protocol, connection.await.map_err(|error| error.to_string())) },
            );
        }
        Protocol::Metrics => {
            let service = service_fn(move |request| {
                let sidecar = Arc::clone(&sidecar);
                async move { metrics::answer(&sidecar, request).await }
            });
            let connection =
                watcher.watch(hyper::server::conn::http1::Builder::new().serve_connection(stream, service));
            tokio::spawn(
                async move { closed(protocol, connection.await.map_err(|error| error.to_string())) },
            );
        }
    }
}

/// A connection that ends in an error is the client's affair: it went away, or did not speak the protocol.
fn closed(protocol: Protocol, result: Result<(), String>) {
    if let Err(error) = result {
        tracing::debug!("a connection for {} ended: {error}", protocol.name());
    }
}
