//! From a guest's call to a provider or another actor: policy, bindings, and the contracts in MessagePack.

mod answer;
mod bindings;
mod blobstore;
mod caller;
mod configuration;
mod eventstreams;
mod extras;
mod http_client;
mod keyvalue;
mod link;
mod logging;
mod messaging;
mod provider;
mod secrets;

pub(crate) use bindings::Target;
#[cfg(feature = "manifest")]
pub(crate) use bindings::or_default;
pub use bindings::{BindError, Bindings};
pub use blobstore::Blobs;
pub use configuration::Configured;
pub(crate) use link::Link;
pub use provider::{Contract, Provider};
