//! Where a thread keeps an instance between calls.
//!
//! `host/models` has this file too, to run it under every interleaving that there is: whoever has it says which atomics
//! it is made of, as `sync`.
#![expect(
    unsafe_code,
    reason = "a bare pointer passes between a thread and its slot by one atomic operation"
)]

use std::ptr;

use super::sync::{AtomicPtr, Ordering};

/// Where a thread keeps something between calls: that thread alone puts it in, any may take it out. Each is on cache
/// lines of its own, so that threads do not slow each other down.
#[repr(align(128))]
pub(super) struct Slot<T>(AtomicPtr<T>);

// === impl Slot ===

impl<T> Slot<T> {
    #[inline]
    pub(super) fn take(&self) -> Option<Box<T>> {
        let kept = self.0.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: it came out of a box in `put`, and whoever swaps it out of the slot is the only one to have it.
        (!kept.is_null()).then(|| unsafe { Box::from_raw(kept) })
    }

    /// Puts something in, or gives it back when there is something. To be called on the slot's own thread: as others only
    /// ever empty a slot, one that is found empty stays so until this thread fills it.
    #[inline]
    pub(super) fn put(&self, kept: Box<T>) -> Option<Box<T>> {
        if self.0.load(Ordering::Relaxed).is_null() {
            self.0.store(Box::into_raw(kept), Ordering::Release);
            None
        } else {
            Some(kept)
        }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
