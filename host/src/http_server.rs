//! HTTP requests to an actor: the contract `wascc:http_server`.

mod activity;
mod connection;
mod exchange;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use pillion_capabilities::trace::Tracing;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::actor::ActorRef;
use crate::identity::Claims;

/// The names under which claims grant it: waSCC's own, and that of the generation after it.
const NAMES: [&str; 2] = ["wascc:http_server", "wasmcloud:httpserver"];

/// How requests are taken.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HttpOptions {
    /// The bytes of a request's body; a larger one is answered with 413.
    pub body: usize,
    /// The bytes of all bodies that are held at a time; a request beyond is answered with 503. Less than `body` counts
    /// as much as that.
    pub bodies: usize,
    /// How many connections there may be; one beyond is answered with 503 and closed.
    pub connections: usize,
    /// How long a client may take to send a request's body; to ask for anything at all, the head of the request
    /// included; and to take any more of a response. A connection that is let go for that has as long again to end.
    pub patience: Duration,
    /// How long requests under way may take once the server is to end. Those that take longer are given up.
    pub drain: Duration,
}

/// A running server. Dropping it ends it as [`HttpServer::stop`] does, without waiting.
#[must_use = "dropping the server ends it"]
pub struct HttpServer {
    address: SocketAddr,
    present: Present,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What requests are served by from now on, and connections taken.
type Present = Arc<RwLock<Shared>>;

/// What the connections of a server share.
#[derive(Clone)]
struct Shared {
    actor: ActorRef,
    options: HttpOptions,
    /// What makes a span of each request.
    tracing: Option<Tracing>,
    /// The bytes that bodies may still take up.
    room: Arc<Semaphore>,
}

/// After a failure to accept, as for want of file descriptors, it is tried again after so long.
const PAUSE: Duration = Duration::from_millis(50);

/// So many connections beyond the limit are told so at a time; others are closed without a word.
const REFUSED: usize = 64;

// === impl HttpOptions ===

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            body: 4 << 20,
            bodies: 64 << 20,
            connections: 1_024,
            patience: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}

// === impl HttpServer ===

impl HttpServer {
    /// Serves HTTP/1.1 and HTTP/2 from now on. To be called within a tokio runtime.
    pub(crate) fn start(
        actor: ActorRef,
        listener: TcpListener,
        options: HttpOptions,
        tracing: Option<Tracing>,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let present = Arc::new(RwLock::new(Shared::new(actor, options, tracing)));
        let task = tokio::spawn(serve(Arc::clone(&present), listener, stopped));
        Ok(Self { address, present, stop, task })
    }

    /// Serves another actor, or with other options, from the next request on. Connections stay.
    #[cfg(feature = "manifest")]
    pub(crate) fn change(&self, actor: ActorRef, options: HttpOptions) {
        let mut present = self.present.write();
        *present = Shared::new(actor, options, present.tracing.clone());
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets the requests under way end, and waits for that.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // It ends by itself, and has nothing to answer.
        let _ = (&mut self.task).await;
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP server at {}", self.address)
    }
}

/// Whether an actor's claims grant it.
pub(crate) fn granted(claims: &Claims) -> bool {
    claims.wascap.caps.iter().any(|granted| NAMES.contains(&granted.as_str()))
}

// === impl Shared ===

impl Shared {
    fn new(actor: ActorRef, options: HttpOptions, tracing: Option<Tracing>) -> Self {
        let room = options.bodies.max(options.body).min(Semaphore::MAX_PERMITS);
        Self { actor, options, tracing, room: Arc::new(Semaphore::new(room)) }
    }
}

async fn serve(present: Present, listener: TcpListener, stopped: watch::Receiver<bool>) {
    let (mut connections, mut refused) = (JoinSet::new(), JoinSet::new());
    let mut end = stopped.clone();
    loop {
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            // Sent or dropped, the server is to end.
            _ = end.wait_for(|stopped| *stopped) => break,
            Some(_) = connections.join_next() => continue,
            Some(_) = refused.join_next() => continue,
        };
        let Ok((stream, _)) = stream else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if connections.len() >= present.read().options.connections {
            if refused.len() < REFUSED {
                refused.spawn(connection::refuse(stream));
            }
            continue;
        }
        // A response is written at once, and in one piece.
        let _ = stream.set_nodelay(true);
        connections.spawn(connection::serve(stream, Arc::clone(&present), stopped.clone()));
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    let drain = present.read().options.drain;
    if tokio::time::timeout(drain, ended).await.is_err() {
        tracing::warn!(target: "pillion::http", "requests under way were given up");
    }
    // Dropping the connections ends those that are left.
}
