//! Spans of what goes out to other sidecars and to the app.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Response};
use pillion_capabilities::trace::{
    self, Context, FutureExt as _, KeyValue, SpanKind, TRACEPARENT, TRACESTATE, TraceContextExt as _,
};
use tonic::metadata::BinaryMetadataValue;

use crate::Sidecar;
use crate::body::Body;

/// Where OpenCensus, and so Dapr, has the context of a call over gRPC.
const BINARY: &str = "grpc-trace-bin";

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
    let context = tracing.begin(&Context::current(), SpanKind::Client, || {
        let path = trace::clipped(request.uri().path().as_bytes());
        let attributes = vec![
            KeyValue::new("dapr.api", what),
            KeyValue::new("dapr.invoked_app_id", app_id.to_owned()),
            KeyValue::new("dapr.invoked_method", path.clone()),
        ];
        (format!("{what}/{app_id}{path}").into(), attributes)
    });
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

/// Says on whose behalf a request goes out, in place of what it says itself.
fn inject(context: &Context, headers: &mut HeaderMap) {
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
        let value = BinaryMetadataValue::from_bytes(&trace::to_binary(own));
        if let Ok(value) = HeaderValue::from_bytes(value.as_encoded_bytes()) {
            headers.insert(BINARY, value);
        }
    }
}
