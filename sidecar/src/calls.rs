//! Calls of our own: Dapr's requests with a number each, whatever brings them here.

use std::sync::Arc;

use pillion_calls::{Call, Failure, Outcome, Reply, Request};

use crate::grpc::{state, status};
use crate::{ApiError, Sidecar};

/// Whether the configuration offers all that can be called by it, as the methods that do the same.
pub(crate) fn is_offered(sidecar: &Sidecar) -> bool {
    const SAME: [&str; 5] =
        ["GetState", "GetBulkState", "SaveState", "DeleteState", "ExecuteStateTransaction"];
    sidecar
        .settings
        .offered
        .as_ref()
        .is_none_or(|offered| SAME.iter().all(|method| offered.has_method(method)))
}

/// Answers one call.
pub(crate) async fn answer(sidecar: &Arc<Sidecar>, call: Call) -> Reply {
    let Call { id, request } = call;
    let start = sidecar.log_requests.then(std::time::Instant::now);
    let method = request.as_ref().map_or("nothing", name);
    let answer = dispatch(sidecar, request).await;
    if let Some(start) = start {
        let code = answer.as_ref().err().map_or(tonic::Code::Ok, |error| error.code) as i32;
        tracing::info!(method, code, took = ?start.elapsed(), "call answered");
    }
    Reply { id, outcome: answer.unwrap_or_else(|error| Some(Outcome::Failure(failure(&error)))) }
}

async fn dispatch(sidecar: &Arc<Sidecar>, request: Option<Request>) -> Result<Option<Outcome>, ApiError> {
    let components = sidecar.components();
    let stores = &components.state;
    let done = |()| None;
    match request {
        Some(Request::Get(request)) => state::get(stores, request).await.map(Outcome::Got).map(Some),
        Some(Request::BulkGet(request)) => {
            state::bulk_get(stores, request).await.map(Outcome::BulkGot).map(Some)
        }
        Some(Request::Save(request)) => state::save(stores, request).await.map(done),
        Some(Request::Delete(request)) => state::delete(stores, request).await.map(done),
        Some(Request::BulkDelete(request)) => state::delete_bulk(stores, request).await.map(done),
        Some(Request::Transact(request)) => state::transact(stores, request).await.map(done),
        None => Err(ApiError::malformed("the call asks for nothing that this sidecar knows")),
    }
}

fn name(request: &Request) -> &'static str {
    match request {
        Request::Get(_) => "GetState",
        Request::BulkGet(_) => "GetBulkState",
        Request::Save(_) => "SaveState",
        Request::Delete(_) => "DeleteState",
        Request::BulkDelete(_) => "DeleteBulkState",
        Request::Transact(_) => "ExecuteStateTransaction",
    }
}

/// A failure in the codes and words of Dapr's gRPC API.
pub(crate) fn failure(error: &ApiError) -> Failure {
    let status = status(error);
    Failure {
        code: status.code().into(),
        message: status.message().to_owned(),
        details: status.details().to_vec().into(),
    }
}
