//! The providers against the contract, against a plain model, and against what breaks.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bindings;
mod blobstore;
mod buses;
mod children;
mod concurrency;
mod configuration;
mod conformance;
mod etags;
mod eventstreams;
mod expiry;
mod extras;
mod httpclient;
mod lock;
mod log;
mod logging;
mod messaging;
mod messaging_ahead;
mod messaging_bounds;
mod messaging_gone;
mod messaging_servers;
mod model;
mod properties;
mod providers;
mod redb_file;
mod redis_gone;
mod redis_version;
mod secrets;
mod trace;
