//! The app beside the sidecar, as the sidecar reaches it: Dapr's app channel.

mod attach;
mod callbacks;
mod protocol;

use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tonic::transport::{Channel, Endpoint};

pub(crate) use attach::attach;
pub(crate) use callbacks::{AlphaCallbacks, Callbacks};
pub use protocol::Protocol;

use crate::Flags;
use crate::body::Body;
use crate::sidecar::API_TOKEN;

/// The app: where it listens, what it speaks, and how much it wants at a time.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) protocol: Protocol,
    /// Its address and port.
    pub(crate) authority: Authority,
    /// Dapr's own token, by which the app knows the sidecar.
    token: Option<HeaderValue>,
    /// How many requests may be with it at a time; none is as many as come.
    permits: Option<Semaphore>,
    http: Client<HttpConnector, Body>,
    grpc: Channel,
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
/// How long an unused connection to the app is kept.
const IDLE: Duration = Duration::from_secs(90);

// === impl App ===

impl App {
    /// The app that the flags tell of, if they do.
    ///
    /// # Errors
    /// An address that is none.
    pub(crate) fn new(flags: &Flags) -> Result<Option<Self>, AppAddressError> {
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
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        builder.http2_only(flags.app_protocol == Protocol::H2c);
        let endpoint = Endpoint::try_from(format!("http://{authority}"));
        let endpoint = endpoint.map_err(|error| wrong(error.to_string()))?.tcp_nodelay(true);
        Ok(Some(Self {
            protocol: flags.app_protocol,
            authority,
            token,
            permits: (flags.app_max_concurrency > 0).then(|| Semaphore::new(flags.app_max_concurrency)),
            http: builder.build(connector),
            grpc: endpoint.connect_lazy(),
            open: watch::Sender::new(false),
        }))
    }

    /// Whether the app was seen to listen.
    pub(crate) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Waits until the app listens.
    pub(crate) async fn opened(&self) {
        while TcpStream::connect(self.authority.as_str()).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
        self.open.send_replace(true);
    }

    /// Waits for a turn, if the app wants only so many requests at a time.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        self.permits.as_ref()?.acquire().await.ok()
    }

    /// Sends a request over HTTP. Its URI has a path and a query; where the app is, is put before them.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, AppError> {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        *request.uri_mut() = Uri::from_parts(parts).map_err(|error| self.unreachable(&error))?;
        if let Some(token) = &self.token {
            request.headers_mut().insert(API_TOKEN, token.clone());
        }
        let _turn = self.turn().await;
        self.http.request(request).await.map_err(|error| self.unreachable(&error))
    }

    /// A client of the app's callbacks, for one that speaks gRPC.
    pub(crate) fn callbacks(&self) -> Callbacks {
        callbacks::client(self.grpc.clone(), self.token.as_ref())
    }

    /// As [`App::callbacks`], of an older time.
    pub(crate) fn alpha_callbacks(&self) -> AlphaCallbacks {
        callbacks::alpha_client(self.grpc.clone(), self.token.as_ref())
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> AppError {
        // What hyper says itself is vague; the innermost reason tells.
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        AppError::Unreachable { address: self.authority.to_string(), reason: innermost.to_string() }
    }
}
