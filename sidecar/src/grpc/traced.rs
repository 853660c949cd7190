//! Spans of requests over gRPC.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use pillion_capabilities::trace::{
    self, Context, FutureExt as _, KeyValue, SpanContext, SpanKind, TraceContextExt as _, Tracing,
};
use tonic::Code;
use tonic::body::Body;
use tonic::metadata::{BinaryMetadataValue, MetadataMap};

use super::{SERVICE, logged};
use crate::Sidecar;

/// Where OpenCensus, and so Dapr, has the context.
const BINARY: &str = "grpc-trace-bin";

/// Answers a request within a span, of which the answer tells.
pub(super) async fn answer(
    tracing: &Tracing,
    sidecar: &Arc<Sidecar>,
    request: Request<Incoming>,
) -> Response<Body> {
    let parent = parent(request.headers());
    let parent = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
    let context = tracing.begin(&parent, SpanKind::Server, || {
        let path = trace::clipped(request.uri().path().as_bytes());
        let mut attributes =
            vec![KeyValue::new("dapr.api", path.clone()), KeyValue::new("dapr.protocol", "grpc")];
        if let Some(method) = path.strip_prefix(SERVICE) {
            attributes.push(KeyValue::new("rpc.service", "Dapr"));
            attributes.push(KeyValue::new("rpc.method", method.to_owned()));
        }
        (path.into(), attributes)
    });
    let own = context.span().span_context().clone();
    let mut response = logged(sidecar, request).with_context(context.clone()).await;
    let code = super::code(&response);
    trace::end(&context, (code != Code::Ok).then(|| (code as i32).to_string()).as_deref());
    if own.is_valid() {
        let value = BinaryMetadataValue::from_bytes(&trace::to_binary(&own));
        if let Ok(value) = HeaderValue::from_bytes(value.as_encoded_bytes()) {
            response.headers_mut().insert(BINARY, value);
        }
    }
    response
}

/// Whose work this is: by the binary field, or by W3C's where that is not there.
fn parent(headers: &HeaderMap) -> Option<SpanContext> {
    let Some(value) = headers.get(BINARY) else { return trace::from_headers(headers) };
    let mut only = HeaderMap::new();
    only.insert(BINARY, value.clone());
    let bytes = MetadataMap::from_headers(only).get_bin(BINARY)?.to_bytes().ok()?;
    trace::from_binary(&bytes)
}
