//! What a guest is asked, lent to it for the time of a call.
#![expect(
    unsafe_code,
    reason = "a store's data is 'static, and copying each request first would double its cost"
)]

use std::ptr::NonNull;

/// What a guest is asked: an operation and a payload, borrowed from the caller or owned.
#[derive(Default)]
pub(super) enum Request {
    #[default]
    None,
    Lent(Lent),
    Owned(String, Vec<u8>),
}

/// A caller's operation and payload.
pub(super) struct Lent {
    operation: NonNull<[u8]>,
    payload: NonNull<[u8]>,
}

// SAFETY: these are shared borrows of bytes, which may be read from any thread.
unsafe impl Send for Lent {}
// SAFETY: as above.
unsafe impl Sync for Lent {}

// === impl Request ===

impl Request {
    /// Lends a request.
    ///
    /// # Safety
    /// Both must outlive every later use of this value: it must be overwritten or dropped before they go away.
    pub(super) unsafe fn lend(operation: &[u8], payload: &[u8]) -> Self {
        Self::Lent(Lent { operation: operation.into(), payload: payload.into() })
    }

    /// Operation and payload; empty when the guest is not being asked anything, as while it is set up.
    #[inline]
    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        match self {
            Self::None => (&[], &[]),
            // SAFETY: whoever lent them promised that they are there as long as this value is used.
            Self::Lent(lent) => unsafe { (lent.operation.as_ref(), lent.payload.as_ref()) },
            Self::Owned(operation, payload) => (operation.as_bytes(), payload),
        }
    }
}
