//! Dapr's API over gRPC.
//!
//! The generated service would ask for a hundred methods, most of them outside this sidecar's subset; tonic's
//! [`Grpc`] is called by path instead, and whatever is not there is unimplemented by name.

mod blocks;
mod invoke;
mod longest;
mod message;
mod pubsub;
pub(crate) mod state;
mod status;
mod stream;
mod system;
mod traced;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use dapr::dapr::proto::runtime::v1 as proto;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

pub(crate) use longest::{Reading, unread};
pub use message::GetStateResponse;
pub use state::get_state_response;
pub(crate) use state::into_save;
pub use status::status;

use crate::metrics::Name;
use crate::outside::Outside;
use crate::pubsub::Trace;
use crate::sidecar::API_TOKEN;
use crate::{ApiError, Sidecar, calls};

/// The path of every method up to its name.
pub(crate) const SERVICE: &str = "/dapr.proto.runtime.v1.Dapr/";

/// Answers one request.
///
/// # Errors
/// None: a failure is an answer.
pub async fn answer(
    sidecar: &Arc<Sidecar>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    // What is asked of few sidecars is aside, so that requests to others are not larger.
    Ok(match &sidecar.tracing {
        Some(tracing) => Box::pin(traced::answer(tracing, sidecar, request)).await,
        None if sidecar.log_requests => Box::pin(logged(sidecar, request)).await,
        None => dispatch(sidecar, request).await,
    })
}

async fn logged(sidecar: &Arc<Sidecar>, request: Request<Incoming>) -> Response<Body> {
    if !sidecar.log_requests {
        return dispatch(sidecar, request).await;
    }
    let method = request.uri().path().to_owned();
    let start = std::time::Instant::now();
    let response = dispatch(sidecar, request).await;
    let took = start.elapsed();
    tracing::info!(method, code = code(&response) as i32, ?took, "gRPC API Called");
    response
}

/// What an answer comes to, as far as its head tells: a failure before any message. A success is told after the messages.
pub(crate) fn code<B>(response: &Response<B>) -> Code {
    let code = response.headers().get(Status::GRPC_STATUS);
    code.map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

async fn dispatch(sidecar: &Arc<Sidecar>, request: Request<Incoming>) -> Response<Body> {
    let Some(metrics) = &sidecar.metrics else { return perform(sidecar, request).await };
    let name = request.uri().path().strip_prefix(SERVICE).map_or(Name::Other, Name::of_method);
    let begun = Instant::now();
    let response = perform(sidecar, request).await;
    metrics.count_grpc(name, code(&response), begun.elapsed());
    response
}

async fn perform(sidecar: &Arc<Sidecar>, request: Request<Incoming>) -> Response<Body> {
    if let Some(refused) = refuse(sidecar, &request) {
        return refused;
    }
    let Some(method) = request.uri().path().strip_prefix(SERVICE) else {
        if request.uri().path() == pillion_calls::STREAM {
            return match calls::is_offered(sidecar) {
                true => stream::calls(sidecar, request).await,
                false => not_offered(),
            };
        }
        if sidecar.settings.offered.as_ref().is_some_and(|offered| !offered.has_invoke_over_grpc()) {
            return not_offered();
        }
        // Aside, so that calls of other kinds are not larger.
        return Box::pin(invoke::proxy(sidecar, request)).await;
    };
    if let Some(offered) = &sidecar.settings.offered
        && !offered.has_method(method)
    {
        return not_offered();
    }
    let components = sidecar.components();
    let stores = &components.state;
    match method {
        "GetState" => unary(sidecar, request, |r: proto::GetStateRequest| state::get(stores, r)).await,
        "GetBulkState" => unary(sidecar, request, |r| state::bulk_get(stores, r)).await,
        "SaveState" => unary(sidecar, request, |r| state::save(stores, r)).await,
        "DeleteState" => unary(sidecar, request, |r| state::delete(stores, r)).await,
        "DeleteBulkState" => unary(sidecar, request, |r| state::delete_bulk(stores, r)).await,
        "ExecuteStateTransaction" => unary(sidecar, request, |r| state::transact(stores, r)).await,
        "QueryStateAlpha1" => unary(sidecar, request, |r| state::query(stores, r)).await,
        "PublishEvent" => {
            let trace = Trace::of(request.headers());
            unary(sidecar, request, |r| pubsub::publish(sidecar, &components, &trace, r)).await
        }
        "BulkPublishEvent" | "BulkPublishEventAlpha1" => {
            let trace = Trace::of(request.headers());
            unary(sidecar, request, |r| pubsub::publish_bulk(sidecar, &components, &trace, r)).await
        }
        "SubscribeTopicEventsAlpha1" => pubsub::subscribe(sidecar, request).await,
        "GetMetadata" => unary(sidecar, request, |r| system::metadata(sidecar, r)).await,
        "SetMetadata" => unary(sidecar, request, |r| system::set_metadata(sidecar, r)).await,
        "InvokeService" => Box::pin(invoke::service(sidecar, request)).await,
        "Shutdown" => unary(sidecar, request, |r| system::shutdown(sidecar, r)).await,
        // Aside, so that other requests are not larger.
        method => {
            let method = method.to_owned();
            Box::pin(blocks::dispatch(sidecar, &components, request, &method)).await
        }
    }
}

/// Decodes a message, calls `method` with it and encodes what it answers.
async fn unary<M, R, F>(
    sidecar: &Arc<Sidecar>,
    request: Request<Incoming>,
    method: impl Fn(M) -> F,
) -> Response<Body>
where
    M: prost::Message + Default + 'static,
    R: prost::Message + 'static,
    F: Future<Output = Result<R, ApiError>>,
{
    let reading = Reading::default();
    let service = tower::service_fn(|request: tonic::Request<M>| {
        reading.done();
        let answer = method(request.into_inner());
        async move {
            answer.await.map(tonic::Response::new).map_err(|error| {
                sidecar.count_error(&error);
                status(&error)
            })
        }
    });
    let response = Grpc::new(ProstCodec::<R, M>::default())
        .max_decoding_message_size(sidecar.max_body_size)
        .unary(service, request)
        .await;
    reading.answer(sidecar.max_body_size, response)
}

/// The answer to a request without the right token.
fn refuse(sidecar: &Arc<Sidecar>, request: &Request<Incoming>) -> Option<Response<Body>> {
    if sidecar.admits(request.headers()) {
        return None;
    }
    let message = if request.headers().contains_key(API_TOKEN) {
        "authentication error: api token mismatch"
    } else {
        "missing api token in request metadata"
    };
    let error =
        ApiError::new(http::StatusCode::UNAUTHORIZED, Code::Unauthenticated, "ERR_API_TOKEN", message);
    Some(status(&error).into_http())
}

/// The answer to a call that the configuration does not offer.
fn not_offered() -> Response<Body> {
    tonic::Status::unimplemented("requested endpoint is not available").into_http()
}

fn unimplemented(request: &Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    let message = match path.trim_start_matches('/').split_once('/') {
        Some((service, method)) => {
            let said = format!("method {method} of service {service} is not implemented");
            match Outside::of_method(method) {
                _ if !path.starts_with(SERVICE) => {
                    format!("{said}; metadata dapr-app-id names the app that has it")
                }
                Some(outside) => {
                    let name = outside.name();
                    format!("{said}: it is of a part of Dapr's API outside of this sidecar's subset, {name}")
                }
                None => said,
            }
        }
        None => format!("{path:?} is not the path of a method"),
    };
    tonic::Status::unimplemented(message).into_http()
}
