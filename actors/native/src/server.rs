//! The apps behind an HTTP server of their own, as a process beside a sidecar has it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use pillion_logic::{AppError, Capabilities, Handled, count, handle};
use tokio::net::TcpListener;

/// The longest request body that is taken, in bytes.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;

/// How long requests under way may take once the server is to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves `POST /<operation>`, `POST` and `GET /counter/<name>` and `GET /healthz` until `stop` is done; requests
/// that are under way are then finished, within five seconds. A connection that cannot be accepted is told on standard
/// error, and the next one tried.
pub async fn serve<C: Capabilities<Value: Into<Bytes>> + Send + Sync + 'static>(
    listener: TcpListener,
    capabilities: C,
    stop: impl Future<Output = ()>,
) {
    let capabilities = Arc::new(capabilities);
    let (server, graceful) = (auto::Builder::new(TokioExecutor::new()), GracefulShutdown::new());
    let mut stop = std::pin::pin!(stop);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.and_then(|(stream, _)| stream.set_nodelay(true).map(|()| stream)),
            () = &mut stop => break,
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                eprintln!("cannot accept a connection: {error}");
                // For want of a resource it would fail again at once.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let capabilities = Arc::clone(&capabilities);
        let service = service_fn(move |request| {
            let capabilities = Arc::clone(&capabilities);
            async move { Ok::<_, std::convert::Infallible>(respond(&*capabilities, request).await) }
        });
        let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
        // A connection that fails has lost its client: nobody is left to tell.
        tokio::spawn(graceful.watch(connection));
    }
    drop(listener);
    if tokio::time::timeout(PATIENCE, graceful.shutdown()).await.is_err() {
        eprintln!("requests that are still under way after {PATIENCE:?} are given up");
    }
}

async fn respond<C: Capabilities<Value: Into<Bytes>> + Sync>(
    capabilities: &C,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let (method, path) = (&parts.method, parts.uri.path());
    if path == "/healthz" {
        return response(StatusCode::NO_CONTENT, "text/plain", Bytes::new());
    }
    let body = match Limited::new(body, MOST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let text = format!("the body is longer than {MOST_BYTES} bytes");
            return response(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", text.into());
        }
        Err(error) => return response(StatusCode::BAD_REQUEST, "text/plain", error.to_string().into()),
    };
    let mut reply = Vec::new();
    let (result, content_type) = if path.starts_with("/counter/") {
        let counted = count(capabilities, method.as_str(), path, &mut reply).await;
        (counted.map(|()| Handled::Written), "application/json")
    } else if *method == Method::POST {
        let operation = path.strip_prefix('/').unwrap_or(path);
        (handle(capabilities, operation, &body, &mut reply).await, "application/octet-stream")
    } else {
        let text = Bytes::from_static(b"operations take POST");
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, "text/plain", text);
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return refusal;
    };
    match result {
        Ok(Handled::Written) => response(StatusCode::OK, content_type, reply.into()),
        Ok(Handled::Value(value)) => response(StatusCode::OK, content_type, value.into()),
        Err(error) => response(status(&error), "text/plain", error.to_string().into()),
    }
}

fn status(error: &AppError) -> StatusCode {
    match error {
        AppError::BadDispatch(_) | AppError::MissingKey(_) => StatusCode::NOT_FOUND,
        AppError::BadRequest(_) => StatusCode::BAD_REQUEST,
        AppError::Call(_) => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn response(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
