//! The apps as a waPC guest in Rust.
//!
//! The business logic is `pillion-logic`, unchanged; here are its capabilities by waPC host calls to the contract
//! `wascc:keyvalue`, and the entry points of a waSCC actor. Besides the operations of the logic the guest answers
//! waSCC's `HandleRequest` (an HTTP request for a counter) and `HealthRequest`.

mod actor;
mod host;
mod keyvalue;

pub use actor::answer;
pub use host::{Host, HostError};
pub use keyvalue::{Store, Value};

#[cfg(target_family = "wasm")]
mod wapc;
