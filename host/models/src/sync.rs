//! What slots are made of: loom's atomics, which try every order; or an interpreter's own, which sees what they do.

#[cfg(not(miri))]
pub(super) use loom::sync::atomic::{AtomicPtr, Ordering};
#[cfg(miri)]
pub(super) use std::sync::atomic::{AtomicPtr, Ordering};
