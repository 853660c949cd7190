//! What a sidecar answers.

use std::collections::HashMap;

use bytes::Bytes;
use dapr::dapr::proto::runtime::v1::GetBulkStateResponse;

/// The answer to one call.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Reply {
    /// The number of the call.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// What came of it; nothing for a change that was made.
    #[prost(oneof = "Outcome", tags = "2, 3, 4")]
    pub outcome: Option<Outcome>,
}

/// What came of a call that does more than to be done.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Outcome {
    /// It failed.
    #[prost(message, tag = "2")]
    Failure(Failure),
    /// The answer to `GetState`.
    #[prost(message, tag = "3")]
    Got(GetStateResponse),
    /// The answer to `GetBulkState`.
    #[prost(message, tag = "4")]
    BulkGot(GetBulkStateResponse),
}

/// A failure as gRPC tells it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Failure {
    /// The status code of gRPC.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// What went wrong, for people.
    #[prost(string, tag = "2")]
    pub message: String,
    /// A `google.rpc.Status` with what programs may read, as `grpc-status-details-bin` holds it.
    #[prost(bytes = "bytes", tag = "3")]
    pub details: Bytes,
}

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
