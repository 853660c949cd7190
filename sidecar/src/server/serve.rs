//! One connection, from accept to close.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryFutureExt as _;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at};

use super::listen::Stream;
use super::patience::{LOOK, Patience, Progress};
use super::wire::{Counted, Wire};
use crate::http::Offer;
use crate::link::{STREAM_WINDOW, WINDOW};
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
    /// What other sidecars ask, over HTTP/2 and HTTP/1.1.
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

/// What is the same for all connections of a kind.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) protocol: Protocol,
    pub(super) sidecar: Arc<Sidecar>,
    /// The longest head of a request, in bytes.
    pub(super) max_head: usize,
    /// Told when the server is to end.
    pub(super) closing: watch::Receiver<bool>,
}

/// What the requests of one connection share.
struct Shared {
    sidecar: Arc<Sidecar>,
    progress: Arc<Progress>,
}

/// Serves a connection in a task of its own.
pub(super) fn spawn(service: &Service, stream: Stream, watcher: Watcher) {
    let Service { protocol, sidecar, max_head, closing } = service;
    let (protocol, max_head) = (*protocol, *max_head);
    let progress = Arc::new(Progress::default());
    let mut stream = Counted::new(stream, Arc::clone(&progress));
    let shared = Arc::new(Shared { sidecar: Arc::clone(sidecar), progress: Arc::clone(&progress) });
    match protocol {
        Protocol::Http { http2 } => {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move {
                    shared.progress.asked();
                    let answer = http::answer(&shared.sidecar, Offer::Whole, request).await;
                    // One that streams may go on for as long as it likes, and so may the request that it answers.
                    if answer.as_ref().is_ok_and(|answer| answer.body().is_whole()) {
                        shared.progress.answered();
                    }
                    answer
                }
            });
            let mut elder = http1::Builder::new();
            elder.max_header_size(max_head);
            let closing = closing.clone();
            // hyper-util's own choice of the version knows no limit of the head.
            drive(protocol, progress, async move {
                let connection = if http2 && begins_http2(&mut stream, closing).await? {
                    served(watcher.watch(
                        http2_builder(STREAMS, max_head).serve_connection(TokioIo::new(stream), service),
                    ))
                } else {
                    served(watcher.watch(elder.serve_connection(TokioIo::new(stream), service)))
                };
                connection.await
            });
        }
        Protocol::Public => {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move {
                    shared.progress.asked();
                    let answer = http::answer(&shared.sidecar, Offer::Public, request).await;
                    shared.progress.answered();
                    answer
                }
            });
            let mut builder = http1::Builder::new();
            builder.max_header_size(max_head);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            drive(protocol, progress, watcher.watch(connection));
        }
        Protocol::Grpc => {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { grpc::answer(&shared.sidecar, request).await }
            });
            let closing = closing.clone();
            drive(protocol, progress, async move {
                // Whatever it begins, hyper has the answer.
                begins_http2(&mut stream, closing).await?;
                let connection =
                    http2_builder(STREAMS, max_head).serve_connection(TokioIo::new(stream), service);
                served(watcher.watch(connection)).await
            });
        }
        Protocol::Internal => {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move {
                    shared.progress.asked();
                    let answer = invoke::answer_internal(&shared.sidecar, request).await;
                    if answer.body().is_whole() {
                        shared.progress.answered();
                    }
                    Ok::<_, Infallible>(answer)
                }
            });
            let closing = closing.clone();
            // Heads are those that the other sidecar took, and what is added on the way.
            let max_head = max_head.saturating_mul(2);
            drive(protocol, progress, async move {
                let connection = if begins_http2(&mut stream, closing).await? {
                    let builder = http2_builder(STREAMS_OF_A_SIDECAR, max_head);
                    served(watcher.watch(builder.serve_connection(TokioIo::new(stream), service)))
                } else {
                    let mut elder = http1::Builder::new();
                    elder.max_header_size(max_head);
                    served(watcher.watch(elder.serve_connection(TokioIo::new(stream), service)))
                };
                connection.await
            });
        }
        Protocol::Metrics => {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move {
                    shared.progress.asked();
                    let answer = metrics::answer(&shared.sidecar, request).await;
                    shared.progress.answered();
                    answer
                }
            });
            let mut builder = http1::Builder::new();
            builder.max_header_size(max_head);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            drive(protocol, progress, watcher.watch(connection));
        }
    }
}

fn http2_builder(streams: u32, max_head: usize) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.max_concurrent_streams(streams).max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX));
    // Clients whose deadlines are short give up many at once, and mean no harm: 20, as by default, would end them all.
    builder.max_pending_accept_reset_streams(usize::try_from(streams).ok());
    builder.timer(TokioTimer::new()).keep_alive_interval(SILENCE).keep_alive_timeout(ANSWER);
    // A body that an app does not take must not hold up other requests.
    builder.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(WINDOW);
    builder
}

/// A connection that is served, of either version.
fn served(
    connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
    Box::pin(connection.map_err(|error| error.to_string()))
}

/// Waits for what tells the version. One that has not told it when the server is to end has asked for nothing yet.
async fn begins_http2<S: Wire>(
    stream: &mut Counted<S>,
    mut closing: watch::Receiver<bool>,
) -> Result<bool, String> {
    tokio::select! {
        biased;
        begins = stream.begins_http2() => begins.map_err(|error| error.to_string()),
        _ = closing.wait_for(|closing| *closing) => Err("the sidecar ends".to_owned()),
    }
}

/// Serves a connection to its end, or to that of the sidecar's patience. One that ends in an error is the client's affair:
/// it went away, or did not speak the protocol.
fn drive<E: fmt::Display>(
    protocol: Protocol,
    progress: Arc<Progress>,
    connection: impl Future<Output = Result<(), E>> + Send + 'static,
) {
    tokio::spawn(async move {
        let mut patience = Patience::new(Instant::now());
        let mut looks = interval_at((Instant::now() + LOOK).into(), LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(connection);
        let ended = loop {
            tokio::select! {
                // Bytes that are there are looked at first: they may be what is waited for. And whenever the connection
                // looks at itself, a request within it that waits for its body does so too.
                biased;
                ended = poll_fn(|cx| progress.poll(&mut connection, cx)) => break ended.map_err(|error| error.to_string()),
                _ = looks.tick() => if let Err(reason) = patience.look(&progress, Instant::now()) {
                    break Err(reason.to_owned());
                },
            }
        };
        if let Err(error) = ended {
            tracing::debug!("a connection for {} ended: {error}", protocol.name());
        }
    });
}
