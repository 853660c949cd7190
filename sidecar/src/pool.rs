//! Connections over HTTP/1.1 to one place, each for one request at a time and kept for later ones: an app, or another
//! sidecar. For small requests they cost about half of what streams of HTTP/2 do.

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::interval;

use crate::body::{Body, whole};
use crate::link::{ANSWER, CONNECT, Link, LinkError, SILENCE, innermost};

/// An unused connection is looked at so often before it is closed; with [`SILENCE`] between, that makes 90 s.
const LOOKS: u32 = 3;

/// Why a request ends whose place is not there any more.
const SILENT: &str = "it answers neither the request nor whether it is still there";

/// What is different for each kind of place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// So many connections at a time, about: who asks for more is to go another way.
    pub(crate) most: usize,
    /// The most fields of an answer's head.
    pub(crate) fields: usize,
    /// Whether a place that keeps a request for long is asked, over HTTP/2, whether it is still there.
    pub(crate) asks: bool,
}

/// The connections to a place.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    link: Arc<Link>,
    host: HeaderValue,
    terms: Terms,
    open: AtomicUsize,
    /// The last that was used is used first.
    idle: Mutex<Vec<Connection>>,
}

/// One of them.
struct Connection {
    sender: SendRequest<Body>,
    state: Arc<State>,
}

/// What is known of a connection.
#[derive(Default)]
struct State {
    /// How often it was taken and given back: odd while somebody has it.
    turns: AtomicU64,
    /// It was closed because the place does not answer any more.
    silent: AtomicBool,
    ended: AtomicBool,
    /// Who has it, and is to be told of its end.
    waiting: AtomicWaker,
}

/// Counts as open for as long as it lives.
struct Open(Arc<Shared>);

/// The body of an answer, by either version. Read to its end, its connection is free for others; dropped before, it is closed.
pub(crate) struct Received {
    body: Incoming,
    lease: Option<(Connection, Arc<Shared>)>,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(link: Arc<Link>, terms: Terms) -> Self {
        let host = link.host();
        Self(Arc::new(Shared { link, host, terms, open: AtomicUsize::new(0), idle: Mutex::default() }))
    }

    /// Whether a request finds a connection, or may make one.
    pub(crate) fn has_room(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) < self.0.terms.most || !self.0.idle().is_empty()
    }

    /// Sends a request, whose URI has a path and a query.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Response<Received>, LinkError> {
        request.headers_mut().insert(header::HOST, self.0.host.clone());
        *request.version_mut() = Version::HTTP_11;
        loop {
            let (connection, fresh) = match self.0.take() {
                Some(idle) => (idle, false),
                None => match self.connect().await {
                    Ok(fresh) => (fresh, true),
                    Err(error) => return Err(unsent(request, error.to_string())),
                },
            };
            connection.state.turns.fetch_add(1, Ordering::Relaxed);
            let state = Arc::clone(&connection.state);
            match connection.exchange(request).await {
                Ok((response, connection)) => {
                    return Ok(response.map(|body| Received::leased(body, connection, Arc::clone(&self.0))));
                }
                Err(mut error) => {
                    let unsent_one = error.take_message();
                    let reason = match state.silent.load(Ordering::Relaxed) {
                        // What hyper says then is that it was dropped.
                        true => SILENT.to_owned(),
                        false => innermost(error.error()),
                    };
                    // One that was closed while nobody used it says so now at the latest.
                    match unsent_one {
                        None => return Err(LinkError::Broken(reason)),
                        Some(again) if fresh => return Err(unsent(again, reason)),
                        Some(again) => request = again,
                    }
                }
            }
        }
    }

    async fn connect(&self) -> io::Result<Connection> {
        let open = Open::new(&self.0);
        let wire = tokio::time::timeout(CONNECT, self.0.link.dial()).await;
        let wire = wire.map_err(|_| io::Error::other("no connection within 5 s"))??;
        let mut builder = Builder::new();
        // More than its own number costs hyper an allocation for each answer.
        if self.0.terms.fields > 100 {
            builder.max_headers(self.0.terms.fields);
        }
        let (sender, connection) = builder
            .handshake(TokioIo::new(wire))
            .await
            .map_err(|error| io::Error::other(innermost(&error)))?;
        let state = Arc::new(State::default());
        let watched = Arc::clone(&state);
        tokio::spawn(async move {
            let shared = &open.0;
            tokio::select! {
                biased;
                ended = connection => if let Err(error) = ended {
                    tracing::debug!("a connection to {} ended: {error}", shared.link.authority());
                },
                () = shared.watch(&watched) => {}
            }
            watched.ended.store(true, Ordering::Release);
            watched.waiting.wake();
            shared.idle().retain(|idle| !idle.sender.is_closed());
        });
        Ok(Connection { sender, state })
    }
}

