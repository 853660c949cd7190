//! Dapr's own protocol between sidecars: `dapr.proto.internals.v1.ServiceInvocation`.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::Sidecar;
use crate::body::{Body, streamed};

/// The path of every method up to its name.
pub(super) const SERVICE: &str = "/dapr.proto.internals.v1.ServiceInvocation/";

pub(super) async fn answer(
    _sidecar: &Arc<Sidecar>,
    method: &str,
    _request: Request<Incoming>,
) -> Response<Body> {
    let message = format!("method {method} of service ServiceInvocation is not implemented");
    tonic::Status::unimplemented(message).into_http::<tonic::body::Body>().map(streamed)
}
