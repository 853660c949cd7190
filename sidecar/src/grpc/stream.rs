//! One long stream of calls: ours, not Dapr's.

use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use http::{Request, Response};
use hyper::body::Incoming;
use pillion_calls::{Call, MOST_UNDER_WAY, Reply};
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

use crate::{Sidecar, calls};

/// Answers the calls of one stream until the client ends it, or the sidecar stops: no more calls are taken then, and
/// those under way are answered.
pub(super) async fn calls(sidecar: &Arc<Sidecar>, request: Request<Incoming>) -> Response<Body> {
    let shared = Arc::clone(sidecar);
    let service = tower::service_fn(move |request: tonic::Request<Streaming<Call>>| {
        let replies = replies(Arc::clone(&shared), request.into_inner());
        async move { Ok::<_, Status>(tonic::Response::new(replies)) }
    });
    Grpc::new(ProstCodec::<Reply, Call>::default())
        .max_decoding_message_size(sidecar.max_body_size)
        .streaming(service, request)
        .await
}

/// An answer may overtake another. A client that reads no replies gets no more calls read: its own flow control holds it.
fn replies(
    sidecar: Arc<Sidecar>,
    calls: Streaming<Call>,
) -> impl Stream<Item = Result<Reply, Status>> + Send + 'static {
    let closing = sidecar.closing();
    calls
        .take_until(closing)
        .map(move |call| {
            let sidecar = Arc::clone(&sidecar);
            async move {
                match call {
                    Ok(call) => Ok(calls::answer(&sidecar, call).await),
                    Err(status) => Err(super::unread(sidecar.max_body_size, status)),
                }
            }
        })
        .buffer_unordered(MOST_UNDER_WAY)
}
