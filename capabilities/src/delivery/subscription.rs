//! A running subscription.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};
use tokio::sync::{mpsc, oneshot};

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
    /// A task, which has the other ends of both.
    Task {
        deliveries: mpsc::Receiver<Delivery<R>>,
        ended: oneshot::Receiver<()>,
    },
}

// === impl Subscription ===

impl<R> Subscription<R> {
    /// A subscription whose deliveries come from a stream. Dropping the stream has to end it.
    pub fn new(deliveries: impl Stream<Item = Delivery<R>> + Send + 'static) -> Self {
        Self { source: Source::Stream(Box::pin(deliveries)) }
    }

    /// A subscription whose deliveries come from a task, which ends when the channel is closed.
    pub(super) fn of_task(deliveries: mpsc::Receiver<Delivery<R>>, ended: oneshot::Receiver<()>) -> Self {
        Self { source: Source::Task { deliveries, ended } }
    }

    /// Ends the subscription, and waits until what it had fetched went back to its group: dropping it has the same
    /// done by and by. What is settled afterwards is settled, where the group is there without it.
    pub async fn close(self) {
        let Source::Task { mut deliveries, ended } = self.source else { return };
        deliveries.close();
        while let Some(delivery) = deliveries.recv().await {
            if let Err(error) = delivery.ticket.give_back().wait().await {
                tracing::debug!(%error, "a delivery that nobody wants any more could not go back");
            }
        }
        // It sends nothing.
        let _ = ended.await;
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
            Source::Task { deliveries, .. } => deliveries.poll_recv(context),
        }
    }
}

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
