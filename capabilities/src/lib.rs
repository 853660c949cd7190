//! The capability contracts and the providers that both contenders share.
//!
//! A contract is a typed trait over bytes and plain structs. It knows neither MessagePack (that is the host's
//! dispatch) nor JSON or protobuf (that is the sidecar), so that both sides link the same provider unchanged.
#![forbid(unsafe_code)]

mod answer;
mod condition;
mod counters;
mod error;
pub mod keyvalue;
mod memory;
mod redb;
mod redis;
#[cfg(feature = "testing")]
pub mod testing;

pub use answer::{Answer, Pending};
pub use counters::{Counters, Operation};
pub use error::{Error, Result};
pub use keyvalue::KeyValue;
pub use memory::Memory;
pub use redb::Redb;
pub use redis::Redis;
