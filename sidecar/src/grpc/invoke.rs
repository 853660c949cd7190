//! Service invocation over gRPC: what is not the API's own is passed on to the app that it names.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;

use super::unimplemented;
use crate::{Sidecar, invoke};

/// Passes a call on, of whatever kind it is.
pub(super) async fn proxy(sidecar: &Arc<Sidecar>, request: Request<Incoming>) -> Response<Body> {
    let Some(id) = invoke::grpc_target(request.headers()).map(str::to_owned) else {
        return unimplemented(&request);
    };
    match invoke::grpc(sidecar, &id, request).await {
        Ok(response) => response.map(Body::new),
        Err(refused) => refused.into_status().into_http(),
    }
}
