//! An app that speaks gRPC: it answers as it is told, and remembers what it was asked.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;

use dapr::dapr::proto::runtime::v1::{
    ListTopicSubscriptionsResponse, TopicEventBulkRequest, TopicEventBulkResponse, TopicEventRequest,
    TopicEventResponse, TopicSubscription,
};
use http::{HeaderMap, Request};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;

use crate::accepting::Accepting;

/// What the app was sent.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    One(HeaderMap, TopicEventRequest),
    Many(String, TopicEventBulkRequest),
}

/// What the app says.
pub(super) trait Says: Send + Sync + 'static {
    fn subscriptions(&self) -> Vec<TopicSubscription>;

    fn one(&self, _: &TopicEventRequest) -> Result<i32, Status> {
        Ok(0)
    }

    /// Passes before an event is answered.
    fn pause(&self, _: &TopicEventRequest) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// By the method's name.
    fn many(&self, _: &str, _: &TopicEventBulkRequest) -> Result<TopicEventBulkResponse, Status> {
        Err(Status::unimplemented("many"))
    }
}

/// The app; gone when dropped.
pub(super) struct GrpcApp {
    pub(super) port: u16,
    /// Closed when the app panicked.
    sent: watch::Receiver<Vec<Sent>>,
    accepting: Accepting,
}

// === impl GrpcApp ===

impl GrpcApp {
    pub(super) async fn start(says: impl Says) -> Self {
        Self::start_at(0, says).await
    }

    /// Starts it on this port.
    pub(super) async fn start_at(port: u16, says: impl Says) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (remembered, sent) = watch::channel(Vec::new());
        let (remembered, says) = (Arc::new(remembered), Arc::new(says));
        let accepting = Accepting::start(listener, move |stream, witness| {
            let (says, remembered) = (Arc::clone(&says), Arc::clone(&remembered));
            let service = service_fn(move |request| {
                let (says, remembered) = (Arc::clone(&says), Arc::clone(&remembered));
                let witness = witness.clone();
                async move {
                    let _witness = witness;
                    Ok::<_, Infallible>(answer(&*says, &remembered, request).await)
                }
            });
            async move {
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            }
        });
        Self { port, sent, accepting }
    }

    /// Goes with what is in hand, and waits until the port is free.
    pub(super) async fn kill(self) {
        self.accepting.end().await;
    }

    /// Waits until it was sent so much, and answers that.
    pub(super) async fn until_sent(&self, count: usize) -> Vec<Sent> {
        let mut changes = self.sent.clone();
        changes.wait_for(|sent| sent.len() >= count).await.expect("the app panicked").clone()
    }

    /// As [`Self::until_sent`], for single events.
    pub(super) async fn until_events(&self, count: usize) -> Vec<TopicEventRequest> {
        let sent = self.until_sent(count).await.into_iter();
        sent.map(|sent| match sent {
            Sent::One(_, event) => event,
            Sent::Many(..) => panic!("many events at once"),
        })
        .collect()
    }
}

async fn answer(
    says: &impl Says,
    remembered: &watch::Sender<Vec<Sent>>,
    request: Request<Incoming>,
) -> http::Response<Body> {
    let headers = request.headers().clone();
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/dapr.proto.runtime.v1.AppCallback/ListTopicSubscriptions" => {
            let subscriptions = says.subscriptions();
            let response =
                move |()| Ok(ListTopicSubscriptionsResponse { subscriptions: subscriptions.clone() });
            unary(request, response).await
        }
        "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent" => {
            let service = tower::service_fn(|request: tonic::Request<TopicEventRequest>| async {
                let event = request.into_inner();
                says.pause(&event).await;
                let status = says.one(&event);
                remembered.send_modify(|all| all.push(Sent::One(headers.clone(), event)));
                status.map(|status| tonic::Response::new(TopicEventResponse { status }))
            });
            Grpc::new(ProstCodec::default()).unary(service, request).await
        }
        "/dapr.proto.runtime.v1.AppCallback/OnBulkTopicEvent"
        | "/dapr.proto.runtime.v1.AppCallbackAlpha/OnBulkTopicEventAlpha1" => {
            let method = path.rsplit('/').next().unwrap().to_owned();
            let response = |events: TopicEventBulkRequest| {
                let response = says.many(&method, &events);
                if response.is_ok() {
                    remembered.send_modify(|all| all.push(Sent::Many(method.clone(), events)));
                }
                response
            };
            unary(request, response).await
        }
        _ => Status::unimplemented(path).into_http(),
    }
}

async fn unary<M, R>(
    request: Request<Incoming>,
    method: impl Fn(M) -> Result<R, Status>,
) -> http::Response<Body>
where
    M: prost::Message + Default + 'static,
    R: prost::Message + 'static,
{
    let service = tower::service_fn(|request: tonic::Request<M>| {
        ready(method(request.into_inner()).map(tonic::Response::new))
    });
    Grpc::new(ProstCodec::<R, M>::default()).unary(service, request).await
}
