//! What goes wrong.

use crate::MOST_BYTES;

/// The shared memory cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process serves under this name.
    #[error("another sidecar serves the shared memory {0:?}; choose another name")]
    Taken(String),
    /// Nobody serves under this name.
    #[error("no sidecar serves the shared memory {0:?}")]
    Nobody(String),
    /// The name cannot be one.
    #[error("{0:?} cannot name shared memory: write 1 to 64 letters, digits, '-', '_' or '.'")]
    Name(String),
    /// The system refuses.
    #[error("the shared memory {name:?} cannot be opened: {reason}")]
    System {
        /// Its name.
        name: String,
        /// What it says.
        reason: String,
    },
}

/// A call brought no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// There is nobody to call.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The sidecar refused the client.
    #[error("{0}")]
    Refused(String),
    /// The sidecar ended or gave the client up.
    #[error("the sidecar ended before the reply came")]
    Ended,
    /// The message is longer than [`MOST_BYTES`].
    #[error(
        "a call of {0} bytes is too long for shared memory: the limit is {MOST_BYTES} bytes; use a socket"
    )]
    TooLong(usize),
    /// The message does not go through.
    #[error("the shared memory fails: {0}")]
    Failed(String),
}
