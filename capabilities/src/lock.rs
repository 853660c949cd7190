//! The contract `Lock`: what at most one of many holds at a time, for a while.
//!
//! It serves Dapr's lock API; waSCC has no contract for locks.

mod memory;
mod redis;

use std::time::Duration;

use crate::condition::check_key;
use crate::{Answer, Counters, Error, Result, counters};

pub use memory::Memory;
pub use redis::Redis;

counters::operations! {
    TryLock = "try_lock",
    Unlock = "unlock",
}

/// What became of a lock that was to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlocked {
    /// It is free now.
    Done,
    /// Nobody holds it: it was given back already, or its time is over.
    NotLocked,
    /// Somebody else holds it, and still does.
    HeldByAnother,
}

/// The capability contract for locks.
///
/// A lock is held by an owner until it gives it back or its time is over, whichever is first; it is not held any longer
/// by an owner that asks again. That a lock's time is over is not told: whoever works on must see to it that the time is
/// long enough.
pub trait Lock: Send + Sync + 'static {
    /// The provider's name, for errors and metrics: `memory`, `redis`.
    fn name(&self) -> &'static str;

    /// How often this provider was reached.
    fn counters(&self) -> &Counters<Operation>;

    /// Whether every call answers [`Answer::Ready`].
    fn always_ready(&self) -> bool;

    /// Takes a lock for an owner and a time, of at least a millisecond; answers whether it was free. It is not free for
    /// the owner that holds it either.
    fn try_lock(&self, resource: &str, owner: &str, time: Duration) -> Answer<bool>;

    /// Gives a lock back.
    fn unlock(&self, resource: &str, owner: &str) -> Answer<Unlocked>;
}

/// A time beyond all sense.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

// === free functions ===

fn check_lock(resource: &str, owner: &str, time: Duration) -> Result<()> {
    check_unlock(resource, owner)?;
    if time < Duration::from_millis(1) || time > LONGEST {
        return Err(Error::InvalidArgument(format!(
            "lock {resource} cannot be held for {time:?}; hold it for a millisecond to a hundred years"
        )));
    }
    Ok(())
}

fn check_unlock(resource: &str, owner: &str) -> Result<()> {
    check_key(resource)?;
    if owner.is_empty() {
        let said = format!("nobody is to hold lock {resource}; name an owner");
        return Err(Error::InvalidArgument(said));
    }
    Ok(())
}
