//! Where the reply of a handled request is.

/// Where the reply of a handled request is.
///
/// A value that goes out as it came in stays in the answer that brought it: copying it to the reply is up to a caller
/// that needs it there.
#[derive(Debug)]
#[must_use = "the reply may not be in the buffer"]
pub enum Handled<V> {
    /// In the buffer.
    Written,
    /// It is this value, and the buffer is as it was.
    Value(V),
}

// === impl Handled ===

impl<V: AsRef<[u8]>> Handled<V> {
    /// Appends the reply to the buffer, unless it is there already.
    pub fn finish(self, reply: &mut Vec<u8>) {
        if let Self::Value(value) = self {
            reply.extend_from_slice(value.as_ref());
        }
    }
}
