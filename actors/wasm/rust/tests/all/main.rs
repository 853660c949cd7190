//! Each module's function, natively, over the host for tests.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panic, as tests do")]

mod http;
mod modules;
mod transcripts;
