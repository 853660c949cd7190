//! Messages that differ from the generated ones in Rust, not on the wire.

use std::collections::HashMap;

use bytes::Bytes;

/// `dapr.proto.runtime.v1.GetStateResponse` over [`Bytes`], so that a value is copied once on its way out, into
/// the message.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetStateResponse {
    /// The bytes stored; empty if the key is not there.
    #[prost(bytes = "bytes", tag = "1")]
    pub data: Bytes,
    /// Their version; empty if the key is not there.
    #[prost(string, tag = "2")]
    pub etag: String,
    /// Further facts by name.
    #[prost(map = "string, string", tag = "3")]
    pub metadata: HashMap<String, String>,
}
