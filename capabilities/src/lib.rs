//! The capability contracts and the providers that both contenders share.
//!
//! A contract is a typed trait over bytes and plain structs. It knows neither MessagePack (that is the host's
//! dispatch) nor JSON or protobuf (that is the sidecar), so that both sides link the same provider unchanged.
#![forbid(unsafe_code)]

mod answer;
pub mod binding;
pub mod blobstore;
mod blocking;
mod condition;
pub mod configuration;
mod counters;
pub mod delivery;
mod error;
pub mod eventstreams;
pub mod extras;
pub mod httpclient;
pub mod keyvalue;
pub mod lock;
pub mod logging;
mod memory;
pub mod messaging;
mod prefix;
mod redb;
mod redis;
pub mod secrets;
pub mod stamp;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;

pub use answer::{Answer, Pending};
pub use blobstore::BlobStore;
pub use configuration::Configuration;
pub use counters::{Counters, MOST, Operations};
pub use error::{Error, Result};
pub use eventstreams::EventStreams;
pub use extras::Extras;
pub use httpclient::HttpClient;
pub use keyvalue::{KeyValue, Operation};
pub use lock::Lock;
pub use logging::Logging;
pub use memory::Memory;
pub use messaging::Messaging;
pub use redb::Redb;
pub use redis::Redis;
pub use secrets::Secrets;
