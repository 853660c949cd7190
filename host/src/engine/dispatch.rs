//! Who answers a guest's calls.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

/// A guest's call to its host, borrowed from the guest's memory.
#[derive(Clone, Copy, Debug)]
pub struct HostCall<'a> {
    /// Which of several bindings, as `default`; may be empty.
    pub binding: &'a [u8],
    /// The contract, as `wascc:keyvalue`.
    pub namespace: &'a [u8],
    /// The operation, as `Get`.
    pub operation: &'a [u8],
    /// The request.
    pub payload: &'a [u8],
    /// How many calls of other guests the calling guest's own call is within: 0 for one that the host was asked for.
    pub depth: u32,
}

/// Answers a guest's calls.
///
/// The names are bytes as the guest sent them. A dispatch compares them with names it knows; when it fails a call and
/// a name turns out not to be UTF-8, the engine makes that a trap, as the ABI asks.
pub trait Dispatch: Send + Sync + 'static {
    /// Whether it never answers [`Dispatched::Pending`]. Guests then need no stack of their own.
    fn always_ready(&self) -> bool;

    /// Answers a call into `reply`, which is empty, or later.
    fn dispatch(&self, call: &HostCall<'_>, reply: &mut Reply) -> Dispatched;

    /// Takes a line that the guest logs. It is whatever the guest says: of any length, and not one line by itself. It is
    /// thrown away unless an implementation knows better.
    fn log(&self, line: &str) {
        let _ = line;
    }
}

/// Whether a call was answered.
#[must_use]
pub enum Dispatched {
    /// The reply is there.
    Done,
    /// The reply is to come; the one passed along stays empty.
    Pending(PendingReply),
}

/// A reply to come.
pub type PendingReply = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// What a guest gets: a response or an error's text.
///
/// A response is a buffer, reused from call to call, and perhaps a provider's bytes in the middle of it: a large value
/// is copied once, into the guest.
#[derive(Default)]
pub struct Reply {
    kind: Kind,
    buffer: Vec<u8>,
    /// Where in the buffer `inner` belongs.
    place: usize,
    inner: Bytes,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Empty,
    Response,
    Error,
}

// === impl Reply ===

impl Reply {
    /// A buffer kept for the next call is not larger than this.
    const KEPT: usize = 1 << 20;

    /// Makes this a response, and gives the buffer to write it to.
    #[inline]
    pub fn respond(&mut self) -> &mut Vec<u8> {
        self.kind = Kind::Response;
        &mut self.buffer
    }

    /// Puts bytes into the response, at that offset of what is in its buffer.
    ///
    /// # Panics
    /// When the offset is beyond the buffer.
    #[inline]
    pub fn insert(&mut self, place: usize, inner: Bytes) {
        assert!(place <= self.buffer.len(), "a place within the buffer");
        self.kind = Kind::Response;
        self.place = place;
        self.inner = inner;
    }

    /// Makes this an error with that text.
    pub fn fail(&mut self, text: impl fmt::Display) {
        use std::io::Write;
        self.reset();
        self.kind = Kind::Error;
        // Writing to a vector does not fail.
        let _ = write!(self.buffer, "{text}");
    }

    /// Whether this is an error.
    #[must_use]
    #[inline]
    pub fn is_error(&self) -> bool {
        self.kind == Kind::Error
    }

    /// The error's text, if this is an error.
    #[must_use]
    pub fn error(&self) -> Option<Cow<'_, str>> {
        self.is_error().then(|| String::from_utf8_lossy(&self.buffer))
    }

    /// The response, or the error's text.
    ///
    /// # Errors
    /// When this is an error: its text.
    pub fn into_result(self) -> Result<Vec<u8>, String> {
        match self.kind {
            Kind::Error => Err(String::from_utf8_lossy(&self.buffer).into_owned()),
            _ if self.inner.is_empty() => Ok(self.buffer),
            _ => {
                let (before, after) = self.buffer.split_at(self.place);
                Ok([before, &self.inner, after].concat())
            }
        }
    }

    /// Forgets what it holds, but not its buffer's room.
    #[inline]
    pub fn reset(&mut self) {
        self.kind = Kind::Empty;
        self.buffer.clear();
        if self.buffer.capacity() > Self::KEPT {
            self.buffer.shrink_to(Self::KEPT);
        }
        self.place = 0;
        if !self.inner.is_empty() {
            self.inner = Bytes::new();
        }
    }

    /// Holds nothing for a guest any more; what it held is let go by [`Reply::reset`].
    #[inline]
    pub(super) fn empty(&mut self) {
        self.kind = Kind::Empty;
    }

    #[inline]
    pub(super) fn is_response(&self) -> bool {
        self.kind == Kind::Response
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.buffer.len() + self.inner.len()
    }

    /// Copies all of it to a slice of its length.
    #[inline]
    pub(super) fn copy_to(&self, target: &mut [u8]) {
        // Most replies are in one piece, and a copy of nothing is a call of `memcpy` too.
        if self.inner.is_empty() {
            return target.copy_from_slice(&self.buffer);
        }
        let (before, after) = self.buffer.split_at(self.place);
        let (first, rest) = target.split_at_mut(before.len());
        let (second, third) = rest.split_at_mut(self.inner.len());
        if !before.is_empty() {
            first.copy_from_slice(before);
        }
        second.copy_from_slice(&self.inner);
        if !after.is_empty() {
            third.copy_from_slice(after);
        }
    }
}
