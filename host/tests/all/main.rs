//! The host as its users see it.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod actors;
mod bindings;
mod blobstore;
mod bundles;
mod cache;
mod calls;
mod chain;
mod defects;
mod eventstreams;
mod expiry;
mod guests;
mod hostile;
mod http;
mod http_client;
mod identity;
mod limits;
mod manifest;
mod messaging;
mod middleware;
mod opa;
mod pending;
mod policy;
mod probation;
mod provider;
mod queue;
mod reload;
mod small_contracts;
mod soak;
mod spans;
mod tokens;
mod traces;
mod updates;
