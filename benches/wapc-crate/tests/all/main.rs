//! The apps of every lane, as they are measured, against the oracle and beside each other.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod differential;
mod lanes;
mod languages;
mod oracle;
mod outage;
mod sdk;
