//! A connection over HTTP/2 to one place, shared by all that goes there: another sidecar, or an app that speaks it.

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use crate::body::Body;

/// How long connecting may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// A place that has been silent for so long is asked whether it is still there, and has so long to answer.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);
pub(crate) const ANSWER: Duration = Duration::from_secs(20);

/// So many bytes of one body are under way that nobody has taken, and so many of all: who does not read what was asked for
/// must not hold up the others on the same connection.
pub(crate) const STREAM_WINDOW: u32 = 256 << 10;
pub(crate) const WINDOW: u32 = 1 << 30;
/// The longest head of an answer, in bytes.
const LONGEST_HEAD: u32 = 256 << 10;

/// One place. It is connected to when something is sent there first, and again when the connection is gone.
pub(crate) struct Link {
    authority: Authority,
    tls: Option<TlsConnector>,
    sender: Arc<Sender>,
    /// Held while connecting, so that many who want to send make one connection.
    connecting: Mutex<()>,
    /// A place within a test, whose clock is not the system's: the other ends of connections go there.
    #[cfg(test)]
    within: Option<tokio::sync::mpsc::UnboundedSender<tokio::io::DuplexStream>>,
}

/// What sends on the connection, while there is one. As soon as it ends, nobody has it any more: a request that was handed over
/// at that very moment lies in tokio's channel, where nobody takes it, for as long as there is a sender, and would be waited for
/// without end.
type Sender = ArcSwapOption<SendRequest<Body>>;

/// Why something could not be sent, or got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// There is no connection; nothing was sent, and here it is again.
    #[error("{reason}")]
    Unsent {
        /// The request.
        request: Box<Request<Body>>,
        /// What the system said.
        reason: String,
    },
    /// It broke off after something was sent.
    #[error("{0}")]
    Broken(String),
}

/// Anything that bytes go through both ways.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

// === impl Link ===

impl Link {
    pub(crate) fn new(authority: Authority, tls: Option<TlsConnector>) -> Self {
        Self {
            authority,
            tls,
            sender: Arc::default(),
            connecting: Mutex::new(()),
            #[cfg(test)]
            within: None,
        }
    }

    /// One to a place within a test. What is not taken waits, as connections to a process do that is stopped.
    #[cfg(test)]
    pub(crate) fn within(within: tokio::sync::mpsc::UnboundedSender<tokio::io::DuplexStream>) -> Self {
        let link = Self::new(Authority::from_static("within:1"), None);
        Self { within: Some(within), ..link }
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What HTTP/1.1 says of where a request goes.
    pub(crate) fn host(&self) -> HeaderValue {
        let own = if self.tls.is_some() { 443 } else { 80 };
        let host = match self.authority.port_u16() {
            Some(port) if port == own => self.authority.host(),
            _ => self.authority.as_str(),
        };
        // An authority has nothing that a field may not have.
        HeaderValue::try_from(host).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Sends a request, whose URI has a path and a query; where it goes is put before them.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, LinkError> {
        let scheme = if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(scheme);
        parts.authority = Some(self.authority.clone());
        match Uri::from_parts(parts) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(error) => return Err(LinkError::Broken(error.to_string())),
        }
        *request.version_mut() = http::Version::HTTP_2;
        // A connection that is gone says so when it is written to at the latest; a new one is made once.
        let mut fresh = false;
        loop {
            let known = self.sender.load_full().filter(|sender| !sender.is_closed());
            let sender = match known {
                Some(sender) => sender,
                None => match self.connect().await {
                    Ok(sender) => {
                        fresh = true;
                        sender
                    }
                    Err(error) => {
                        let reason = error.to_string();
                        return Err(LinkError::Unsent { request: Box::new(request), reason });
                    }
                },
            };
            let which = Arc::downgrade(&sender);
            let answer = SendRequest::clone(&sender).try_send_request(request);
            drop(sender);
            match answer.await {
                Ok(response) => return Ok(response),
                Err(mut error) => {
                    let unsent = error.take_message();
                    let reason = innermost(error.error());
                    let Some(again) = unsent else { return Err(LinkError::Broken(reason)) };
                    forget(&self.sender, &which);
                    if fresh {
                        return Err(LinkError::Unsent { request: Box::new(again), reason });
                    }
                    request = again;
                }
            }
        }
    }

    /// Connects, unless somebody else just has.
    async fn connect(&self) -> io::Result<Arc<SendRequest<Body>>> {
        let _one = self.connecting.lock().await;
        if let Some(sender) = self.sender.load_full().filter(|sender| !sender.is_closed()) {
            return Ok(sender);
        }
        let wire = tokio::time::timeout(CONNECT, self.dial()).await;
        let wire = wire.map_err(|_| io::Error::other("no connection within 5 s"))??;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(SILENCE).keep_alive_timeout(ANSWER);
        builder.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(WINDOW);
        builder.max_header_list_size(LONGEST_HEAD);
        let (sender, connection) = builder
            .handshake(TokioIo::new(wire))
            .await
            .map_err(|error| io::Error::other(innermost(&error)))?;
        let authority = self.authority.clone();
        let sender = Arc::new(sender);
        self.sender.store(Some(Arc::clone(&sender)));
        let (known, which) = (Arc::downgrade(&self.sender), Arc::downgrade(&sender));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection to {authority} ended: {error}");
            }
            if let Some(known) = known.upgrade() {
                forget(&known, &which);
            }
        });
        Ok(sender)
    }

    /// A connection to whichever address of the place answers.
    pub(crate) async fn dial(&self) -> io::Result<Box<dyn Wire>> {
        #[cfg(test)]
        if let Some(within) = &self.within {
            let (here, there) = tokio::io::duplex(64 << 10);
            within.send(there).map_err(io::Error::other)?;
            return Ok(Box::new(here));
        }
        let stream = TcpStream::connect(self.authority.as_str()).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let host = self.authority.host().trim_matches(['[', ']']);
        let name = ServerName::try_from(host).map_err(io::Error::other)?.to_owned();
        Ok(Box::new(tls.connect(name, stream).await?))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// Forgets what sends, unless it is another by now.
fn forget(known: &Sender, gone: &Weak<SendRequest<Body>>) {
    // No other one is at that place while it is known here.
    known.compare_and_swap(gone.as_ptr(), None);
}

/// The innermost reason: what hyper says itself is vague.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
