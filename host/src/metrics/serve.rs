//! The endpoint for metrics and health.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Metrics;

/// Answers `GET /metrics` with the metrics, `/healthz` with 200 as long as the process serves, and `/readyz` with 200 or
/// 503 as the host says. Dropping it ends it.
#[must_use = "dropping the server ends it"]
pub struct MetricsServer {
    address: SocketAddr,
    task: tokio::task::AbortHandle,
}

type Ready = dyn Fn() -> bool + Send + Sync;

/// Whoever scrapes needs one connection.
const CONNECTIONS: usize = 32;

/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may last: a client that does not read must not keep its place for ever.
const LIFE: Duration = Duration::from_secs(300);

/// After a failure to accept, as for want of file descriptors, it is tried again after so long.
const PAUSE: Duration = Duration::from_millis(50);

// === impl MetricsServer ===

impl MetricsServer {
    /// Serves from now on. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the listener is of no use.
    pub fn start(
        metrics: Arc<Metrics>,
        listener: TcpListener,
        ready: impl Fn() -> bool + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let task = tokio::spawn(serve(metrics, listener, Arc::new(ready))).abort_handle();
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for MetricsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metrics at {}", self.address)
    }
}

async fn serve(metrics: Arc<Metrics>, listener: TcpListener, ready: Arc<Ready>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (metrics, ready) = (Arc::clone(&metrics), Arc::clone(&ready));
        let service = hyper::service::service_fn(move |request| {
            let response = answer(&metrics, &*ready, &request);
            async move { Ok::<_, Infallible>(response) }
        });
        connections.spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service);
            // One that fails or lasts too long ends, and has nobody to tell: who scrapes connects anew.
            let _ = tokio::time::timeout(LIFE, connection).await;
            drop(permit);
        });
    }
}

fn answer<Body>(metrics: &Metrics, ready: &Ready, request: &hyper::Request<Body>) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => {
            let mut response = plain(StatusCode::OK, metrics.text());
            let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, format);
            response
        }
        "/healthz" => plain(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if ready() => plain(StatusCode::OK, "ready\n".to_owned()),
        "/readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
        _ => plain(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n".to_owned()),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
