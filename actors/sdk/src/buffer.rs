//! Buffers that are kept from call to call.

use std::cell::Cell;
use std::mem;
use std::thread::LocalKey;

/// Where a buffer is kept while nobody uses it. A guest has one thread: a plain static. A buffer is taken during a call,
/// so that a nested call finds another.
pub(crate) type Kept = LocalKey<Cell<Vec<u8>>>;

/// Keeps a buffer for who comes next.
#[inline]
pub(crate) fn keep(place: &'static Kept, buffer: Vec<u8>) {
    let earlier = place.replace(buffer);
    // There is one after a nested call alone. An inlined drop would be most of this, in every place that keeps one.
    if earlier.capacity() == 0 { mem::forget(earlier) } else { discard(earlier) }
}

#[cold]
#[inline(never)]
pub(crate) fn discard(buffer: Vec<u8>) {
    drop(buffer);
}
