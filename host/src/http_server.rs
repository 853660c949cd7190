//! HTTP requests to an actor: the contract `wascc:http_server`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, http};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use pillion_codec::{Headers, Request as ActorRequest, Response as ActorResponse};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::actor::ActorRef;
use crate::engine::CallFailure;

/// The names under which claims grant it: waSCC's own, and that of the generation after it.
const NAMES: [&str; 2] = ["wascc:http_server", "wasmcloud:httpserver"];

/// How requests are taken.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HttpOptions {
    /// The bytes of a request's body; a larger one is answered with 413.
    pub body: usize,
    /// How long a client may take to send a request's head, and its body.
    pub patience: Duration,
    /// How long requests under way may take once the server is to end.
    pub drain: Duration,
}

/// A running server. Dropping it ends it as [`HttpServer::stop`] does, without waiting.
#[must_use = "dropping the server ends it"]
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// After a failure to accept, as for want of file descriptors, it is tried again after so long.
const PAUSE: Duration = Duration::from_millis(50);

// === impl HttpOptions ===

impl Default for HttpOptions {
    fn default() -> Self {
        Self { body: 4 << 20, patience: Duration::from_secs(30), drain: Duration::from_secs(5) }
    }
}

// === impl HttpServer ===

impl HttpServer {
    /// Serves HTTP/1.1 and HTTP/2 from now on. To be called within a tokio runtime.
    pub(crate) fn start(
        actor: ActorRef,
        listener: TcpListener,
        options: HttpOptions,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(actor, listener, options, stopped));
        Ok(Self { address, stop: Some(stop), task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets the requests under way end, and waits for that.
    pub async fn stop(mut self) {
        self.stop.take();
        // It ends by itself, and has nothing to answer.
        let _ = (&mut self.task).await;
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP server at {}", self.address)
    }
}

/// Whether the claims of the actor's present revision grant it.
pub(crate) fn granted(actor: &ActorRef) -> bool {
    actor.claims().wascap.caps.iter().any(|granted| NAMES.contains(&granted.as_str()))
}

async fn serve(
    actor: ActorRef,
    listener: TcpListener,
    options: HttpOptions,
    mut stopped: oneshot::Receiver<()>,
) {
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            // Sent or dropped, the server is to end.
            _ = &mut stopped => break,
        };
        let Ok((stream, _)) = stream else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // A response is written at once, and in one piece.
        let _ = stream.set_nodelay(true);
        let actor = actor.clone();
        let service = hyper::service::service_fn(move |request| {
            let actor = actor.clone();
            async move { Ok::<_, Infallible>(handle(&actor, request, options).await) }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(options.patience);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(options.patience);
        let connection =
            connections.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(target: "pillion::http", %error, "a connection ended");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(options.drain, connections.shutdown()).await.is_err() {
        tracing::warn!(target: "pillion::http", "requests under way were given up");
    }
}

async fn handle(actor: &ActorRef, request: Request<Incoming>, options: HttpOptions) -> Response<Full<Bytes>> {
    // An update may have taken it away.
    if !granted(actor) {
        let said = "the actor is no longer granted wascc:http_server";
        return plain(StatusCode::FORBIDDEN, said.to_owned());
    }
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(options.patience, Limited::new(body, options.body).collect());
    let body = match body.await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body has more than {} bytes", options.body),
            );
        }
        Ok(Err(error)) => return plain(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "the body did not come in time".to_owned()),
    };
    let payload = encode(&head, &body);
    match actor.guest().call("HandleRequest", &payload).wait().await {
        Ok(response) => decode(actor, &response),
        Err(failure) => {
            tracing::warn!(target: "pillion::http", actor = actor.key(), %failure, "a request failed");
            let status = match failure {
                CallFailure::Busy(_) | CallFailure::Removed => StatusCode::SERVICE_UNAVAILABLE,
                CallFailure::Deadline(_) => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            // What went wrong within is not for the client.
            plain(status, "the actor did not answer".to_owned())
        }
    }
}

/// The request as actors get it. Fields of the same name are joined, as HTTP allows.
fn encode(head: &http::request::Parts, body: &[u8]) -> Vec<u8> {
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        // Cookies are joined by another sign than all other fields.
        let sign = if name == header::COOKIE { "; " } else { ", " };
        fields
            .entry(name.as_str())
            .and_modify(|joined| {
                joined.push_str(sign);
                joined.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
    let mut payload = Vec::with_capacity(body.len() + 512);
    let request = ActorRequest {
        method: head.method.as_str(),
        path: head.uri.path(),
        query_string: head.uri.query().unwrap_or_default(),
        header: Headers::new(&fields),
        body,
    };
    request.encode(&mut payload);
    payload
}

/// The response that an actor gave, or one that says that it is none.
fn decode(actor: &ActorRef, response: &[u8]) -> Response<Full<Bytes>> {
    match decoded(response) {
        Ok(response) => response,
        Err(reason) => {
            tracing::warn!(target: "pillion::http", actor = actor.key(), reason, "no HTTP response");
            plain(StatusCode::BAD_GATEWAY, "the actor's answer is no HTTP response".to_owned())
        }
    }
}

fn decoded(response: &[u8]) -> Result<Response<Full<Bytes>>, String> {
    let decoded = ActorResponse::decode(response).map_err(|error| error.to_string())?;
    let status = u16::try_from(decoded.status_code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    // 1xx announces a response and is none.
    let status = status
        .filter(|status| !status.is_informational())
        .ok_or_else(|| format!("the status code {}", decoded.status_code))?;
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(decoded.body)));
    *response.status_mut() = status;
    for (name, value) in decoded.header.iter() {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return Err(format!("the header field {name:?}"));
        };
        // These belong to the connection, and follow from the body.
        if ![header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
