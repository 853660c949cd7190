//! Dapr's API over HTTP.

mod answer;
mod blocks;
mod body;
mod cors;
mod invoke;
mod path;
mod pubsub;
mod query;
mod request;
mod state;
mod system;
mod traced;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};

use answer::Answer;
pub use answer::value as value_answer;
pub use blocks::Block;
pub(crate) use body::{TOO_LARGE, hear_out};
pub(crate) use cors::Cors;
pub use path::{Call, Route};
pub(crate) use request::{AppAnswer, into_save};

use crate::body::Body;
use crate::config::Offered;
use crate::metrics::Name;
use crate::middleware::Pipeline;
use crate::{ApiError, Sidecar};

/// What a port offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// The whole API, to whoever has the token if there is one.
    Whole,
    /// Health and metadata, to anybody: Dapr's public port.
    Public,
}

/// Answers one request.
///
/// # Errors
/// None: a failure is an answer.
pub async fn answer(
    sidecar: &Arc<Sidecar>,
    offer: Offer,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    // What is asked of few sidecars is aside, so that requests to others are not larger: a connection has room for one.
    if sidecar.settings.cors.is_some() || sidecar.tracing.is_some() || sidecar.log_requests {
        return Ok(Box::pin(attended(sidecar, offer, request)).await);
    }
    Ok(dispatch(sidecar, offer, request).await)
}

/// Answers a request of which something is to be told beside its answer.
async fn attended(sidecar: &Arc<Sidecar>, offer: Offer, request: Request<Incoming>) -> Response<Body> {
    match &sidecar.settings.cors {
        None => traced(sidecar, offer, request).await,
        Some(cors) => crossing(cors, sidecar, offer, request).await,
    }
}

/// Answers a request that may come from a page of another origin.
async fn crossing(
    cors: &Cors,
    sidecar: &Arc<Sidecar>,
    offer: Offer,
    request: Request<Incoming>,
) -> Response<Body> {
    if let Some(answer) = cors.preflight(request.method(), request.headers()) {
        return answer;
    }
    let origin = request.headers().get(http::header::ORIGIN).cloned();
    let mut response = traced(sidecar, offer, request).await;
    cors.tell(origin.as_ref(), &mut response);
    response
}

async fn traced(sidecar: &Arc<Sidecar>, offer: Offer, request: Request<Incoming>) -> Response<Body> {
    match &sidecar.tracing {
        None => logged(sidecar, offer, request).await,
        Some(tracing) => traced::answer(tracing, sidecar, offer, request).await,
    }
}

async fn logged(sidecar: &Arc<Sidecar>, offer: Offer, request: Request<Incoming>) -> Response<Body> {
    if !sidecar.log_requests {
        return dispatch(sidecar, offer, request).await;
    }
    let (method, path) = (request.method().clone(), request.uri().path());
    let (options, route) = (sidecar.settings.logging, Route::find(&method, path));
    if options.without_health && route.is_health() {
        return dispatch(sidecar, offer, request).await;
    }
    let path = if options.obfuscated { Name::of_route(&route).text() } else { path }.to_owned();
    let start = std::time::Instant::now();
    let response = dispatch(sidecar, offer, request).await;
    let took = start.elapsed();
    tracing::info!(%method, path, code = response.status().as_u16(), ?took, "HTTP API Called");
    response
}

