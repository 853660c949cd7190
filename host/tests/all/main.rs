//! The host as its users see it.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod actors;
mod binding_values;
mod bindings;
mod blobstore;
mod cache;
mod calls;
mod chain;
mod configuration;
mod defects;
mod events;
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
mod provider;
mod queue;
mod secrets;
mod small_contracts;
mod soak;
mod spans;
mod tokens;
mod traces;
mod updates;
