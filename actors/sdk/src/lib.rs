//! Everything that an actor in Rust needs: typed clients of the capabilities, handlers of what comes in, the waPC ABI,
//! and a host for tests.
//!
//! An actor is a library of crate type `cdylib` for `wasm32-unknown-unknown`. It names its operations by
//! [`operations!`], and [`export!`] makes them what a host calls:
//!
//! ```
#![doc = include_str!("../examples/visits.rs")]
//! ```
//!
//! A test of it is an ordinary one, with a [`testing::Host`] on the machine's own target:
//!
//! ```
//! # use pillion_sdk::{KeyValue, Reply, Result};
//! # fn answer(_: &str, _: &[u8], reply: &mut Reply) -> Result<()> {
//! #     let count = KeyValue::new().add("/", 1)?;
//! #     pillion_sdk::Messaging::new().publish("visited", b"/")?;
//! #     reply.http(200, "text/plain", count.to_string().as_bytes());
//! #     Ok(())
//! # }
//! use pillion_sdk::testing::Host;
//!
//! let host = Host::new();
//! assert_eq!(host.http(answer, "GET", "/", b"")?.body, b"1");
//! assert_eq!(host.http(answer, "GET", "/", b"")?.body, b"2");
//! assert_eq!(host.published().len(), 2);
//! # Ok::<(), pillion_sdk::Error>(())
//! ```
//!
//! | capability | client |
//! |---|---|
//! | `wascc:keyvalue` | [`KeyValue`] |
//! | `wascc:messaging` | [`Messaging`] |
//! | `wascc:blobstore` | [`BlobStore`] |
//! | `wascc:http_client` | [`HttpClient`] |
//! | `wascc:eventstreams` | [`EventStreams`] |
//! | `wascc:extras` | [`Extras`] |
//! | `wascc:logging` | [`Logging`], and the macros [`error!`], [`warn!`](crate::warn!), [`info!`], [`debug!`], [`trace!`] |
//! | `pillion:secrets` | [`Secrets`] |
//! | `pillion:configuration` | [`Configuration`] |
//! | another actor | [`call_actor`] |
//!
//! Every call answers before it comes back. Buffers of requests and answers are kept and used again, and what is read
//! stays in the answer that it came in. Texts are put together without `format!` here, so that only an actor that
//! formats pays for formatting.

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod abi;
mod actors;
mod answered;
mod blobstore;
mod buffer;
mod call;
mod client;
mod configuration;
mod error;
mod eventstreams;
mod export;
mod extras;
mod httpclient;
mod keyvalue;
pub mod logging;
mod messaging;
mod reply;
mod secrets;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use actors::call_actor;
pub use answered::Values;
pub use blobstore::{BlobStore, Blobs};
pub use call::{Bytes, DEFAULT, call};
pub use configuration::{Configuration, Items};
pub use error::{Error, Kind, Result};
pub use eventstreams::{EventStreams, Events};
pub use extras::Extras;
pub use httpclient::{HttpClient, HttpResponse};
pub use keyvalue::KeyValue;
pub use logging::Logging;
pub use messaging::Messaging;
pub use pillion_codec as message;
pub use reply::Reply;
pub use secrets::{AllSecrets, Secret, Secrets};

/// What the README shows, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What a payload is, or that it is malformed.
#[doc(hidden)]
pub fn delivered<T>(
    operation: &str,
    message: std::result::Result<T, pillion_codec::DecodeError>,
) -> Result<T> {
    message.map_err(|error| Error::payload(operation, error))
}
