//! The apps over every way to their store, against the oracle.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, as tests do")]

mod app;
mod clients;
mod lanes;
mod sidecar;
