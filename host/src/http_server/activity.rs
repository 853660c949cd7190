//! What goes on on a connection, so that it is let go when nothing does.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What goes on on a connection. Clones are of the same connection.
///
/// It is looked at when a time is over and wakes nobody, so that requests pay little for it.
#[derive(Clone)]
pub(super) struct Activity(Arc<Inner>);

struct Inner {
    begun: Instant,
    /// Requests that are being answered.
    asked: AtomicUsize,
    /// Responses that are not written yet.
    unsent: AtomicUsize,
    /// When something went on last, in microseconds since `begun`.
    last: AtomicU64,
}

/// A request that is being answered, until it is dropped.
pub(super) struct UnderWay(Activity);

/// The body of a response, which hyper drops once it has written it.
pub(super) struct Unsent {
    body: Bytes,
    activity: Activity,
}

/// A stream that notes when some of a response is written.
pub(super) struct Noting<S> {
    stream: S,
    activity: Activity,
}

// === impl Activity ===

impl Activity {
    pub(super) fn new() -> Self {
        let (begun, asked) = (Instant::now(), AtomicUsize::new(0));
        Self(Arc::new(Inner { begun, asked, unsent: AtomicUsize::new(0), last: AtomicU64::new(0) }))
    }

    pub(super) fn asked(&self) -> UnderWay {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    pub(super) fn stream<S>(&self, stream: S) -> Noting<S> {
        Noting { stream, activity: self.clone() }
    }

    /// Something went on just now.
    pub(super) fn note(&self) {
        let now = u64::try_from(self.0.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.last.fetch_max(now, Ordering::Release);
    }

    /// Ends when nothing has gone on for so long: no request was being answered, and of no response anything written.
    pub(super) async fn idle(&self, patience: Duration) {
        while let Some(rest) = self.rest(patience) {
            tokio::time::sleep(rest).await;
        }
    }

    /// How long it takes at least until nothing has gone on for so long.
    fn rest(&self, patience: Duration) -> Option<Duration> {
        if self.0.asked.load(Ordering::Acquire) > 0 {
            // Calls have limits of their own. It is looked at no more often than timers can tell.
            return Some(patience.max(Duration::from_millis(1)));
        }
        let last = Duration::from_micros(self.0.last.load(Ordering::Acquire));
        let idle = self.0.begun.elapsed().saturating_sub(last);
        patience.checked_sub(idle).filter(|rest| !rest.is_zero())
    }
}

// === impl UnderWay ===

impl UnderWay {
    /// It was answered with that.
    pub(super) fn answered(self, body: Bytes) -> Unsent {
        self.0.0.unsent.fetch_add(1, Ordering::Relaxed);
        Unsent { body, activity: self.0.clone() }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.note();
        self.0.0.asked.fetch_sub(1, Ordering::Release);
    }
}

// === impl Unsent ===

impl Buf for Unsent {
    fn remaining(&self) -> usize {
        self.body.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.body.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.body.advance(count);
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        self.body.copy_to_bytes(count)
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.activity.0.unsent.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Noting ===

impl<S> Noting<S> {
    /// What else is written, as the answers to a client's pings, keeps no connection.
    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        let some = matches!(polled, Poll::Ready(Ok(count)) if *count > 0);
        if some && self.activity.0.unsent.load(Ordering::Relaxed) > 0 {
            self.activity.note();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noting<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noting<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.wrote(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
