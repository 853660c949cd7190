//! What other sidecars ask of this one.

use std::sync::Arc;

use http::{Request, Response, header};
use hyper::body::Incoming;
use pillion_capabilities::trace::{
    self, Context, FutureExt as _, KeyValue, SpanKind, TraceContextExt as _, Tracing,
};
use tonic::Code;

use super::access::{Asked, Verb};
use super::{Refused, daprd, grpc_target, headers, local, measured};
use crate::Sidecar;
use crate::body::{Body, streamed};

/// Answers another sidecar's request. A failure is an answer.
pub(crate) async fn answer(sidecar: &Arc<Sidecar>, request: Request<Incoming>) -> Response<Body> {
    match &sidecar.tracing {
        None => dispatch(sidecar, request).await,
        Some(tracing) => Box::pin(traced(tracing, sidecar, request)).await,
    }
}

async fn traced(tracing: &Tracing, sidecar: &Arc<Sidecar>, request: Request<Incoming>) -> Response<Body> {
    let parent = trace::from_headers(request.headers());
    let parent = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
    let context = tracing.begin(&parent, SpanKind::Server, || {
        let path = trace::clipped(request.uri().path().as_bytes());
        let name = format!("CallLocal/{}{path}", sidecar.app_id);
        (name.into(), vec![KeyValue::new("dapr.api", path), KeyValue::new("dapr.protocol", "internal")])
    });
    let response = dispatch(sidecar, request).with_context(context.clone()).await;
    let status = response.status();
    trace::end(&context, status.is_server_error().then(|| status.as_str()));
    response
}

async fn dispatch(sidecar: &Arc<Sidecar>, mut request: Request<Incoming>) -> Response<Body> {
    if request.headers_mut().remove(headers::CALL).is_some() {
        let caller = measured::caller(request.headers());
        let call = http(sidecar, request);
        return match measured::received(sidecar, caller, false, measured::of_http, call).await {
            Ok(response) => response,
            Err(refused) => refused.into_response(),
        };
    }
    let is_grpc = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if !is_grpc {
        let mut response = Response::new(crate::body::whole("this port is for sidecars\n"));
        *response.status_mut() = http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return response;
    }
    if let Some(method) = request.uri().path().strip_prefix(daprd::SERVICE).map(str::to_owned) {
        return daprd::answer(sidecar, &method, request).await;
    }
    let caller = measured::caller(request.headers());
    let streaming = measured::is_streaming(request.headers());
    let call = grpc(sidecar, request);
    match measured::received(sidecar, caller, streaming, measured::of_grpc, call).await {
        Ok(response) => response,
        Err(refused) => refused.into_status().into_http::<tonic::body::Body>().map(streamed),
    }
}

async fn http(sidecar: &Arc<Sidecar>, mut request: Request<Incoming>) -> Result<Response<Body>, Refused> {
    let callee = request.headers().get(headers::CALLEE).and_then(|id| id.to_str().ok()).unwrap_or_default();
    is_here(sidecar, callee)?;
    headers::clean(request.headers_mut());
    if let Some(access) = &sidecar.invoker.access {
        let asked = Asked { path: request.uri().path(), verb: Verb::of(sidecar, request.method().as_str()) };
        access.check(&headers::caller(request.headers()), &asked)?;
    }
    only_path(&mut request);
    wrapped(local::http(sidecar, request.map(streamed)).await)
}

async fn grpc(sidecar: &Arc<Sidecar>, mut request: Request<Incoming>) -> Result<Response<Body>, Refused> {
    let callee = grpc_target(request.headers()).unwrap_or_default();
    is_here(sidecar, callee)?;
    headers::clean(request.headers_mut());
    if let Some(access) = &sidecar.invoker.access {
        // To an app over h2c it is a request as any other.
        let verb = Verb::of(sidecar, request.method().as_str());
        let asked = Asked { path: request.uri().path(), verb };
        access.check(&headers::caller(request.headers()), &asked)?;
    }
    request.headers_mut().insert(header::TE, http::HeaderValue::from_static("trailers"));
    only_path(&mut request);
    wrapped(local::grpc(sidecar, request.map(streamed)).await)
}

/// The app's failure as the caller's sidecar tells it.
pub(super) fn wrapped<T>(result: Result<T, Refused>) -> Result<T, Refused> {
    result.map_err(|refused| match refused.code {
        Code::Unavailable => {
            Refused::new(Code::Internal, format!("error invoking app channel: {}", refused.message))
        }
        _ => refused,
    })
}

/// Whether a call is for the app beside this sidecar: an address may be out of date.
pub(super) fn is_here(sidecar: &Sidecar, callee: &str) -> Result<(), Refused> {
    let id = callee.split_once('.').map_or(callee, |(id, _)| id);
    if id == sidecar.app_id {
        return Ok(());
    }
    let own = &sidecar.app_id;
    Err(Refused::new(
        Code::NotFound,
        format!("this is the sidecar of app {own}, and the call is for {callee:?}"),
    ))
}

/// Leaves the path and the query of where a request came in.
fn only_path(request: &mut Request<Incoming>) {
    if let Some(path) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = path.into();
    }
}
