//! Hands the deliveries of a networked provider's task to the subscriber.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::subscription::Tasked;
use super::{CountOutcomes, Delivery, Settle, Subscription, Ticket};
use crate::Answer;

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

/// A delivery that waits.
pub(super) struct Waiting<R> {
    delivery: Delivery<R>,
    since: Instant,
    /// When it was kept last.
    kept: Instant,
    /// Set once it waits no more.
    gone: Arc<AtomicBool>,
}

/// So many deliveries are kept or go back at a time.
const TOGETHER: usize = 64;
/// In each `ack_wait`, what waits is kept so often.
const KEPT: u32 = 3;
/// So often what waits is kept. Then the subscriber has stopped to look: nothing more is fetched before it does, and what waits
/// goes back.
const MOST_KEPT: u32 = 10 * KEPT;

// === impl Outlet ===

impl<R: Send + 'static> Outlet<R> {
    /// Both sides of a subscription. What waits for the subscriber is kept from being overdue, which it were after `ack_wait`,
    /// if ever. The task of a group fetches nothing before the subscriber looks for deliveries.
    pub(crate) fn new(
        concurrency: usize,
        ack_wait: Option<Duration>,
        is_group: bool,
        counters: Arc<dyn CountOutcomes>,
    ) -> (Self, Subscription<R>) {
        let queue =
            Arc::new(Mutex::new(Queue { waiting: VecDeque::new(), is_open: !is_group, subscriber: None }));
        let (subscriber, task) = mpsc::channel(1);
        let (want, wanted) = watch::channel(!is_group);
        let want = Arc::new(want);
        let (resting, rests) = watch::channel(false);
        let (ended, ending) = oneshot::channel();
        if let Some(ack_wait) = ack_wait {
            let every = (ack_wait / KEPT).max(Duration::from_millis(1));
            tokio::spawn(keep(Arc::downgrade(&queue), every, Arc::downgrade(&want), wanted.clone()));
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
    pub(crate) async fn while_wanted<T>(&self, future: impl Future<Output = T>) -> Option<T> {
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
                queue.waiting.push_back(Waiting::new(delivery));
                Ok(queue.subscriber.take())
            } else {
                Err(delivery)
            }
        };
        match subscriber {
            Ok(subscriber) => subscriber.into_iter().for_each(Waker::wake),
            Err(delivery) => go_back(vec![delivery]).await,
        }
    }

    /// Gives back what waits, once nothing more is fetched.
    pub(crate) async fn end(&self) {
        let waiting = self.queue.lock().take(|_| true);
        go_back(waiting).await;
    }
}

// === impl Queue ===

impl<R> Queue<R> {
    /// The first that waits.
    pub(super) fn pop(&mut self) -> Option<Delivery<R>> {
        self.waiting.pop_front().map(Waiting::into_delivery)
    }

    /// Takes those that are so, in their order.
    pub(super) fn take(&mut self, is_so: impl Fn(&Waiting<R>) -> bool) -> Vec<Delivery<R>> {
        let (taken, left): (Vec<_>, _) = self.waiting.drain(..).partition(is_so);
        self.waiting = left.into();
        taken.into_iter().map(Waiting::into_delivery).collect()
    }

    /// What has waited for so long, once nothing more is wanted; at first it has just that.
    fn unwanted(&mut self, longest: Duration, want: &watch::Sender<bool>) -> Vec<Delivery<R>> {
        let is_old = |waiting: &Waiting<R>| waiting.since.elapsed() >= longest;
        if self.is_open {
            if self.waiting.iter().any(is_old) {
                want.send_replace(false);
                self.is_open = false;
            }
            return Vec::new();
        }
        self.take(|waiting| is_old(waiting) && waiting.may_go_back())
    }

    /// Keeps what was not for so long, unless it is gone by then.
    fn kept(&mut self, age: Duration) -> Vec<(Arc<AtomicBool>, Answer<()>)> {
        let old = self.waiting.iter_mut().filter(|waiting| waiting.kept.elapsed() >= age);
        old.map(|waiting| {
            waiting.kept = Instant::now();
            (Arc::clone(&waiting.gone), waiting.delivery.ticket.keep())
        })
        .collect()
    }
}

// === impl Waiting ===

impl<R> Waiting<R> {
    fn new(delivery: Delivery<R>) -> Self {
        let now = Instant::now();
        Self { delivery, since: now, kept: now, gone: Arc::default() }
    }

    /// Whether others may have it.
    pub(super) fn may_go_back(&self) -> bool {
        self.delivery.ticket.may_go_back()
    }

    fn into_delivery(self) -> Delivery<R> {
        self.gone.store(true, Ordering::Relaxed);
        self.delivery
    }
}

// === free functions ===

/// Gives back deliveries that nobody looked at. Those go back also if this is given up.
pub(super) async fn go_back<R>(deliveries: Vec<Delivery<R>>) {
    stream::iter(deliveries)
        .for_each_concurrent(TOGETHER, |delivery| {
            let back = delivery.give_back();
            let task = tokio::spawn(async move {
                if let Err(error) = back.wait().await {
                    tracing::debug!(%error, "a delivery that nobody wants any more could not go back");
                }
            });
            async move { drop(task.await) }
        })
        .await;
}

/// Keeps what waits from being overdue, until the subscription ends.
async fn keep<R>(
    queue: Weak<Mutex<Queue<R>>>,
    every: Duration,
    want: Weak<watch::Sender<bool>>,
    mut wanted: watch::Receiver<bool>,
) {
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
        let (Some(queue), Some(want)) = (queue.upgrade(), want.upgrade()) else { return };
        let (unwanted, kept) = {
            let mut queue = queue.lock();
            let unwanted = queue.unwanted(every.saturating_mul(MOST_KEPT), &want);
            (unwanted, queue.kept(every / 2))
        };
        drop((queue, want));
        go_back(unwanted).await;
        stream::iter(kept)
            .for_each_concurrent(TOGETHER, async |(gone, kept)| {
                // What is with the subscriber by now has its own time, which this would begin anew.
                if !gone.load(Ordering::Relaxed)
                    && let Err(error) = kept.wait().await
                {
                    tracing::debug!(%error, "a delivery that waits could not be kept");
                }
            })
            .await;
    }
}
