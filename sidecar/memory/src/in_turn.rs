//! What is made for one thread, used by several in turn.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Ports that lock nothing, behind one lock: those that are made for several threads lock each for itself, a dozen times
/// in a call.
pub(crate) struct InTurn<T>(Mutex<T>);

#[expect(unsafe_code, reason = "what is used in turn may go from thread to thread")]
// SAFETY: whoever made it vouches for that.
unsafe impl<T> Send for InTurn<T> {}

#[expect(unsafe_code, reason = "what is used in turn may be shared between threads")]
// SAFETY: only one thread at a time gets at the value.
unsafe impl<T> Sync for InTurn<T> {}

// === impl InTurn ===

impl<T> InTurn<T> {
    #[expect(unsafe_code, reason = "only whoever made the value knows what shares its state")]
    /// # Safety
    /// Nothing outside of the value shares with it what is not for several threads (a count of references, say), nothing
    /// in it is bound to the thread that made it, and nobody takes anything of that kind out of it.
    pub(crate) unsafe fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
