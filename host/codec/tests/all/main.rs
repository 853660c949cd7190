//! The codec against `rmp-serde` structs of the original shapes, and against bytes that are none.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod malformed;
mod original;
mod round_trip;
