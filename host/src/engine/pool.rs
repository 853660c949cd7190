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
    idle: Mutex<Idle>,
}

/// The instances beside those in the slots. The last one in is the first one out.
#[derive(Default)]
struct Idle {
    list: Vec<Box<Instance>>,
    /// So many of them, from the first, no call has needed since the last [`Pool::shrink`].
    spare: usize,
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
        // How a guest's instances end is not to be waited for with the list locked.
        let mut older = Vec::new();
        let mut idle = self.idle();
        while let Some(instance) = idle.pop() {
            if instance.stamp == stamp {
                drop(idle);
                return Some(instance);
            }
            older.push(instance);
        }
        drop(idle);
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
        let older: Vec<_> = self.idle().list.extract_if(.., |instance| instance.stamp != stamp).collect();
        drop(older);
        for instance in self.slots.iter().filter_map(Slot::take) {
            self.keep(instance, || stamp);
        }
    }

    /// Puts an instance on the list, unless that is full or it is not of the current wiring. That is looked at with the
    /// list locked: whoever changes the wiring goes through the list afterwards.
    pub(super) fn keep(&self, instance: Box<Instance>, current: impl Fn() -> u64) {
        let mut idle = self.idle();
        let surplus = idle.push(instance, current());
        // What a guest's end does is not to be done with the list locked.
        drop(idle);
        drop(surplus);
    }

    /// Drops the instances that no call needed since this was last done, but for one. Those in the slots are put on the
    /// list: a thread that still calls takes one back, and the next time tells which were too many.
    pub(super) fn shrink(&self, current: impl Fn() -> u64) {
        let mut surplus = Vec::new();
        let mut idle = self.idle();
        let spare = idle.spare.min(idle.list.len());
        for instance in self.slots.iter().filter_map(Slot::take) {
            surplus.extend(idle.push(instance, current()));
        }
        let unneeded = spare.min(idle.list.len().saturating_sub(1));
        surplus.extend(idle.list.drain(..unneeded));
        idle.list.shrink_to(IDLE / 8);
        idle.spare = idle.list.len();
        drop(idle);
        drop(surplus);
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // The list is whole at all times: nothing panics half way through a change.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Idle ===

impl Idle {
    fn pop(&mut self) -> Option<Box<Instance>> {
        let instance = self.list.pop();
        self.spare = self.spare.min(self.list.len());
        instance
    }

    /// Gives an instance back for which there is no room, or that is of another wiring.
    fn push(&mut self, instance: Box<Instance>, current: u64) -> Option<Box<Instance>> {
        if self.list.len() < IDLE && instance.stamp == current {
            self.list.push(instance);
            return None;
        }
        Some(instance)
    }
}
