//! One connection, from accept to close.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};

use super::listen::Stream;
use crate::http::Offer;
use crate::{Sidecar, grpc, http, invoke, metrics};

/// Requests at once on one HTTP/2 connection. One client may hold a single connection for all it does.
const STREAMS: u32 = 1_000;
/// The same for one that is another sidecar: it has one connection for all of its clients.
const STREAMS_OF_A_SIDECAR: u32 = 10_000;
/// An HTTP/2 client that has been silent for so long is asked whether it is still there, and has so long to answer: one
/// that is gone without a word would keep its connection for ever.
const SILENCE: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(20);

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1, and HTTP/2 without encryption if it is wanted.
    Http {
        http2: bool,
    },
    /// Health and metadata alone, over HTTP/1.1.
    Public,
    Grpc,
    /// What other sidecars ask, over HTTP/2.
    Internal,
    Metrics,
}

// === impl Protocol ===

impl Protocol {
    /// The name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http { .. } => "HTTP",
            Self::Public => "public HTTP",
            Self::Grpc => "gRPC",
            Self::Internal => "other sidecars",
            Self::Metrics => "metrics",
        }
    }

    /// The name in socket files.
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Public => "public",
            Self::Grpc => "grpc",
            Self::Internal => "internal",
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
                async move { http::answer(&sidecar, Offer::Whole, request).await }
            });
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().pipeline_flush(true);
            let mut http2_settings = builder.http2();
            http2_settings.max_concurrent_streams(STREAMS).timer(TokioTimer::new());
            http2_settings.keep_alive_interval(SILENCE).keep_alive_timeout(ANSWER);
            if !http2 {
                builder = builder.http1_only();
            }
            let connection = watcher.watch(builder.serve_connection(stream, service).into_owned());
            drive(protocol, connection);
        }
        Protocol::Public => {
            let service = service_fn(move |request| {
                let sidecar = Arc::clone(&sidecar);
                async move { http::answer(&sidecar, Offer::Public, request).await }
            });
            let connection =
                watcher.watch(hyper::server::conn::http1::Builder::new().serve_connection(stream, service));
            drive(protocol, connection);
        }
        Protocol::Grpc => {
            let service = service_fn(move |request| {
                let sidecar = Arc::clone(&sidecar);
                async move { grpc::answer(&sidecar, request).await }
            });
            let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_streams(STREAMS).timer(TokioTimer::new());
            builder.keep_alive_interval(SILENCE).keep_alive_timeout(ANSWER);
            let connection = watcher.watch(builder.serve_connection(stream, service));
            drive(protocol, connection);
        }
        Protocol::Internal => {
            let service = service_fn(move |request| {
                let sidecar = Arc::clone(&sidecar);
                async move { Ok::<_, Infallible>(invoke::answer_internal(&sidecar, request).await) }
            });
            let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_streams(STREAMS_OF_A_SIDECAR).timer(TokioTimer::new());
            builder.keep_alive_interval(SILENCE).keep_alive_timeout(ANSWER);
            let connection = watcher.watch(builder.serve_connection(stream, service));
            drive(protocol, connection);
        }
        Protocol::Metrics => {
            let service = service_fn(move |request| {
                let sidecar = Arc::clone(&sidecar);
                async move { metrics::answer(&sidecar, request).await }
            });
            let connection =
                watcher.watch(hyper::server::conn::http1::Builder::new().serve_connection(stream, service));
            drive(protocol, connection);
        }
    }
}

/// Serves a connection to its end. One that ends in an error is the client's affair: it went away, or did not speak the
/// protocol.
fn drive<E: fmt::Display>(
    protocol: Protocol,
    connection: impl Future<Output = Result<(), E>> + Send + 'static,
) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("a connection for {} ended: {error}", protocol.name());
        }
    });
}
