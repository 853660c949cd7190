//! The apps: their business logic once, generic over what an app may ask for.
//!
//! The same code is compiled for WebAssembly (waPC host calls), for a process beside a sidecar (HTTP or gRPC) and for
//! direct calls to a provider (the floor). It is `async` so that a sidecar's client may wait; where every answer is
//! ready, as in a guest, the future is ready at its first poll and the compiler sees through it.
#![forbid(unsafe_code)]

mod capabilities;

pub use capabilities::{CallError, Capabilities};
