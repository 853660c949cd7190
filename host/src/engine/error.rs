//! Why a module cannot be run, and why a call failed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a module cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// wasmtime cannot be set up.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Setup(String),
    /// The module does not compile.
    #[error("the module does not compile: {0}")]
    Compile(String),
    /// The module is not one that waPC hosts can call.
    #[error("not a waPC module: it must export {missing}")]
    NotWapc {
        /// What a waPC module exports and this one does not.
        missing: &'static str,
    },
    /// The module imports what the host does not offer.
    #[error("the module cannot be linked: {0}")]
    Link(String),
    /// The cache directory cannot be used.
    #[error("the module cache {} cannot be used: {reason}", path.display())]
    Cache {
        /// The directory.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallFailure {
    /// The guest answered with an error of its own. This is its text.
    #[error("{0}")]
    Guest(String),
    /// The guest reported success and gave no response.
    #[error("the guest reported success but gave no response")]
    NoResponse,
    /// The guest trapped. Its instance is gone; the next call gets another.
    #[error("the guest trapped: {0}")]
    Trap(String),
    /// The guest ran too long. Its instance is gone; the next call gets another.
    #[error("the guest ran for more than {0:?} and was stopped")]
    Deadline(Duration),
    /// The call waited too long. Its instance is gone; the next call gets another.
    #[error("the call took more than {0:?}, waiting included, and was given up")]
    Patience(Duration),
    /// The guest ran too many instructions. Its instance is gone; the next call gets another.
    #[error(
        "the guest used up the {0} units of fuel that one call has, and was stopped; raise its limit `fuel`, or ask it \
         for less at a time"
    )]
    Fuel(u64),
    /// No instance could be made.
    #[error("no instance of the guest could be made: {0}")]
    Instantiate(String),
    /// All instances that the limit allows are in use.
    #[error("all {0} instances of the guest are in use; raise the limit or call less at a time")]
    Busy(usize),
    /// As many calls as may be are under way, and as many wait as may, or this one cannot wait.
    #[error(
        "all {concurrency} calls that the guest may serve at a time are under way, and this one does not wait ({queue} \
         may): raise its limit `concurrency` or `queue`, or call less at a time"
    )]
    Full {
        /// How many calls may be under way.
        concurrency: usize,
        /// How many may wait.
        queue: usize,
    },
    /// The call may have to wait, and was made in the way that cannot.
    #[error(
        "the guest is bound to a provider that answers later (or uses WASI): make the call in the way that waits"
    )]
    Waits,
    /// Middleware did not let the call in.
    #[error("the call was not let in: {0}")]
    Halted(String),
    /// The actor's token has expired.
    #[error("the token of the actor expired at {0} (Unix seconds); update it with a module signed anew")]
    Expired(u64),
    /// The guest was removed from its host.
    #[error("the actor was removed from its host")]
    Removed,
}

// === impl CallFailure ===

impl CallFailure {
    /// Whether the guest had no room for the call: later it may have.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Full { .. })
    }

    /// Whether the instance may be in a state that no later call should see.
    pub(super) fn spoils_instance(&self) -> bool {
        !matches!(self, Self::Guest(_) | Self::NoResponse)
    }
}

/// What stops a guest at its deadline.
#[derive(Debug, thiserror::Error)]
#[error("the deadline has passed")]
pub(super) struct DeadlinePassed;
