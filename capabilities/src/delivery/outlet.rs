//! Hands the deliveries of a networked provider's task to the subscriber.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{CountOutcomes, Delivery, Settle, Subscription, Ticket};

/// The task's side of a subscription. A task fetches no more than it holds permits for; a permit travels with its
/// delivery until that is settled. So no more are unsettled than allowed, wherever they are.
pub(crate) struct Outlet<R> {
    deliveries: mpsc::Sender<Delivery<R>>,
    permits: Arc<Semaphore>,
    counters: Arc<dyn CountOutcomes>,
    /// Dropped when the task has ended.
    _ended: oneshot::Sender<()>,
}

// === impl Outlet ===

impl<R: Send + 'static> Outlet<R> {
    /// Both sides of a subscription.
    pub(crate) fn new(concurrency: usize, counters: Arc<dyn CountOutcomes>) -> (Self, Subscription<R>) {
        // Each delivery in the channel holds a permit, so that it never is full.
        let (deliveries, received) = mpsc::channel(concurrency);
        let (ended, ending) = oneshot::channel();
        let outlet =
            Self { deliveries, permits: Arc::new(Semaphore::new(concurrency)), counters, _ended: ended };
        (outlet, Subscription::of_task(received, ending))
    }

    /// Does something unless and until the subscription is dropped; then answers `None`.
    pub(crate) async fn unless_ended<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.deliveries.closed() => None,
            output = future => Some(output),
        }
    }

    /// Waits for a permit, and takes what others are free, `most` altogether. `None` if the subscription was
    /// dropped.
    pub(crate) async fn permits(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        let permit = self.unless_ended(Arc::clone(&self.permits).acquire_owned()).await?;
        let mut permit = permit.ok()?;
        let more = self.permits.available_permits().min(most.saturating_sub(1));
        if let Ok(more) = u32::try_from(more)
            && more > 0
            && let Ok(more) = Arc::clone(&self.permits).try_acquire_many_owned(more)
        {
            permit.merge(more);
        }
        Some(permit)
    }

    /// Hands over a delivery. If the subscription has ended, what arrived goes back.
    pub(crate) async fn deliver(&self, permit: OwnedSemaphorePermit, received: R, settle: Box<dyn Settle>) {
        let ticket = Ticket::new(Arc::clone(&self.counters), settle).holding(permit);
        if let Err(TrySendError::Full(delivery) | TrySendError::Closed(delivery)) =
            self.deliveries.try_send(Delivery { received, ticket })
            && let Err(error) = delivery.ticket.give_back().wait().await
        {
            tracing::debug!(%error, "a delivery that nobody wants any more could not go back");
        }
    }
}
