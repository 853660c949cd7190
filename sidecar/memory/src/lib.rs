//! Calls between an app and its sidecar through shared memory.
//!
//! No shipped sidecar does this. It is here to measure the limit of the architecture: what a call to another process
//! costs at least, when no kernel stands between the two. It carries the same messages as [`pillion_calls`] over a
//! service of request and response of `iceoryx2`, named by whoever starts the sidecar.
//!
//! - A client begins by a greeting with the sidecar's token, and keeps that request open for as long as it lives. Calls
//!   of a client that did not greet are refused.
//! - Whoever waits spins for [`SPIN`], and then sleeps until it is woken through an event; unless it is to be busy. Each
//!   end tells where the other one sees it that it sleeps, a client in the [`Header`] of its greeting and the sidecar on a
//!   board of its own: only then the other one pays for waking it.
//! - A process that is killed leaves its memory behind; the next one that opens the service removes it. A client notices
//!   a sidecar's end by its process, and a sidecar a client's when it looks after its memory.
#![deny(unsafe_code)]

mod board;
mod client;
mod ends;
mod error;
mod greeting;
mod guest;
mod header;
mod in_turn;
mod inbox;
mod line;
mod message;
mod pause;
mod server;
mod service;
mod wake;

pub use client::Client;
pub use error::{ClientError, OpenError};
pub use header::Header;
pub use pause::SPIN;
pub use server::Server;

/// Calls of one client under way; more wait until one is answered.
pub const MOST_UNDER_WAY: usize = 64;

/// The longest message either way, in bytes.
pub const MOST_BYTES: usize = 256 * 1024;

/// Clients of one sidecar.
pub const MOST_CLIENTS: usize = 4;
