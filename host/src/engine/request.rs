//! What a guest is asked, lent to it for the time of a call.
#![expect(
    unsafe_code,
    reason = "a store's data is 'static, and copying each request first would double its cost"
)]

use std::ptr::NonNull;

/// What a guest is asked and where its response goes: borrowed from the caller or owned.
#[derive(Default)]
pub(super) enum Request {
    /// The guest is not being asked anything, as while it is set up.
    #[default]
    None,
    Lent(Lent),
    Owned(Owned),
}

/// A caller's operation and payload, and its buffer for the response.
pub(super) struct Lent {
    operation: NonNull<[u8]>,
    payload: NonNull<[u8]>,
    response: NonNull<Vec<u8>>,
}

/// An operation, a payload and the response.
pub(super) struct Owned {
    pub(super) operation: String,
    pub(super) payload: Vec<u8>,
    pub(super) response: Vec<u8>,
}

// SAFETY: these stand for two shared borrows of bytes and an exclusive one of a vector, which may go to any thread.
unsafe impl Send for Lent {}
// SAFETY: as above; the vector is reached through an exclusive borrow of this alone.
unsafe impl Sync for Lent {}

// === impl Request ===

impl Request {
    /// Lends a request and the buffer for its response.
    ///
    /// # Safety
    /// All three must outlive every later use of this value, and the buffer must not be looked at by others until
    /// then: it must be overwritten or dropped before they go away.
    pub(super) unsafe fn lend(operation: &[u8], payload: &[u8], response: &mut Vec<u8>) -> Self {
        Self::Lent(Lent { operation: operation.into(), payload: payload.into(), response: response.into() })
    }

    /// Operation and payload; empty when there are none.
    #[inline]
    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        match self {
            Self::None => (&[], &[]),
            // SAFETY: whoever lent them promised that they are there as long as this value is used.
            Self::Lent(lent) => unsafe { (lent.operation.as_ref(), lent.payload.as_ref()) },
            Self::Owned(owned) => (owned.operation.as_bytes(), &owned.payload),
        }
    }

    /// Where the response goes, if there is somebody to respond to.
    #[inline]
    pub(super) fn response(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::None => None,
            // SAFETY: whoever lent it promised that it is there, and nobody else's, as long as this value is used.
            Self::Lent(lent) => Some(unsafe { lent.response.as_mut() }),
            Self::Owned(owned) => Some(&mut owned.response),
        }
    }
}
