//! Messages that are delivered to an actor.

use pillion_capabilities::messaging::{Outcome, Received, Subscription};
use tokio::task::AbortHandle;

use crate::dispatch::messaging::{DELIVER, delivered};
use crate::engine::{CallFailure, Guest};

/// A topic that an actor is subscribed to. Dropping it ends the subscription; deliveries under way are given up, and
/// made anew to others where the provider can.
pub(crate) struct Deliveries {
    pub(crate) binding: Box<str>,
    pub(crate) topic: Box<str>,
    task: AbortHandle,
}

// === impl Deliveries ===

impl Deliveries {
    /// Delivers what arrives from now on. To be called within a tokio runtime.
    pub(crate) fn start(binding: &str, topic: &str, subscription: Subscription, guest: Guest) -> Self {
        let deliver = move |received: Received| {
            let guest = guest.clone();
            async move { deliver(&guest, &received).await }
        };
        let task = tokio::spawn(subscription.handle(deliver)).abort_handle();
        Self { binding: binding.into(), topic: topic.into(), task }
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A message that an actor did not deal with is delivered again, as often as its subscription allows.
async fn deliver(guest: &Guest, received: &Received) -> Outcome {
    match guest.call(DELIVER, &delivered(received)).wait().await {
        Ok(_) => Outcome::Acknowledge,
        Err(failure) => {
            if failure != CallFailure::Removed {
                let (topic, attempt) = (&*received.topic, received.attempt);
                tracing::warn!(target: "pillion::delivery", topic, attempt, %failure, "not dealt with");
            }
            Outcome::Redeliver
        }
    }
}
