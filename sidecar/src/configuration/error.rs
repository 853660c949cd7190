//! Failures of the configuration API, in Dapr's words.

use http::StatusCode;
use pillion_capabilities::Error;
use tonic::Code;

use crate::ApiError;

pub(super) fn not_configured() -> ApiError {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        Code::FailedPrecondition,
        "ERR_CONFIGURATION_STORE_NOT_CONFIGURED",
        "configuration stores not configured",
    )
}

pub(super) fn not_found(store: &str) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        Code::InvalidArgument,
        "ERR_CONFIGURATION_STORE_NOT_FOUND",
        format!("configuration store {store} not found"),
    )
}

pub(super) fn get(store: &str, keys: &[impl AsRef<str>], reason: &Error) -> ApiError {
    let keys = shown(keys);
    ApiError::internal(
        "ERR_CONFIGURATION_GET",
        format!("failed to get {keys} from Configuration store {store}: {reason}"),
    )
}

pub(super) fn subscribe(store: &str, keys: &[impl AsRef<str>], reason: &Error) -> ApiError {
    let keys = shown(keys);
    ApiError::internal(
        "ERR_CONFIGURATION_SUBSCRIBE",
        format!("failed to subscribe {keys} from Configuration store {store}: {reason}"),
    )
}

pub(super) fn unsubscribe(id: &str, reason: &str) -> String {
    format!("failed to unsubscribe to configuration request {id}: {reason}")
}

/// Keys as Go shows a list of them.
fn shown(keys: &[impl AsRef<str>]) -> String {
    let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
    format!("[{}]", keys.join(" "))
}
