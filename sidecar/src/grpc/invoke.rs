//! Service invocation over gRPC.

use std::sync::Arc;

use dapr::dapr::proto::common::v1::InvokeResponse;
use dapr::dapr::proto::runtime::v1::InvokeServiceRequest;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;

use super::{Reading, unimplemented};
use crate::{Sidecar, invoke};

/// What is not the API's own is passed on to the app that it names, of whatever kind the call is.
pub(super) async fn proxy(sidecar: &Arc<Sidecar>, request: Request<Incoming>) -> Response<Body> {
    let Some(id) = invoke::grpc_target(request.headers()).map(str::to_owned) else {
        return unimplemented(&request);
    };
    match invoke::grpc(sidecar, &id, request).await {
        Ok(response) => response.map(Body::new),
        Err(refused) => refused.into_status().into_http(),
    }
}

/// `InvokeService`, which Dapr itself calls deprecated.
pub(super) async fn service(sidecar: &Arc<Sidecar>, request: Request<Incoming>) -> Response<Body> {
    let reading = Reading::default();
    let service = tower::service_fn(|request: tonic::Request<InvokeServiceRequest>| {
        reading.done();
        let sidecar = Arc::clone(sidecar);
        async move {
            let (metadata, _, message) = request.into_parts();
            invoke::invoke_service(&sidecar, metadata.into_headers(), message).await
        }
    });
    let response = Grpc::new(ProstCodec::<InvokeResponse, InvokeServiceRequest>::default())
        .max_decoding_message_size(sidecar.max_body_size)
        .unary(service, request)
        .await;
    reading.answer(sidecar.max_body_size, response)
}
