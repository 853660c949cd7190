//! Instances kept for reuse.
#![expect(clippy::vec_box, reason = "instances are large and move between slots, the list and calls")]

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::instance::Instance;

/// How many threads have a slot of their own. A power of two.
const SLOTS: usize = 16;
/// How many instances are kept beside those in the slots.
const IDLE: usize = 256;

/// Instances kept for reuse.
///
/// A thread finds its own instance in its slot, whose lock it holds for the time of the call: one uncontended lock is
/// all that a call pays. Nested calls, calls of threads that share a slot, and calls that wait use the list.
#[derive(Default)]
pub(super) struct Pool {
    slots: [Slot; SLOTS],
    idle: Mutex<Vec<Box<Instance>>>,
}

/// Each on cache lines of its own, so that threads do not slow each other down.
#[derive(Default)]
#[repr(align(128))]
struct Slot(Mutex<Option<Box<Instance>>>);

// === impl Pool ===

impl Pool {
    /// Runs `call` on this thread's slot, or on one for this call alone when that is taken. What `call` leaves in the
    /// slot is kept.
    #[inline]
    pub(super) fn with<T>(&self, stamp: u64, call: impl FnOnce(&mut Option<Box<Instance>>) -> T) -> T {
        let slot = &self.slots[thread_number() % SLOTS].0;
        match slot.try_lock() {
            Ok(mut instance) => call(&mut instance),
            Err(TryLockError::Poisoned(poisoned)) => {
                // A call panicked: what its instance holds is anybody's guess.
                let mut instance = poisoned.into_inner();
                *instance = None;
                slot.clear_poison();
                call(&mut instance)
            }
            Err(TryLockError::WouldBlock) => {
                let mut instance = self.take(stamp);
                let result = call(&mut instance);
                instance.into_iter().for_each(|instance| self.keep(instance));
                result
            }
        }
    }

    /// An instance of that wiring from the list. Those of older wirings are dropped on the way.
    pub(super) fn take(&self, stamp: u64) -> Option<Box<Instance>> {
        let mut idle = self.idle();
        while let Some(instance) = idle.pop() {
            if instance.stamp == stamp {
                return Some(instance);
            }
        }
        None
    }

    /// Puts an instance on the list, unless that is full.
    pub(super) fn keep(&self, instance: Box<Instance>) {
        let mut idle = self.idle();
        if idle.len() < IDLE {
            idle.push(instance);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Box<Instance>>> {
        // The list is whole at all times: nothing panics half way through a change.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A small number of this thread's own.
#[inline]
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    NUMBER.with(|number| match number.get() {
        usize::MAX => {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(next);
            next
        }
        known => known,
    })
}
