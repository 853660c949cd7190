//! Spans of what goes out to other sidecars and to the app.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Response};
use pillion_capabilities::trace::{
    self, Context, FutureExt as _, KeyValue, SpanKind, TRACEPARENT, TRACESTATE, TraceContextExt as _, Tracing,
};
use tonic::Status;
use tonic::metadata::BinaryMetadataValue;

use crate::Sidecar;
use crate::body::Body;

/// Where OpenCensus, and so Dapr, has the context of a call over gRPC.
pub(super) const BINARY: &str = "grpc-trace-bin";

/// Has a request sent, within a span if there are any; the request says which.
pub(super) async fn asked<B, E, F>(
    sidecar: &Arc<Sidecar>,
    what: &'static str,
    app_id: &str,
    mut request: Request<Body>,
    send: impl FnOnce(Request<Body>) -> F,
) -> Result<Response<B>, E>
where
    E: std::fmt::Display,
    F: Future<Output = Result<Response<B>, E>>,
{
    let Some(tracing) = &sidecar.tracing else { return send(request).await };
    let context = begin(tracing, what, app_id, request.uri().path());
    inject(&context, request.headers_mut());
    let result = send(request).with_context(context.clone()).await;
    match &result {
        Ok(response) => {
            let status = response.status();
            trace::end(&context, status.is_server_error().then(|| status.as_str()));
        }
        Err(error) => trace::end(&context, Some(&error.to_string())),
    }
    result
}

/// As [`asked`], for a call of a callback of the app's, whose metadata says which span it is within.
pub(super) async fn called<T, F>(
    sidecar: &Arc<Sidecar>,
    method: &str,
    mut metadata: HeaderMap,
    send: impl FnOnce(HeaderMap) -> F,
) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let Some(tracing) = &sidecar.tracing else { return send(metadata).await };
    let context = begin(tracing, "CallApp", &sidecar.app_id, &format!("/{}", method.trim_start_matches('/')));
    inject(&context, &mut metadata);
    inject_binary(&context, &mut metadata);
    let result = send(metadata).with_context(context.clone()).await;
    trace::end(&context, result.as_ref().err().map(ToString::to_string).as_deref());
    result
}

/// Begins the span of a call of an app.
fn begin(tracing: &Tracing, what: &'static str, app_id: &str, path: &str) -> Context {
    tracing.begin(&Context::current(), SpanKind::Client, || {
        let path = trace::clipped(path.as_bytes());
        let attributes = vec![
            KeyValue::new("dapr.api", what),
            KeyValue::new("dapr.invoked_app_id", app_id.to_owned()),
            KeyValue::new("dapr.invoked_method", path.clone()),
        ];
        (format!("{what}/{app_id}{path}").into(), attributes)
    })
}

/// Says on whose behalf a request goes out, in place of what it says itself.
pub(crate) fn inject(context: &Context, headers: &mut HeaderMap) {
    let span = context.span();
    let own = span.span_context();
    if !own.is_valid() {
        return;
    }
    headers.remove(TRACESTATE);
    for (name, value) in [(TRACEPARENT, Some(trace::traceparent(own))), (TRACESTATE, trace::tracestate(own))]
    {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            headers.insert(name, value);
        }
    }
    if headers.contains_key(BINARY) {
        inject_binary(context, headers);
    }
}

/// Says the same in the form that an app looks for whose gRPC knows OpenCensus.
pub(crate) fn inject_binary(context: &Context, headers: &mut HeaderMap) {
    let span = context.span();
    let own = span.span_context();
    if !own.is_valid() {
        return;
    }
    let value = BinaryMetadataValue::from_bytes(&trace::to_binary(own));
    if let Ok(value) = HeaderValue::from_bytes(value.as_encoded_bytes()) {
        headers.insert(BINARY, value);
    }
}
