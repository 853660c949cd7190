//! The app beside the sidecar, as the sidecar reaches it: Dapr's app channel.

mod attach;
mod callbacks;
mod counted;
mod health;
mod protocol;
mod tls;
mod turns;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::Authority;
use http::{HeaderValue, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tonic::transport::Endpoint;

pub(crate) use attach::attach;
pub(crate) use callbacks::{AlphaCallbacks, Callbacks, is_unanswered};
pub(crate) use health::{Health, go_duration, watch_health};
pub use protocol::Protocol;
pub(crate) use turns::{Answer, Turn};

use crate::Flags;
use crate::body::Body;
use crate::link::{Link, LinkError};
use crate::metrics::Metrics;
use crate::pool::{Pool, Received, Terms};
use crate::sidecar::API_TOKEN;
use counted::Counted;
use turns::Turns;

/// The app: where it listens, what it speaks, and how much it wants at a time.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) protocol: Protocol,
    /// Its address and port.
    pub(crate) authority: Authority,
    /// Dapr's own token, by which the app knows the sidecar.
    token: Option<HeaderValue>,
    /// How many requests may be with it at a time; none is as many as come.
    turns: Option<Turns>,
    /// Whether it is healthy.
    pub(crate) health: Health,
    /// HTTP/1.1.
    pool: Pool,
    /// HTTP/2, for one that speaks it without being asked.
    link: Arc<Link>,
    grpc: Counted,
    metrics: Option<Arc<Metrics>>,
    open: watch::Sender<bool>,
}

/// Why the app did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    /// There is no connection, or it broke off.
    #[error("the app at {address} cannot be reached: {reason}")]
    Unreachable {
        /// Its address and port.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// It said itself that it is not well.
    #[error("app is not in a healthy state")]
    Unhealthy,
    /// It serves as many as it wants, and too many wait already.
    #[error(
        "the app serves {limit} requests at a time (--app-max-concurrency), and {waiting} more wait for it; try later"
    )]
    Busy {
        /// How many it serves at a time.
        limit: usize,
        /// How many wait.
        waiting: usize,
    },
}

/// Why there is no app to reach.
#[derive(Debug, thiserror::Error)]
#[error("--app-channel-address {address:?} is no address of an app: {reason}")]
pub struct AppAddressError {
    /// What was given.
    address: String,
    /// What is wrong with it.
    reason: String,
}

/// How long is waited between two looks whether the app listens, as with Dapr.
const LOOK: Duration = Duration::from_millis(100);
/// As many connections as there are requests, which other limits bound.
const TERMS: Terms = Terms { most: usize::MAX, fields: 100, asks: false };

// === impl App ===