// === impl Connection ===

impl Connection {
    /// Sends a request, and gives the connection back with the answer, unless it has ended.
    async fn exchange(
        self,
        request: Request<Body>,
    ) -> Result<(Response<Incoming>, Option<Self>), TrySendError<Request<Body>>> {
        let Self { mut sender, state } = self;
        let mut answer = pin!(sender.try_send_request(request));
        let mut sender = Some(sender);
        let answered = poll_fn(|context| {
            if let Poll::Ready(answered) = answer.as_mut().poll(context) {
                return Poll::Ready(answered);
            }
            state.waiting.register(context.waker());
            if !state.ended.load(Ordering::Acquire) {
                return Poll::Pending;
            }
            // A request that was handed over at the very moment of the end lies in tokio's channel, where nobody takes it,
            // for as long as there is a sender: without this, it would be waited for without end.
            sender = None;
            answer.as_mut().poll(context)
        });
        let response = answered.await?;
        Ok((response, sender.map(|sender| Self { sender, state })))
    }
}

// === impl Shared ===

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle();
        while let Some(connection) = idle.pop() {
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    /// Takes a connection back whose answer was read.
    fn give(self: Arc<Self>, mut connection: Connection) {
        if connection.sender.is_ready() {
            connection.state.turns.fetch_add(1, Ordering::Relaxed);
            self.idle().push(connection);
        } else if !connection.sender.is_closed() {
            // Its task is about to see the end that we have seen, or still sends what was not waited for.
            tokio::spawn(async move {
                if connection.sender.ready().await.is_ok() {
                    connection.state.turns.fetch_add(1, Ordering::Relaxed);
                    self.idle().push(connection);
                }
            });
        }
    }

    /// Returns when a connection is to be closed: because nobody used it for long, or who has its request is gone.
    async fn watch(&self, state: &State) {
        let mut looks = interval(SILENCE);
        looks.tick().await;
        let (mut seen, mut unchanged) = (0, 0);
        loop {
            looks.tick().await;
            let now = state.turns.load(Ordering::Relaxed);
            unchanged = if now == seen { unchanged + 1 } else { 0 };
            seen = now;
            let in_use = now % 2 == 1;
            if in_use && unchanged > 0 && self.terms.asks && !self.is_there().await {
                tracing::debug!("{} does not answer any more", self.link.authority());
                state.silent.store(true, Ordering::Relaxed);
                return;
            }
            if !in_use && unchanged >= LOOKS {
                return;
            }
        }
    }

    /// Whether the place answers at all, whatever it says.
    async fn is_there(&self) -> bool {
        let asked = self.link.send(Request::new(whole("")));
        tokio::time::timeout(ANSWER, asked).await.is_ok_and(|answer| answer.is_ok())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { link, terms, open, .. } = self;
        f.debug_struct("Pool")
            .field("link", link)
            .field("terms", terms)
            .field("open", open)
            .finish_non_exhaustive()
    }
}

// === impl Open ===

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Received ===

impl Received {
    fn leased(body: Incoming, connection: Option<Connection>, shared: Arc<Shared>) -> Self {
        let mut received = Self { body, lease: connection.map(|connection| (connection, shared)) };
        if received.body.is_end_stream() {
            received.release();
        }
        received
    }

    fn release(&mut self) {
        if let Some((connection, shared)) = self.lease.take() {
            shared.give(connection);
        }
    }
}

impl From<Incoming> for Received {
    fn from(body: Incoming) -> Self {
        Self { body, lease: None }
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)
    }
}

impl hyper::body::Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(Some(Err(_)))) {
            self.lease = None;
        } else if self.lease.is_some() && (matches!(polled, Poll::Ready(None)) || self.body.is_end_stream()) {
            self.release();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === free functions ===

/// A request that was not sent, as it was before.
fn unsent(mut request: Request<Body>, reason: String) -> LinkError {
    request.headers_mut().remove(header::HOST);
    LinkError::Unsent { request: Box::new(request), reason }
}
