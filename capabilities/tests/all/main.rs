//! The providers against the contract, against a plain model, and against what breaks.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod concurrency;
mod conformance;
mod expiry;
mod model;
mod properties;
mod providers;
mod redb_file;
mod redis_gone;
