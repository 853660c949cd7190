//! What the harness measures: an app for each way to run it, and one binary for each to be a process of its own.
#![forbid(unsafe_code)]

mod beside;
mod direct;
mod host;
mod load;
mod metrics;
mod sidecar;
mod sign;
mod store;

pub use beside::{Beside, OpenBeside};
pub use direct::{DirectApp, OpenDirect};
pub use host::{HostApp, OpenHost};
pub use load::load;
pub use metrics::provider_calls;
pub use sidecar::address;
pub use sign::sign;
pub use store::{open, preload, stored};
