//! How a client begins.

/// What a client says first.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Greeting {
    /// The token that the sidecar may ask for.
    #[prost(string, optional, tag = "1")]
    pub(crate) token: Option<String>,
    /// The name of the event that wakes the client, and of the service that carries its replies.
    #[prost(string, tag = "2")]
    pub(crate) part: String,
    /// What its calls are told by: the number of their publisher, in 16 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) caller: Vec<u8>,
}

/// What the sidecar answers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Welcome {
    /// The sidecar's process.
    #[prost(int32, tag = "1")]
    pub(crate) process: i32,
    /// The name of the board on which it tells that it sleeps.
    #[prost(string, tag = "3")]
    pub(crate) board: String,
    /// Why the client may make no calls; empty if it may.
    #[prost(string, tag = "2")]
    pub(crate) refusal: String,
}
