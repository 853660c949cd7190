//! Hands the deliveries of a networked provider's task to the subscriber.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::subscription::Tasked;
use super::{CountOutcomes, Delivery, Settle, Subscription, Ticket};

/// The task's side of a subscription. A task fetches no more than it holds permits for; a permit travels with its
/// delivery until that is settled. So no more are unsettled than allowed, wherever they are.
pub(crate) struct Outlet<R> {
    queue: Arc<Mutex<Queue<R>>>,
    /// Closed when the subscription is dropped.
    subscriber: mpsc::Sender<Infallible>,
    /// Whether the subscriber wants deliveries.
    wanted: watch::Receiver<bool>,
    /// Tells the subscriber whether the task fetches nothing.
    resting: watch::Sender<bool>,
    permits: Arc<Semaphore>,
    counters: Arc<dyn CountOutcomes>,
    /// Dropped when the task has ended.
    _ended: oneshot::Sender<()>,
}

/// What waits for the subscriber.
pub(super) struct Queue<R> {
    pub(super) waiting: VecDeque<Waiting<R>>,
    /// Whether what comes is to wait.
    pub(super) is_open: bool,
    /// Wakes the subscriber.
    pub(super) subscriber: Option<Waker>,
}

/// A delivery, and since when it was not kept.
pub(super) struct Waiting<R> {
    pub(super) delivery: Delivery<R>,
    since: Instant,
}

// === impl Outlet ===

impl<R: Send + 'static> Outlet<R> {
    /// Both sides of a subscription, whose task is to fetch nothing before the subscriber looks for deliveries. What waits for
    /// the subscriber is kept from being overdue, which it were after `ack_wait`, if ever.
    pub(crate) fn new(
        concurrency: usize,
        ack_wait: Option<Duration>,
        counters: Arc<dyn CountOutcomes>,
    ) -> (Self, Subscription<R>) {
        let queue =
            Arc::new(Mutex::new(Queue { waiting: VecDeque::new(), is_open: false, subscriber: None }));
        let (subscriber, task) = mpsc::channel(1);
        let (want, wanted) = watch::channel(false);
        let (resting, rests) = watch::channel(false);
        let (ended, ending) = oneshot::channel();
        if let Some(ack_wait) = ack_wait {
            let every = (ack_wait / 3).max(Duration::from_millis(1));
            tokio::spawn(keep(Arc::downgrade(&queue), every, wanted.clone()));
        }
        let tasked = Tasked { queue: Arc::clone(&queue), task, want, rests, ended: ending };
        let permits = Arc::new(Semaphore::new(concurrency));
        let outlet = Self { queue, subscriber, wanted, resting, permits, counters, _ended: ended };
        (outlet, Subscription::of_task(tasked))
    }

    /// Does something unless and until the subscription is dropped; then answers `None`.
    pub(crate) async fn unless_ended<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.subscriber.closed() => None,
            output = future => Some(output),
        }
    }

    /// Whether deliveries are wanted.
    pub(crate) fn is_wanted(&self) -> bool {
        *self.wanted.borrow() && !self.subscriber.is_closed()
    }

    /// Does something unless and until nobody wants what comes; then answers `None`.
    async fn while_wanted<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut wanted = self.wanted.clone();
        tokio::select! {
            biased;
            // Its sender goes with the subscription.
            _ = wanted.wait_for(|wanted| !wanted) => None,
            output = self.unless_ended(future) => output,
        }
    }

    /// Waits until deliveries are wanted and for a permit, and takes what others are free, `most` altogether. `None` if the
    /// subscription was dropped.
    pub(crate) async fn permits(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        loop {
            let mut wanted = self.wanted.clone();
            if !*wanted.borrow_and_update() {
                self.resting.send_replace(true);
                self.unless_ended(wanted.wait_for(|wanted| *wanted)).await?.ok()?;
                self.resting.send_replace(false);
            }
            let permit = self.while_wanted(Arc::clone(&self.permits).acquire_owned()).await;
            let Some(permit) = permit else {
                if self.subscriber.is_closed() {
                    return None;
                }
                continue;
            };
            let mut permit = permit.ok()?;
            let more = self.permits.available_permits().min(most.saturating_sub(1));
            if let Ok(more) = u32::try_from(more)
                && more > 0
                && let Ok(more) = Arc::clone(&self.permits).try_acquire_many_owned(more)
            {
                permit.merge(more);
            }
            return Some(permit);
        }
    }

    /// Hands over a delivery. If nobody wants it any more, what arrived goes back.
    pub(crate) async fn deliver(&self, permit: OwnedSemaphorePermit, received: R, settle: Box<dyn Settle>) {
        let ticket = Ticket::new(Arc::clone(&self.counters), settle).waiting(permit);
        let delivery = Delivery { received, ticket };
        let subscriber = {
            let mut queue = self.queue.lock();
            if queue.is_open {
                queue.waiting.push_back(Waiting { delivery, since: Instant::now() });
                Ok(queue.subscriber.take())
            } else {
                Err(delivery)
            }
        };
        match subscriber {
            Ok(subscriber) => subscriber.into_iter().for_each(Waker::wake),
            Err(delivery) => go_back(delivery).await,
        }
    }
}

// === free functions ===

/// Gives back a delivery that nobody looked at.
pub(super) async fn go_back<R>(delivery: Delivery<R>) {
    if let Err(error) = delivery.give_back().wait().await {
        tracing::debug!(%error, "a delivery that nobody wants any more could not go back");
    }
}

/// Keeps what waits from being overdue, until the subscription ends.
async fn keep<R>(queue: Weak<Mutex<Queue<R>>>, every: Duration, mut wanted: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            changed = wanted.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        }
        let Some(queue) = queue.upgrade() else { return };
        let now = Instant::now();
        let kept: Vec<_> = {
            let mut queue = queue.lock();
            let old =
                queue.waiting.iter_mut().filter(|waiting| now.duration_since(waiting.since) >= every / 2);
            old.map(|waiting| {
                waiting.since = now;
                waiting.delivery.ticket.keep()
            })
            .collect()
        };
        drop(queue);
        for kept in kept {
            if let Err(error) = kept.wait().await {
                tracing::debug!(%error, "a delivery that waits could not be kept");
            }
        }
    }
}
