//! The provider in memory.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{Lock, Operation, Unlocked, check_lock, check_unlock};
use crate::{Answer, Counters};

/// Keeps locks in this process's memory, and loses them with the process. Every call answers [`Answer::Ready`].
#[derive(Debug, Default)]
pub struct Memory {
    counters: Counters<Operation>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    locks: HashMap<String, Holder>,
    /// At so many, those whose time is over are cleared away: what they take up is bounded by those that are held.
    clear_at: usize,
}

#[derive(Debug)]
struct Holder {
    owner: String,
    until: Instant,
}

/// Fewer are not worth looking through.
const FEW: usize = 64;

// === impl Memory ===

impl Memory {
    /// No lock is held.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many locks take up memory, those whose time is over and that were not cleared away yet included.
    #[must_use]
    pub fn stored_locks(&self) -> usize {
        self.held.lock().locks.len()
    }
}

impl Lock for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        true
    }

    fn try_lock(&self, resource: &str, owner: &str, time: Duration) -> Answer<bool> {
        self.counters.count(Operation::TryLock);
        if let Err(error) = check_lock(resource, owner, time) {
            return Answer::Ready(Err(error));
        }
        let mut held = self.held.lock();
        let now = Instant::now();
        if held.locks.get(resource).is_some_and(|holder| holder.until > now) {
            return Answer::Ready(Ok(false));
        }
        held.clear(now);
        // No clock of this machine reaches beyond a hundred years.
        let Some(until) = now.checked_add(time) else { return Answer::Ready(Ok(false)) };
        held.locks.insert(resource.to_owned(), Holder { owner: owner.to_owned(), until });
        Answer::Ready(Ok(true))
    }

    fn unlock(&self, resource: &str, owner: &str) -> Answer<Unlocked> {
        self.counters.count(Operation::Unlock);
        if let Err(error) = check_unlock(resource, owner) {
            return Answer::Ready(Err(error));
        }
        let mut held = self.held.lock();
        let unlocked = match held.locks.get(resource) {
            Some(holder) if holder.until > Instant::now() => {
                if holder.owner != owner {
                    return Answer::Ready(Ok(Unlocked::HeldByAnother));
                }
                Unlocked::Done
            }
            Some(_) | None => Unlocked::NotLocked,
        };
        held.locks.remove(resource);
        Answer::Ready(Ok(unlocked))
    }
}

// === impl Held ===

impl Held {
    fn clear(&mut self, now: Instant) {
        if self.locks.len() >= self.clear_at.max(FEW) {
            self.locks.retain(|_, holder| holder.until > now);
            self.clear_at = self.locks.len() * 2;
        }
    }
}
