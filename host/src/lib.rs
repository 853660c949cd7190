//! An in-process, waSCC-style host: waPC engine, signed identity, policy, bindings, dispatch.
//!
//! A call runs on the caller's thread: into the guest, out of it to a provider, and back, each as a function call. A
//! provider that answers later suspends the guest, not the thread.
//!
//! Three layers, of which each can be used alone: [`engine`] runs waPC guests and knows no policy; [`identity`]
//! decides whom to believe; [`dispatch`] answers a guest's calls from what it was granted and bound to. [`policy`] can
//! take away from that. [`Host`] joins them, and [`manifest`] makes a host of a file. Without the feature `engine` there
//! is [`identity`] alone.

#[cfg(feature = "engine")]
mod actor;
#[cfg(feature = "engine")]
mod admission;
#[cfg(feature = "engine")]
mod delivery;
#[cfg(feature = "engine")]
pub mod dispatch;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
mod error;
#[cfg(feature = "engine")]
mod expiry;
#[cfg(feature = "engine")]
mod host;
#[cfg(feature = "engine")]
mod http_server;
pub mod identity;
#[cfg(feature = "manifest")]
pub mod manifest;
#[cfg(feature = "engine")]
pub mod metrics;
#[cfg(feature = "engine")]
pub mod middleware;
#[cfg(feature = "engine")]
pub mod policy;
#[cfg(feature = "engine")]
mod registry;
#[cfg(feature = "engine")]
mod traced;
#[cfg(feature = "engine")]
mod workers;

#[cfg(feature = "engine")]
pub use actor::{ActorInfo, ActorRef, BindingInfo};
#[cfg(feature = "engine")]
pub use engine::{Call, CallFailure, Compiler, Limits};
#[cfg(feature = "engine")]
pub use error::HostError;
#[cfg(feature = "engine")]
pub use host::{
    HealthCheck, Host, HostConfig, Inventory, Probation, ProbationInfo, RolledBackInfo, Trial, Verdict,
};
#[cfg(feature = "engine")]
pub use http_server::{HttpOptions, HttpServer};