impl App {
    /// The app that the flags tell of, if they do.
    ///
    /// # Errors
    /// An address that is none.
    pub(crate) fn new(flags: &Flags, metrics: Option<Arc<Metrics>>) -> Result<Option<Self>, AppAddressError> {
        if flags.app_port == 0 {
            return Ok(None);
        }
        let wrong = |reason: String| AppAddressError { address: flags.app_channel_address.clone(), reason };
        let host = match flags.app_channel_address.parse() {
            Ok(std::net::IpAddr::V6(address)) => format!("[{address}]"),
            Ok(_) | Err(_) => flags.app_channel_address.clone(),
        };
        let authority: Authority =
            format!("{host}:{}", flags.app_port).parse().map_err(|error| wrong(format!("{error}")))?;
        let token = flags.app_token.as_deref().map(HeaderValue::try_from).transpose();
        let token = token.map_err(|_| wrong("APP_API_TOKEN is no value of a header".to_owned()))?;
        let mut tls = tls::config().map_err(|error| wrong(error.to_string()))?;
        let protocol = flags.app_protocol;
        tls.alpn_protocols = if protocol == Protocol::Grpcs { vec![b"h2".to_vec()] } else { Vec::new() };
        let encrypts = matches!(protocol, Protocol::Https | Protocol::Grpcs);
        let tls = encrypts.then(|| TlsConnector::from(Arc::new(tls)));
        let link = Arc::new(Link::new(authority.clone(), tls));
        let endpoint = Endpoint::try_from(format!("http://{authority}"));
        let endpoint = endpoint.map_err(|error| wrong(error.to_string()))?;
        let dialled = Arc::clone(&link);
        let grpc = endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            let link = Arc::clone(&dialled);
            async move { link.dial().await.map(TokioIo::new) }
        }));
        Ok(Some(Self {
            protocol,
            authority,
            token,
            turns: (flags.app_max_concurrency > 0).then(|| Turns::new(flags.app_max_concurrency)),
            health: Health::new(flags),
            pool: Pool::new(Arc::clone(&link), TERMS),
            link,
            grpc: Counted::new(grpc, metrics.clone()),
            metrics,
            open: watch::Sender::new(false),
        }))
    }

    /// Whether the app was seen to listen.
    pub(crate) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Waits until the app listens, by looking.
    pub(crate) async fn opened(&self) {
        while TcpStream::connect(self.authority.as_str()).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
        self.open.send_replace(true);
    }

    /// Waits until the app was seen to listen.
    pub(crate) async fn until_open(&self) {
        // Its sender is here.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }

    /// Whether the app is healthy, now and from now on: always, if it is not to be asked.
    pub(crate) fn healthy(&self) -> watch::Receiver<bool> {
        self.health.subscribe()
    }

    /// How many requests the app wants at a time, if it said so.
    pub(crate) fn max_concurrency(&self) -> Option<usize> {
        self.turns.as_ref().map(Turns::limit)
    }

    /// Waits for a turn, if the app wants only so many requests at a time.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        match &self.turns {
            Some(turns) => Some(turns.wait().await),
            None => None,
        }
    }

    /// A turn for a request that may be refused: when the app is not well, or too many wait already.
    pub(crate) async fn admit(&self) -> Result<Option<Turn>, AppError> {
        if !self.health.is_healthy() {
            return Err(AppError::Unhealthy);
        }
        let Some(turns) = &self.turns else { return Ok(None) };
        let turn = turns.wait_or_refuse().await;
        turn.map(Some).map_err(|waiting| AppError::Busy { limit: turns.limit(), waiting })
    }

    /// Sends a request over HTTP. Its URI has a path and a query; where the app is, is put before them. It waits for its
    /// turn, which it has until the answer was read.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Response<Answer>, AppError> {
        let turn = self.turn().await;
        Ok(self.exchange(request).await?.map(|body| Answer::new(body, turn)))
    }

    /// As [`App::send`], but may be refused instead of waiting for ever.
    pub(crate) async fn forward(&self, request: Request<Body>) -> Result<Response<Answer>, AppError> {
        let turn = self.admit().await?;
        Ok(self.exchange(request).await?.map(|body| Answer::new(body, turn)))
    }

    /// Sends a request without a turn.
    async fn exchange(&self, mut request: Request<Body>) -> Result<Response<Received>, AppError> {
        if let Some(token) = &self.token {
            request.headers_mut().insert(API_TOKEN, token.clone());
        }
        let Some(metrics) = &self.metrics else { return self.sent(request).await };
        // Over gRPC these are calls of the app's own methods.
        let method = (!self.protocol.is_grpc()).then(|| request.method().clone());
        let begun = Instant::now();
        let response = self.sent(request).await?;
        match method {
            Some(method) => metrics.clients.count_http(&method, response.status(), begun.elapsed()),
            None => metrics.clients.count_grpc("", crate::grpc::code(&response), begun.elapsed()),
        }
        Ok(response)
    }

    async fn sent(&self, request: Request<Body>) -> Result<Response<Received>, AppError> {
        let sent = match self.protocol {
            Protocol::Http | Protocol::Https => self.pool.send(request).await,
            Protocol::H2c | Protocol::Grpc | Protocol::Grpcs => {
                self.link.send(request).await.map(|response| response.map(Received::from))
            }
        };
        sent.map_err(|(LinkError::Unsent { reason, .. } | LinkError::Broken(reason))| AppError::Unreachable {
            address: self.authority.to_string(),
            reason,
        })
    }

    /// A client of the app's callbacks, for one that speaks gRPC.
    pub(crate) fn callbacks(&self) -> Callbacks {
        callbacks::client(self.grpc.clone(), self.token.as_ref())
    }

    /// As [`App::callbacks`], of an older time.
    pub(crate) fn alpha_callbacks(&self) -> AlphaCallbacks {
        callbacks::alpha_client(self.grpc.clone(), self.token.as_ref())
    }
}
