//! An in-process, waSCC-style host: waPC engine, signed identity, bindings, dispatch.
//!
//! A call runs on the caller's thread: into the guest, out of it to a provider, and back, each as a function call. A
//! provider that answers later suspends the guest, not the thread.
//!
//! Three layers, of which each can be used alone: [`engine`] runs waPC guests and knows no policy; [`identity`]
//! decides whom to believe; [`dispatch`] answers a guest's calls from what it was granted and bound to. [`Host`] joins
//! them.

pub mod dispatch;
pub mod engine;
mod host;
pub mod identity;

pub use engine::{Call, CallFailure, Limits};
pub use host::{ActorRef, Host, HostConfig, HostError};
