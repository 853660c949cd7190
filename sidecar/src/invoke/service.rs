//! Dapr's deprecated call over gRPC: `InvokeService`.

use std::sync::Arc;

use dapr::dapr::proto::common::v1::InvokeResponse;
use dapr::dapr::proto::runtime::v1::InvokeServiceRequest;
use http::HeaderMap;
use tonic::Status;

use crate::Sidecar;

/// Calls a method of an app.
pub(crate) async fn invoke(
    _sidecar: &Arc<Sidecar>,
    _metadata: HeaderMap,
    _request: InvokeServiceRequest,
) -> Result<tonic::Response<InvokeResponse>, Status> {
    Err(Status::unimplemented(""))
}
