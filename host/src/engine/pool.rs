//! Instances kept for reuse.
#![expect(clippy::vec_box, reason = "instances are large and move between slots, the list and calls")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use thread_local::ThreadLocal;

use super::instance::Instance;
use super::slot::Slot;

/// How many instances are kept beside those in the slots.
const IDLE: usize = 256;

/// Instances kept for reuse.
///
/// A thread finds its own instance in its slot, and has it to itself for the time of the call. Nested calls, which find
/// the slot empty, and calls that wait use the list.
#[derive(Default)]
pub(super) struct Pool {
    slots: ThreadLocal<Slot<Instance>>,
    idle: Mutex<Vec<Box<Instance>>>,
}

// === impl Pool ===

impl Pool {
    /// Runs `call` on this thread's instance, or on one of the list; with neither there, on nothing. What `call` leaves
    /// there is kept. Should `call` panic, the instance is dropped: what it holds is anybody's guess.
    #[inline]
    pub(super) fn with<T>(
        &self,
        stamp: u64,
        current: impl Fn() -> u64,
        call: impl FnOnce(&mut Option<Box<Instance>>) -> T,
    ) -> T {
        let slot = self.slots.get_or_default();
        let mut instance = slot.take();
        if instance.is_none() {
            instance = self.take(stamp);
        }
        let result = call(&mut instance);
        if let Some(surplus) = instance.and_then(|instance| slot.put(instance)) {
            self.keep(surplus, current);
        }
        result
    }

    /// An instance of that wiring from the list. Those of older wirings are dropped on the way.
    #[cold]
    pub(super) fn take(&self, stamp: u64) -> Option<Box<Instance>> {
        let mut idle = self.idle();
        while let Some(instance) = idle.pop() {
            if instance.stamp == stamp {
                return Some(instance);
            }
        }
        None
    }

    /// An instance of any wiring that no call is using, wherever it is kept.
    #[cold]
    pub(super) fn take_any(&self) -> Option<Box<Instance>> {
        let listed = self.idle().pop();
        listed.or_else(|| self.slots.iter().find_map(Slot::take))
    }

    /// Drops the idle instances of other wirings, wherever they are kept.
    pub(super) fn retain(&self, stamp: u64) {
        let older: Vec<_> = self.idle().extract_if(.., |instance| instance.stamp != stamp).collect();
        drop(older);
        for instance in self.slots.iter().filter_map(Slot::take) {
            self.keep(instance, || stamp);
        }
    }

    /// Puts an instance on the list, unless that is full or it is not of the current wiring. That is looked at with the
    /// list locked: whoever changes the wiring goes through the list afterwards.
    pub(super) fn keep(&self, instance: Box<Instance>, current: impl Fn() -> u64) {
        let mut idle = self.idle();
        if idle.len() < IDLE && instance.stamp == current() {
            idle.push(instance);
            return;
        }
        // What a guest's end does is not to be done with the list locked.
        drop(idle);
        drop(instance);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Box<Instance>>> {
        // The list is whole at all times: nothing panics half way through a change.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
