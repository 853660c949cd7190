//! How many requests may be with the app at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::pool::Received;

/// So many requests of those that may be refused wait for each that is served, before more are refused at once.
const WAITING: usize = 16;
/// As many wait at least.
const LEAST_WAITING: usize = 64;

/// Permits for requests to the app.
#[derive(Debug)]
pub(super) struct Turns {
    permits: Arc<Semaphore>,
    limit: usize,
    waiting: AtomicUsize,
}

/// A turn with the app; over when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

/// An answer of the app's: its turn is over when the last of it was read, or nobody wants it any more.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Received,
    turn: Option<Turn>,
}

/// Somebody who waits.
struct Waiter<'a>(&'a AtomicUsize);

// === impl Turns ===

impl Turns {
    pub(super) fn new(limit: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(limit)), limit, waiting: AtomicUsize::new(0) }
    }

    /// How many are served at a time.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Waits for a turn, however long.
    pub(super) async fn wait(&self) -> Turn {
        // Never closed.
        Turn { _permit: Arc::clone(&self.permits).acquire_owned().await.ok() }
    }

    /// Waits for a turn, or not at all if too many wait already: then how many.
    pub(super) async fn wait_or_refuse(&self) -> Result<Turn, usize> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(Turn { _permit: Some(permit) });
        }
        let most = self.limit.saturating_mul(WAITING).max(LEAST_WAITING);
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiter = Waiter(&self.waiting);
        if before >= most { Err(before) } else { Ok(self.wait().await) }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Answer ===

impl Answer {
    pub(super) fn new(body: Received, turn: Option<Turn>) -> Self {
        let turn = if body.is_end_stream() { None } else { turn };
        Self { body, turn }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if self.turn.is_some()
            && (matches!(polled, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream())
        {
            self.turn = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
