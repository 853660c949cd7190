//! The sidecar as its clients see it: the real binary, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod app;
mod attach;
mod clients;
mod components;
mod concurrency;
mod grpc;
mod http;
mod life;
mod limits;
mod outage;
mod process;
mod pubsub;
mod sidecar;
mod spans;
mod stores;
mod system;
mod token;
mod wire;
