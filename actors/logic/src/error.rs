//! Why a request got no reply.

use crate::CallError;

/// Why a request got no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// There is no such operation. The text is what waSCC's actors answer.
    #[error("bad dispatch")]
    BadDispatch(String),
    /// The request's bytes are not what the operation takes.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// The key that was asked for is not there.
    #[error("key {0} is not there; set it first")]
    MissingKey(String),
    /// A record of the store is not what the app wrote there.
    #[error("record {0} is damaged: it is not what the app writes there")]
    BadRecord(
        /// The record's key.
        String,
    ),
    /// A capability call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

// === impl AppError ===

impl AppError {
    #[cold]
    pub(crate) fn bad_request(reason: &str) -> Self {
        Self::BadRequest(reason.to_owned())
    }
}
