//! The processes that the harness measures, one binary for each way to run an app.
#![forbid(unsafe_code)]

mod metrics;
mod sidecar;
mod store;

pub use metrics::provider_calls;
pub use sidecar::address;
pub use store::{open, preload};