async fn dispatch(sidecar: &Arc<Sidecar>, offer: Offer, request: Request<Incoming>) -> Response<Body> {
    let begun = sidecar.metrics.as_ref().map(|_| (Instant::now(), request.body().size_hint().lower()));
    let (mut head, body) = request.into_parts();
    let stopped = match &sidecar.http_pipeline {
        None => None,
        Some(pipeline) => look(sidecar, pipeline, offer, &mut head),
    };
    let route = match &sidecar.settings.offered {
        Some(offered) if !offered.has_path(head.uri.path()) => Route::Unknown,
        _ => Route::find(&head.method, head.uri.path()),
    };
    let (route, open) = match offer {
        Offer::Whole => (route, route.is_health()),
        Offer::Public => (route.public(), true),
    };
    let mut name = Name::of_route(&route);
    let response = 'answered: {
        let refused = if let Some(answer) = stopped {
            *answer
        } else if !open && !sidecar.admits(&head.headers) {
            answer::text(StatusCode::UNAUTHORIZED, "invalid api token")
        } else {
            match route {
                Route::Found(call) => {
                    let outcome = perform(sidecar, call, &head, body).await;
                    break 'answered outcome.unwrap_or_else(|error| {
                        sidecar.count_error(&error);
                        answer::error(&error)
                    });
                }
                Route::OtherMethod(allowed) => answer::method_not_allowed(allowed),
                // Aside, so that requests of other kinds are not larger.
                Route::Unknown if offer == Offer::Whole && may_invoke(sidecar) => {
                    if invoke::is_meant(&head) {
                        name = Name::InvokeService;
                    }
                    break 'answered Box::pin(invoke::answer(sidecar, head, body)).await;
                }
                Route::Unknown => answer::error(&invoke::no_app_id()),
            }
        };
        // Aside as well.
        match Box::pin(body::discard(&head.headers, body, sidecar.max_body_size)).await {
            true => refused,
            false => answer::last(refused),
        }
    };
    if let (Some(metrics), Some((begun, received))) = (&sidecar.metrics, begun) {
        let sent = response.body().size_hint().lower();
        metrics.count_http(name, response.status(), received, sent, begun.elapsed());
    }
    response
}

/// Has the middleware look at a request: it may change it, or answer it. Neither questions for health nor who has no token
/// get so far.
fn look(sidecar: &Sidecar, pipeline: &Pipeline, offer: Offer, head: &mut Parts) -> Option<Box<Answer>> {
    let passes = offer != Offer::Whole
        || Route::find(&head.method, head.uri.path()).is_health()
        || !sidecar.admits(&head.headers);
    // An answer is large, and every request would keep room for it.
    if passes { None } else { pipeline.look(&sidecar.components(), head).map(Box::new) }
}

/// Whether apps may be called.
fn may_invoke(sidecar: &Sidecar) -> bool {
    sidecar.settings.offered.as_ref().is_none_or(Offered::has_invoke_over_http)
}

/// Performs a call. A body is read before anything else is looked at: a client that is still writing when its
/// connection closes may never see the answer.
async fn perform(
    sidecar: &Arc<Sidecar>,
    call: Call<'_>,
    head: &Parts,
    body: Incoming,
) -> Result<Answer, ApiError> {
    let query = head.uri.query().unwrap_or_default();
    let read = body::read(&head.headers, body, sidecar.max_body_size);
    let components = sidecar.components();
    let stores = &components.state;
    match call {
        Call::GetState { store, key } => state::get(stores, store, key).await,
        Call::DeleteState { store, key } => state::delete(stores, store, key, query, &head.headers).await,
        Call::SaveState { store } => state::save(stores, store, query, &read.await?).await,
        Call::BulkGet { store } => state::bulk_get(stores, store, &read.await?).await,
        Call::Transact { store } => state::transact(stores, store, &read.await?).await,
        Call::QueryState { store } => {
            read.await?;
            state::query(stores, store)
        }
        // Aside, so that requests for state are not larger.
        Call::Publish { pubsub, topic } => {
            let data = read.await?;
            Box::pin(pubsub::publish(sidecar, &components, (pubsub, topic), head, data)).await
        }
        Call::PublishBulk { pubsub, topic } => {
            let data = read.await?;
            Box::pin(pubsub::publish_bulk(sidecar, &components, (pubsub, topic), head, &data)).await
        }
        Call::Health { outbound } => system::health(sidecar, query, outbound),
        Call::GetMetadata => Ok(system::metadata(sidecar)),
        Call::SetMetadata { key } => system::set_metadata(sidecar, key, &read.await?),
        Call::Shutdown => Ok(system::shutdown(sidecar)),
        // Aside, so that other requests are not larger.
        Call::Block(call) => Box::pin(blocks::perform(sidecar, &components, call, head, read)).await,
    }
}

/// Whether a method writes: Dapr takes POST and PUT for the same.
fn is_post(method: &Method) -> bool {
    method == Method::POST || method == Method::PUT
}
