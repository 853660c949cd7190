//! Why a capability call failed.

/// The result of a capability call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a capability call failed. Every message names the thing and, where there is one, the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A conditional change found another version than the caller expected.
    #[error(
        "possible etag mismatch: key {key} was changed or removed by somebody else; read it again and retry"
    )]
    EtagMismatch {
        /// The key that the change was for.
        key: String,
    },
    /// The text is not an etag that this provider ever gave out.
    #[error("invalid etag value: {etag:?} was not given out by this store")]
    EtagInvalid {
        /// What the caller sent.
        etag: String,
    },
    /// The key holds a value of another kind, as a list where a plain value was asked for.
    #[error("key {key} holds a {found}, not a {expected}")]
    WrongType {
        /// The key.
        key: String,
        /// What the operation works on.
        expected: &'static str,
        /// What the key holds.
        found: &'static str,
    },
    /// `add` on a value that is not a decimal integer.
    #[error("the value of key {key} is not an integer of 64 bits")]
    NotAnInteger {
        /// The key.
        key: String,
    },
    /// `add` beyond the range of an `i64`.
    #[error("adding to key {key} would leave the range of an integer of 64 bits")]
    Overflow {
        /// The key.
        key: String,
    },
    /// The request itself is wrong: an empty key, say.
    #[error("{0}")]
    InvalidArgument(String),
    /// The provider cannot be reached. The call may be tried again.
    #[error("{provider} cannot be reached: {reason}")]
    Unavailable {
        /// Which provider.
        provider: String,
        /// What the connection said.
        reason: String,
    },
    /// The provider was reached and failed.
    #[error("{provider} failed: {reason}")]
    Failed {
        /// Which provider.
        provider: String,
        /// What it said.
        reason: String,
    },
}
