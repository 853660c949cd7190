//! Failures of output bindings, in Dapr's words.

use crate::ApiError;
use crate::resiliency::{Judged, Policy};

/// Why an output binding did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The request is wrong: what is outside was not asked, or has not what is asked for.
    #[error("{0}")]
    Request(String),
    /// A server's answer with this status is taken for a failure.
    #[error("received status code {0}")]
    Status(u16),
    /// What is outside cannot be reached, or failed.
    #[error("{0}")]
    Outside(String),
}

pub(super) fn invoke(name: &str, reason: &str) -> ApiError {
    ApiError::internal("ERR_INVOKE_OUTPUT_BINDING", format!("error invoking output binding {name}: {reason}"))
}

// === impl Failure ===

impl Failure {
    /// What a policy makes of it.
    pub(super) fn judged(&self, policy: &Policy) -> Judged {
        match self {
            Self::Request(_) => Judged::Neutral,
            Self::Outside(_) => Judged::Again,
            Self::Status(status) => {
                match policy.retry.as_ref().is_some_and(|retry| retry.wants_http(*status)) {
                    true => Judged::Again,
                    false => Judged::Final,
                }
            }
        }
    }
}

impl From<&str> for Failure {
    fn from(reason: &str) -> Self {
        Self::Request(reason.to_owned())
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Request(reason)
    }
}

impl From<pillion_capabilities::Error> for Failure {
    fn from(error: pillion_capabilities::Error) -> Self {
        match crate::resiliency::judged(&error) {
            Judged::Again => Self::Outside(error.to_string()),
            Judged::Success | Judged::Final | Judged::Neutral => Self::Request(error.to_string()),
        }
    }
}
