//! The host as its users see it.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod bindings;
mod cache;
mod calls;
mod guests;
mod identity;
mod limits;
mod pending;
mod provider;
