//! Messages of our own between an app and its sidecar.
//!
//! Dapr's API answers one request at a time and wraps each in a request of HTTP. These carry the same requests and
//! answers, Dapr's own messages, with a number each, so that many are under way on one connection and an answer may
//! overtake another. They go over one long stream of gRPC, the method [`STREAM`]:
//!
//! ```proto
//! service Calls {
//!   rpc Stream(stream Call) returns (stream Reply);
//! }
//! ```
#![forbid(unsafe_code)]

mod call;
mod reply;

pub use call::{Call, Request};
pub use reply::{Failure, GetStateResponse, Outcome, Reply};

/// The path of the method whose one stream carries all calls.
pub const STREAM: &str = "/pillion.v1.Calls/Stream";

/// Calls under way on one connection; more wait until one is answered.
pub const MOST_UNDER_WAY: usize = 1_000;
