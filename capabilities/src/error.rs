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
    /// What the request is about is not there, and is needed.
    #[error("there is no {what}")]
    NotFound {
        /// What is not there, and the remedy.
        what: String,
    },
    /// A container that is to be removed still has objects in it, or uploads under way.
    #[error("container {container} is not empty; remove its objects and end the uploads to it first")]
    NotEmpty {
        /// The container.
        container: String,
    },
    /// The request goes beyond a bound that keeps the memory or the disk from filling up.
    #[error("more than {most} {what}")]
    TooMuch {
        /// What there is too much of, and the remedy.
        what: String,
        /// The bound.
        most: u64,
    },
    /// The provider is told not to do this.
    #[error("{what} is not allowed; {remedy}")]
    Denied {
        /// What is not allowed.
        what: String,
        /// What would allow it.
        remedy: &'static str,
    },
    /// It took too long. Whether anything was done is not known.
    #[error("{what} took longer than {waited:?}; wait longer, or ask for less")]
    TimedOut {
        /// What took too long.
        what: String,
        /// How long it was waited for.
        waited: std::time::Duration,
    },
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
    /// The provider has as much to do as it may have. The call did nothing and may be tried again later.
    #[error("{provider} is overloaded: {reason}")]
    Overloaded {
        /// Which provider.
        provider: String,
        /// What is full, and what helps.
        reason: String,
    },
    /// The provider cannot do this at all.
    #[error("{provider} cannot {what}")]
    Unsupported {
        /// Which provider.
        provider: &'static str,
        /// What it cannot do, and what to do instead.
        what: &'static str,
    },
    /// Nobody replied to a request.
    #[error("nobody replied on topic {topic} within {waited:?}; see that a subscriber runs, or wait longer")]
    NoReply {
        /// The topic of the request.
        topic: String,
        /// How long a reply was waited for; zero if it was known that nobody is there.
        waited: std::time::Duration,
    },
}
