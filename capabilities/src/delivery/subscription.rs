//! A running subscription.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use super::outlet::{Queue, Waiting, go_back};
use super::{Delivery, Outcome};
use crate::messaging::Received;

/// The deliveries of a subscription. It goes on until it is dropped, also when its provider is dropped before, and
/// outlives failures of the server. What it had fetched and nobody had settled is then delivered to other members of
/// the group, where the provider can.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription<R> {
    source: Source<R>,
}

/// Where deliveries come from.
enum Source<R> {
    Stream(Pin<Box<dyn Stream<Item = Delivery<R>> + Send>>),
    Task(Tasked<R>),
}

/// The subscriber's side of a task, which has the other ends.
pub(super) struct Tasked<R> {
    pub(super) queue: Arc<Mutex<Queue<R>>>,
    /// Ends with the task.
    pub(super) task: mpsc::Receiver<Infallible>,
    /// Tells the task whether deliveries are wanted.
    pub(super) want: Arc<watch::Sender<bool>>,
    /// Whether the task fetches nothing.
    pub(super) rests: watch::Receiver<bool>,
    pub(super) ended: oneshot::Receiver<()>,
}

// === impl Subscription ===

impl<R> Subscription<R> {
    /// A subscription whose deliveries come from a stream. Dropping the stream has to end it.
    pub fn new(deliveries: impl Stream<Item = Delivery<R>> + Send + 'static) -> Self {
        Self { source: Source::Stream(Box::pin(deliveries)) }
    }

    /// A subscription whose deliveries come from a task, which ends with it.
    pub(super) fn of_task(tasked: Tasked<R>) -> Self {
        Self { source: Source::Task(tasked) }
    }

    /// Fetches nothing more, and gives back what was fetched and nobody got: other members of the group have it then, but for
    /// what would be dead to them. Goes on with the next call of [`Self::next`]; until then, what comes waits at the server,
    /// where the provider can keep it. May be dropped before it is done, and called again.
    pub async fn pause(&mut self) {
        // What comes from a stream is not fetched before it is asked for.
        if let Source::Task(tasked) = &mut self.source {
            tasked.pause().await;
        }
    }

    /// Ends the subscription, and waits until what it had fetched went back to its group: dropping it has the same
    /// done by and by. What is settled afterwards is settled, where the group is there without it.
    pub async fn close(self) {
        let Source::Task(mut tasked) = self.source else { return };
        tasked.rest().await;
        tasked.give_back(|_| true).await;
        tasked.task.close();
        // It sends nothing.
        let _ = (&mut tasked.ended).await;
    }

    /// The next delivery. Waits while there is none, and while as many are unsettled as may be at a time. May be
    /// dropped before it is done; nothing is lost then. `None` if the runtime that the subscription was made in has
    /// ended.
    pub async fn next(&mut self) -> Option<Delivery<R>> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivery<R>>> {
        match &mut self.source {
            Source::Stream(deliveries) => deliveries.as_mut().poll_next(context),
            Source::Task(tasked) => tasked.poll(context),
        }
    }
}

// === impl Tasked ===

impl<R> Tasked<R> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivery<R>>> {
        {
            let mut queue = self.queue.lock();
            if let Some(mut delivery) = queue.pop() {
                delivery.ticket.hand_over();
                return Poll::Ready(Some(delivery));
            }
            match &mut queue.subscriber {
                Some(known) => known.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            queue.is_open = true;
        }
        self.want.send_if_modified(|wanted| !std::mem::replace(wanted, true));
        match self.task.poll_recv(context) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(never)) => match never {},
            Poll::Pending => Poll::Pending,
        }
    }

    async fn pause(&mut self) {
        self.rest().await;
        self.give_back(Waiting::may_go_back).await;
    }

    /// Has the task fetch nothing more, and waits for that: what went back before would come to the task once more, for nobody.
    async fn rest(&mut self) {
        self.want.send_replace(false);
        self.queue.lock().is_open = false;
        // A task that has ended fetches nothing either.
        let _ = self.rests.wait_for(|rests| *rests).await;
    }

    /// Gives back what is so of all that waits.
    async fn give_back(&self, is_so: impl Fn(&Waiting<R>) -> bool) {
        let waiting = self.queue.lock().take(is_so);
        go_back(waiting).await;
    }
}

/// What waits goes back once the task fetches nothing more, which it sees to.
impl<R> Drop for Tasked<R> {
    fn drop(&mut self) {
        self.queue.lock().is_open = false;
    }
}

// === impl Subscription, for messages ===

impl Subscription<Received> {
    /// Calls `handler` with each message that arrives, as many at a time as may be unsettled, and settles each by
    /// what it answers. Goes on as [`Self::next`] does; dropping this future ends the subscription and the
    /// handlers under way. What cannot be settled is logged, and delivered again where the provider can.
    pub async fn handle<F>(self, handler: impl Fn(Received) -> F)
    where
        F: Future<Output = Outcome>,
    {
        // The subscription itself bounds how many are under way.
        self.for_each_concurrent(None, |Delivery { received, ticket }| {
            let topic = Arc::clone(&received.topic);
            let handled = handler(received);
            async move {
                if let Err(error) = ticket.settle(handled.await).wait().await {
                    tracing::warn!(%topic, %error, "a delivery could not be settled");
                }
            }
        })
        .await;
    }
}

impl<R> Stream for Subscription<R> {
    type Item = Delivery<R>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery<R>>> {
        self.poll(context)
    }
}

impl<R> fmt::Debug for Subscription<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
