//! The guests, built and run on a small waPC host over a store in memory.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panic, as tests do")]

mod guests;
mod host;
mod modules;
