//! The sidecar as its clients see it: the real binary, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod accepting;
mod app;
mod app_health;
mod app_tls;
mod attach;
mod bindings;
mod callbacks;
mod clients;
mod components;
mod concurrency;
mod configuration;
mod gate;
mod grpc;
mod hops;
mod hostile;
mod http;
mod inputs;
mod invoke_grpc;
mod invoke_http;
mod invoke_load;
mod invoke_names;
mod kept;
mod life;
mod limits;
mod locks;
mod logs;
mod metrics;
mod middleware;
mod offered;
mod openapi;
mod outage;
mod policies;
mod process;
mod pubsub;
mod raw;
mod redis_tls;
mod reload;
mod resiliency;
mod secrets;
mod sidecar;
mod spans;
mod stores;
mod stream;
mod system;
mod token;
mod traffic;
mod wire;
mod yaml;
