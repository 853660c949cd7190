//! Calls of the host.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

#[cfg(target_family = "wasm")]
use crate::abi as host;
use crate::buffer::{Kept, discard, keep};
#[cfg(not(target_family = "wasm"))]
use crate::testing as host;
use crate::{Error, Result};

/// The name of the binding that is meant where none is named.
pub const DEFAULT: &str = "default";

/// A buffer that grew beyond this is not kept for later calls.
const MOST_KEPT: usize = 256 * 1024;

thread_local! {
    static REQUEST: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static RESPONSE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The bytes of the host's answer. Their buffer serves later calls once this is dropped.
#[derive(Default)]
pub struct Bytes {
    buffer: Vec<u8>,
    start: usize,
    length: usize,
}

/// Makes a call to a contract, or to another actor by its key or alias as `namespace`, which [`crate::call_actor`]
/// does. The typed clients are built on it.
///
/// # Errors
/// [`Kind::Host`](crate::Kind::Host) with the host's text.
#[inline]
pub fn call(binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Bytes> {
    let mut response = Bytes { buffer: RESPONSE.take(), start: 0, length: 0 };
    match host::call(binding, namespace, operation, payload, &mut response.buffer) {
        Ok(()) => {
            response.length = response.buffer.len();
            Ok(response)
        }
        Err(text) => Err(Error::host(text)),
    }
}

/// As [`call`], with the payload that `encode` appends to an empty buffer.
#[inline]
pub(crate) fn call_with(
    binding: &str,
    namespace: &str,
    operation: &str,
    encode: impl FnOnce(&mut Vec<u8>),
) -> Result<Bytes> {
    let mut request = REQUEST.take();
    request.clear();
    encode(&mut request);
    let result = call(binding, namespace, operation, &request);
    keep_small(&REQUEST, request);
    result
}

/// Keeps a buffer for later calls, unless it is large.
#[inline]
fn keep_small(place: &'static Kept, buffer: Vec<u8>) {
    if buffer.capacity() <= MOST_KEPT { keep(place, buffer) } else { discard(buffer) }
}

/// Writes a line to the host's console.
pub(crate) fn console(line: &str) {
    host::console(line);
}

// === impl Bytes ===

impl Bytes {
    /// Only the part that `part` is, which lies within these bytes. A place instead of a reference: the buffer and what
    /// lies in it go out together.
    #[inline]
    pub(crate) fn narrowed(mut self, start: usize, length: usize) -> Self {
        self.start += start;
        self.length = length;
        self
    }

    /// Where `part`, which was borrowed from these bytes, begins.
    #[inline]
    pub(crate) fn place(&self, part: &[u8]) -> usize {
        part.as_ptr().addr().wrapping_sub(self.as_ref().as_ptr().addr())
    }
}

impl AsRef<[u8]> for Bytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(self.start..).and_then(|rest| rest.get(..self.length)).unwrap_or_default()
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl Drop for Bytes {
    #[inline]
    fn drop(&mut self) {
        keep_small(&RESPONSE, std::mem::take(&mut self.buffer));
    }
}
