//! Tests of the method itself, and of its parts.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]
mod coverage;
mod parts;
mod slope;
mod synthetic;
