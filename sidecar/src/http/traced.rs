//! Spans of requests over HTTP.

use std::sync::Arc;

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use pillion_capabilities::trace::{
    self, Context, FutureExt as _, KeyValue, SpanKind, TRACEPARENT, TRACESTATE, TraceContextExt as _, Tracing,
};

use super::{Offer, Route, logged};
use crate::Sidecar;
use crate::body::Body;

/// Answers a request within a span, of which the answer tells. Questions for health are no part of anything.
pub(super) async fn answer(
    tracing: &Tracing,
    sidecar: &Arc<Sidecar>,
    offer: Offer,
    request: Request<Incoming>,
) -> Response<Body> {
    if offer == Offer::Public || Route::find(request.method(), request.uri().path()).is_health() {
        return logged(sidecar, offer, request).await;
    }
    let parent = trace::from_headers(request.headers());
    let parent = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
    let context = tracing.begin(&parent, SpanKind::Server, || {
        let (method, path) = (request.method(), shortened(request.uri().path()));
        let attributes = vec![
            KeyValue::new("dapr.api", format!("{method} {path}")),
            KeyValue::new("dapr.protocol", "http"),
        ];
        (path.into(), attributes)
    });
    let own = context.span().span_context().clone();
    let mut response = logged(sidecar, offer, request).with_context(context.clone()).await;
    let status = response.status();
    context.span().set_attribute(KeyValue::new("dapr.status_code", status.as_str().to_owned()));
    trace::end(&context, status.is_server_error().then(|| status.as_str()));
    if own.is_valid() {
        let headers = response.headers_mut();
        for (name, value) in
            [(TRACEPARENT, Some(trace::traceparent(&own))), (TRACESTATE, trace::tracestate(&own))]
        {
            if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
                headers.insert(name, value);
            }
        }
    }
    response
}

/// A path up to the component's name, as Dapr calls a span: with keys there would be no end of names.
fn shortened(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).take(3).collect();
    trace::clipped(format!("/{}", segments.join("/")).as_bytes())
}
