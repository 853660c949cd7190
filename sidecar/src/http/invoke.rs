//! Service invocation over HTTP.

use std::sync::Arc;

use http::request::Parts;
use http::{Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use tonic::Code;

use super::answer::{self, Answer};
use super::body;
use crate::invoke::{Target, Way};
use crate::{ApiError, Sidecar, invoke};

/// By this, the list of what is offered knows invocation.
const PATH: &str = "/v1.0/invoke/";

/// Answers what is none of the API's own calls: it is for an app, or for nobody.
pub(super) async fn answer(sidecar: &Arc<Sidecar>, head: Parts, body: Incoming) -> Answer {
    let offered = sidecar.settings.offered.as_ref().is_none_or(|offered| offered.has_path(PATH));
    let Some(target) = Target::find(&head.uri, &head.headers).filter(|_| offered) else {
        return refused(sidecar, &head, body, &no_app_id()).await;
    };
    let limit = sidecar.max_body_size;
    // What streams takes no memory; what is announced is refused as everywhere.
    if body.size_hint().lower() > limit as u64 {
        let error = body::read(&head.headers, body, limit).await.err();
        return answer::error(&error.unwrap_or_else(|| body::too_large(limit)));
    }
    let way = match Way::find(sidecar, &target.id).await {
        Ok(way) => way,
        Err(error) => return refused(sidecar, &head, body, &error).await,
    };
    let request = Request::from_parts(head, body);
    invoke::http(sidecar, target, way, request).await.unwrap_or_else(|error| {
        sidecar.count_error(&error);
        answer::error(&error)
    })
}

/// Whether an app is meant, for metrics.
pub(super) fn is_meant(head: &Parts) -> bool {
    head.uri.path().starts_with("/v1.0/invoke/") || head.headers.contains_key("dapr-app-id")
}

/// Nobody is meant.
pub(super) fn no_app_id() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        Code::NotFound,
        "ERR_DIRECT_INVOKE",
        "failed getting app id either from the URL path or the header dapr-app-id",
    )
}

/// A failure, for a client that may still be writing.
async fn refused(sidecar: &Sidecar, head: &Parts, body: Incoming, error: &ApiError) -> Answer {
    sidecar.count_error(error);
    let refused = answer::error(error);
    match body::discard(&head.headers, body, sidecar.max_body_size).await {
        true => refused,
        false => answer::last(refused),
    }
}
