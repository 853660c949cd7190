//! Dapr's state API in terms of the contract `KeyValue`, for both protocols.

mod expiry;
mod item;
mod operations;
mod prefix;
mod store;
mod traced;

pub(crate) use expiry::EXPIRE_TIME;
pub use expiry::expire_time;
pub use item::{Concurrency, Delete, Metadata, Options, Save, Write};
pub use operations::{bulk_get, delete, delete_all, get, save, save_all, transact};
pub use prefix::{KeyPrefix, SEPARATOR};
pub use store::{Backend, Store, Stores};
pub(crate) use traced::MEASURED;
