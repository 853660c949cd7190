//! Failures of output bindings, in Dapr's words.

use crate::ApiError;

pub(super) fn invoke(name: &str, reason: &str) -> ApiError {
    ApiError::internal("ERR_INVOKE_OUTPUT_BINDING", format!("error invoking output binding {name}: {reason}"))
}
