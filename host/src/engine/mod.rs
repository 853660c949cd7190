//! The waPC engine: it runs guests on the caller's thread and knows neither contracts nor policy.
//!
//! An [`Engine`] compiles a module once into a [`Program`]; a [`Guest`] is a program wired to a [`Dispatch`], which
//! answers the guest's calls. Calls run on instances kept for reuse: one call, one instance. When the dispatch is
//! always ready, a call is a plain function call; otherwise the guest runs on a stack of its own and is suspended
//! while an answer is pending, so that no thread waits.

mod cache;
mod compile;
mod config;
mod dispatch;
mod error;
mod gate;
mod guest;
mod imports;
mod instance;
mod meter;
mod places;
mod pool;
mod request;
mod sleep;
mod slot;
mod state;
mod ticker;

/// What slots are made of; see `host/models`.
mod sync {
    pub(super) use std::sync::atomic::{AtomicPtr, Ordering};
}

pub(crate) use compile::DEPTH;
pub use compile::{Engine, Program};
pub use config::{Compiler, EngineConfig, Limits, UnknownCompiler};
pub use dispatch::{Dispatch, Dispatched, HostCall, PendingReply, Reply};
pub use error::{CallFailure, EngineError};
pub use gate::Gate;
pub use guest::{Call, Guest};
pub(crate) use guest::{Watch, WeakGuest};
