//! Calls of the app's callbacks, as they are counted.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Request, Response};
use tonic::Code;
use tonic::body::Body;
use tonic::transport::{Channel, Error};
use tower::Service;

use crate::grpc;
use crate::metrics::Metrics;

/// A channel to the app whose calls are counted, if somebody counts.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    channel: Channel,
    metrics: Option<Arc<Metrics>>,
}

// === impl Counted ===

impl Counted {
    pub(super) fn new(channel: Channel, metrics: Option<Arc<Metrics>>) -> Self {
        Self { channel, metrics }
    }
}

impl Service<Request<Body>> for Counted {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(metrics) = self.metrics.clone() else { return Box::pin(self.channel.call(request)) };
        let path = request.uri().clone();
        let begun = Instant::now();
        let answer = self.channel.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().map_or(Code::Unavailable, grpc::code);
            metrics.clients.count_grpc(path.path(), code, begun.elapsed());
            answer
        })
    }
}
