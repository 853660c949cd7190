//! A Dapr-compatible sidecar: HTTP and gRPC over TCP and Unix sockets.
//!
//! It speaks Dapr's API for what it shares with the host (docs/DAPR.md lists it), so that an app written for Dapr runs
//! beside it unchanged. A request, of a state's key for example, takes this way:
//!
//! 1. [`server`] accepts the connection and hands each request to [`http`] or [`grpc`];
//! 2. that one parses it into the terms of its building block, [`state`];
//! 3. [`state`] prefixes the key and calls the provider of the component, which [`component`] has opened by its file;
//! 4. the answer, or the [`ApiError`], goes back in the words of the protocol.
//!
//! Events and bindings go the other way: `pubsub` and `bindings` hand to `app` what providers deliver, and `invoke` what
//! other sidecars bring.
#![forbid(unsafe_code)]

mod app;
mod bindings;
pub mod body;
mod busy;
mod calls;
pub mod component;
pub mod config;
mod configuration;
mod error;
mod expression;
pub mod flags;
pub mod grpc;
pub mod http;
mod invoke;
mod link;
mod lock;
mod logging;
mod metrics;
mod middleware;
mod outside;
mod pool;
mod program;
mod pubsub;
mod resiliency;
mod secrets;
pub mod server;
mod shared_memory;
mod sidecar;
pub mod state;
mod under_way;

pub use app::{AppAddressError, Protocol as AppProtocol};
pub use error::{ApiError, Detail};
pub use flags::Flags;
pub use program::program;
#[doc(hidden)]
pub use pubsub::{published, understood};
pub use server::{Ready, Server, StartError};
pub use sidecar::Sidecar;
