//! From a guest's call to a provider: policy, bindings, and the contracts in MessagePack.

mod bindings;
mod keyvalue;

pub use bindings::{BindError, Bindings};
