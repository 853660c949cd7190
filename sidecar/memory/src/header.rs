//! What both ends see of a greeting beside its bytes.

use std::sync::atomic::{AtomicU32, Ordering, fence};

use iceoryx2::prelude::ZeroCopySend;

/// The header of a greeting. It lies in memory that the client writes and the sidecar reads, for as long as the greeting
/// is open.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Header {
    /// How many of the client's calls wait to be woken.
    asleep: AtomicU32,
}

#[expect(unsafe_code, reason = "the trait of what may lie in shared memory is unsafe to implement")]
// SAFETY: of C's layout, without pointers or references, valid whatever its bits, and of the same type on both ends.
unsafe impl ZeroCopySend for Header {}

// === impl Header ===

impl Header {
    /// The client's word that one of its calls will sleep. It looks once more afterwards for the reply: one that was sent
    /// before the sidecar could see this is seen then.
    pub(crate) fn falls_asleep(&self) {
        self.asleep.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    pub(crate) fn awakes(&self) {
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether a call of the client sleeps; the sidecar asks after it has sent a reply.
    pub(crate) fn is_asleep(&self) -> bool {
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::SeqCst) > 0
    }
}
