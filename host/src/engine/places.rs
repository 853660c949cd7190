//! How many calls a guest serves at a time, and who waits for a place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{CallFailure, Limits};

/// The places for calls of a guest. A place that comes free is the first waiting call's, before anybody else can take it.
pub(super) struct Places {
    free: Arc<Semaphore>,
    concurrency: usize,
    queue: usize,
    waiting: Arc<AtomicUsize>,
}

/// A call's place, until it is dropped: after the call's instance is back, so that there is one for whoever is next.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// A call that waits for a place. Dropping it leaves the queue.
pub(super) struct Waiting {
    free: Arc<Semaphore>,
    count: Arc<AtomicUsize>,
}

// === impl Places ===

impl Places {
    /// The places that these limits allow, if they are to be counted.
    pub(super) fn of(limits: Limits) -> Option<Arc<Self>> {
        let concurrency = limits.places()?;
        let free = Arc::new(Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS)));
        Some(Arc::new(Self { free, concurrency, queue: limits.queue, waiting: Arc::default() }))
    }

    /// Whether they are as these limits want them.
    pub(super) fn fit(&self, limits: Limits) -> bool {
        limits.places() == Some(self.concurrency) && limits.queue == self.queue
    }

    /// A free place.
    pub(super) fn take(&self) -> Result<Place, CallFailure> {
        match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => Ok(Place { _permit: permit }),
            Err(_) => Err(self.full()),
        }
    }

    /// The end of the queue, if there is room in it.
    pub(super) fn queue(&self) -> Result<Waiting, CallFailure> {
        let one_more = |count| (count < self.queue).then_some(count + 1);
        match self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(Waiting { free: Arc::clone(&self.free), count: Arc::clone(&self.waiting) }),
            Err(_) => Err(self.full()),
        }
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Sends away whoever waits, and whoever comes.
    pub(super) fn close(&self) {
        self.free.close();
    }

    fn full(&self) -> CallFailure {
        CallFailure::Full { concurrency: self.concurrency, queue: self.queue }
    }
}

// === impl Waiting ===

impl Waiting {
    /// A place, in the order in which this is first awaited; none if the places were closed.
    pub(super) async fn place(self) -> Option<Place> {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        Some(Place { _permit: permit })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}
