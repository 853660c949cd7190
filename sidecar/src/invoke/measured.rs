//! Calls of apps, as they are counted.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Response};

use super::{Refused, headers};
use crate::Sidecar;
use crate::grpc;
use crate::metrics::Outcome;

/// As Dapr has its callers say that a call is more than a message each way.
const STREAM: &str = "dapr-stream";

/// Whether a call says that it is a stream.
pub(super) fn is_streaming(headers: &HeaderMap) -> bool {
    headers.get(STREAM).is_some_and(|value| value == "true")
}

/// What an answer over HTTP comes to.
pub(super) fn of_http<B>(response: &Response<B>) -> Outcome {
    Outcome::of_http(response.status())
}

/// What an answer over gRPC comes to, as far as its head tells.
pub(super) fn of_grpc<B>(response: &Response<B>) -> Outcome {
    Outcome::of_grpc(grpc::code(response))
}

/// Counts a call of another app, and the answer if there is one.
pub(super) async fn sent<T>(
    sidecar: &Arc<Sidecar>,
    app: &str,
    streaming: bool,
    outcome: impl FnOnce(&T) -> Outcome,
    call: impl Future<Output = Result<T, Refused>>,
) -> Result<T, Refused> {
    let Some(metrics) = &sidecar.metrics else { return call.await };
    metrics.calls.sent(app, streaming);
    let begun = Instant::now();
    let result = call.await;
    if let Ok(answer) = &result {
        metrics.calls.answered(metrics.times(), app, streaming, outcome(answer), begun.elapsed());
    }
    result
}

/// Counts a call by another app, and what it is answered.
pub(super) async fn received<T>(
    sidecar: &Arc<Sidecar>,
    caller: Option<HeaderValue>,
    streaming: bool,
    outcome: impl FnOnce(&T) -> Outcome,
    call: impl Future<Output = Result<T, Refused>>,
) -> Result<T, Refused> {
    let Some(metrics) = &sidecar.metrics else { return call.await };
    let caller = caller.as_ref().and_then(|caller| caller.to_str().ok()).unwrap_or_default();
    metrics.calls.received(caller, streaming);
    let result = call.await;
    let outcome = match &result {
        Ok(answer) => outcome(answer),
        Err(refused) => Outcome::of_grpc(refused.code),
    };
    metrics.calls.answer(caller, streaming, outcome);
    result
}

/// Who calls, as [`received`] takes it.
pub(super) fn caller(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(headers::CALLER).cloned()
}
