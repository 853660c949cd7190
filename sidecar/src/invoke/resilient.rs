//! Calls of apps under a policy.

use std::sync::Arc;

use http::{Request, Response};
use tonic::Code;

use super::{Refused, Way, once_grpc, once_http};
use crate::Sidecar;
use crate::body::Body;
use crate::grpc;
use crate::resiliency::{Judged, Policy, Replay};

/// What is called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Http,
    Grpc,
}

/// Calls an app, as often as its policy has it. What it answers last is the answer.
pub(super) async fn call(
    sidecar: &Arc<Sidecar>,
    policy: &Policy,
    way: &Way,
    by: By,
    request: Request<Body>,
) -> Result<Response<Body>, Refused> {
    let (head, body) = request.into_parts();
    let limit = if policy.retry.is_some() { sidecar.max_body_size } else { 0 };
    let replay = Replay::new(body, limit);
    let outcome = policy.run(
        || {
            let request = Request::from_parts(head.clone(), replay.again());
            async move {
                match by {
                    By::Http => once_http(sidecar, way, request).await,
                    By::Grpc => once_grpc(sidecar, way, request).await,
                }
            }
        },
        |outcome| match judged(policy, by, outcome) {
            Judged::Again if !replay.is_whole() => Judged::Final,
            judged => judged,
        },
    );
    outcome.await.unwrap_or_else(|stopped| Err(Refused::new(Code::Internal, stopped.to_string())))
}

fn judged(policy: &Policy, by: By, outcome: &Result<Response<Body>, Refused>) -> Judged {
    let wanted = |wanted: bool| if wanted { Judged::Again } else { Judged::Final };
    let retry = policy.retry.as_ref();
    match (by, outcome) {
        // Not asked, and not to be asked again.
        (_, Err(refused)) if refused.code == Code::PermissionDenied || refused.too_long => Judged::Final,
        (By::Http, Err(_)) => Judged::Again,
        (By::Grpc, Err(refused)) => wanted(retry.is_some_and(|retry| retry.wants_grpc(refused.code as u16))),
        (By::Http, Ok(response)) => match response.status().as_u16() {
            // As with Dapr.
            200..400 => Judged::Success,
            status => wanted(retry.is_some_and(|retry| retry.wants_http(status))),
        },
        (By::Grpc, Ok(response)) => match grpc::code(response) {
            Code::Ok => Judged::Success,
            code => wanted(retry.is_some_and(|retry| retry.wants_grpc(code as u16))),
        },
    }
}
