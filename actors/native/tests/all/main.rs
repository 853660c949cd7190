//! The apps over every way to their store, against the oracle.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panic, as tests do")]

mod app;
mod clients;
mod lanes;
mod memory;
mod pipelined;
#[path = "../../../../sidecar/tests/all/process.rs"]
mod process;
mod sidecar;
