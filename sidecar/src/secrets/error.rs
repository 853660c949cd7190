//! Failures of the secrets API, in Dapr's words.

use http::StatusCode;
use pillion_capabilities::Error;
use tonic::Code;

use crate::ApiError;

pub(super) fn not_configured() -> ApiError {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        Code::FailedPrecondition,
        "ERR_SECRET_STORES_NOT_CONFIGURED",
        "secret store is not configured",
    )
}

pub(super) fn not_found(store: &str) -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        Code::InvalidArgument,
        "ERR_SECRET_STORE_NOT_FOUND",
        format!("failed finding secret store with key {store}"),
    )
}

pub(super) fn denied(store: &str, key: &str) -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        Code::PermissionDenied,
        "ERR_PERMISSION_DENIED",
        format!("access denied by policy to get {key:?} from {store:?}"),
    )
}

pub(super) fn get(store: &str, key: &str, reason: &str) -> ApiError {
    ApiError::internal(
        "ERR_SECRET_GET",
        format!("failed getting secret with key {key} from secret store {store}: {reason}"),
    )
}

pub(super) fn bulk(store: &str, reason: &Error) -> ApiError {
    ApiError::internal(
        "ERR_SECRET_GET",
        format!("failed getting secrets from secret store {store}: {reason}"),
    )
}
