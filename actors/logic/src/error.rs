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

    /// The text that [`ToString`] gives, put together without formatting, whose machinery would be a good part of a small
    /// guest.
    #[must_use]
    #[cold]
    pub fn into_text(self) -> String {
        let (before, text, behind) = match self {
            Self::BadDispatch(_) => ("bad dispatch", String::new(), ""),
            Self::BadRequest(reason) => ("bad request: ", reason, ""),
            Self::MissingKey(key) => ("key ", key, " is not there; set it first"),
            Self::BadRecord(key) => ("record ", key, " is damaged: it is not what the app writes there"),
            Self::Call(CallError(text)) => return text,
        };
        [before, &text, behind].concat()
    }
}
