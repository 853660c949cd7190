//! Failures of the lock API, in Dapr's words.

use std::fmt::Display;

use http::StatusCode;
use tonic::Code;

use crate::ApiError;

pub(super) fn not_configured() -> ApiError {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        Code::FailedPrecondition,
        "ERR_LOCK_STORE_NOT_CONFIGURED",
        "lock store is not configured",
    )
}

pub(super) fn not_found(store: &str) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        Code::InvalidArgument,
        "ERR_LOCK_STORE_NOT_FOUND",
        format!("lock store {store} not found"),
    )
}

pub(super) fn empty(field: &str, store: &str) -> ApiError {
    ApiError::malformed(format!("{field} is empty in lock store {store}"))
}

pub(super) fn expiry_not_positive(store: &str) -> ApiError {
    ApiError::malformed(format!("ExpiryInSeconds is not positive in lock store {store}"))
}

pub(super) fn try_lock(reason: impl Display) -> ApiError {
    ApiError::internal("ERR_TRY_LOCK", format!("failed to try acquiring lock: {reason}"))
}

pub(super) fn unlock(reason: impl Display) -> ApiError {
    ApiError::internal("ERR_UNLOCK", format!("failed to release lock: {reason}"))
}
