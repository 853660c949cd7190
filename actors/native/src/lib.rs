//! The apps as a native process: called direct, or beside a sidecar.
//!
//! The business logic is `pillion-logic`; here is where its capability calls go. [`Direct`] calls a provider in the
//! same process. [`HttpSidecar`] and [`GrpcSidecar`] call a Dapr sidecar over TCP or a Unix socket.
//! [`SidecarKeyValue`] is a sidecar in the shape of a provider, for a host in whose process the store is not.
#![forbid(unsafe_code)]

mod address;
mod calls;
mod channel;
mod connection;
mod direct;
mod grpc;
mod http;
mod multiplexed;
mod pipelined;
pub mod server;
mod shared_memory;
mod sidecar_key_value;
mod state;
mod stream;
mod token;

pub use address::{Address, InvalidAddress};
pub use calls::{Calls, Carrier};
pub use direct::Direct;
pub use grpc::GrpcSidecar;
pub use http::HttpSidecar;
pub use shared_memory::{SharedMemoryCarrier, SharedMemorySidecar};
pub use sidecar_key_value::SidecarKeyValue;
pub use stream::{StreamCarrier, StreamSidecar};
pub use token::{ApiToken, InvalidToken};
