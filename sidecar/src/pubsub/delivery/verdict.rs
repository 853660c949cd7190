//! What becomes of an event.

use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::messaging::{Delivery, Outcome};

use crate::pubsub::{PubSub, Subscription};
use crate::resiliency::Judged;

/// What the app, or the sidecar, says of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pubsub) enum Verdict {
    /// It was dealt with.
    Success,
    /// The app has nothing for it: it goes, and to nowhere.
    Ignored(String),
    /// It is to go: to the dead letters, if there are any.
    Dropped(String),
    /// It was not dealt with.
    Failed(String),
    /// The app was not there.
    Unreachable(String),
}

/// The pause before the second delivery; each further is twice as long, to a bound.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// An event during whose delivery the app went away as often is dead: it may be what kills it.
const MOST_UNREACHABLE: u32 = 10;

// === impl Verdict ===

impl Verdict {
    /// Whether another try may go better.
    pub(super) const fn is_to_come_again(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Unreachable(_))
    }

    /// What it says to a policy.
    pub(in crate::pubsub) const fn judged(&self) -> Judged {
        match self.is_to_come_again() {
            false => Judged::Success,
            true => Judged::Again,
        }
    }

    /// What is wrong, if something is.
    pub(super) fn failure(&self) -> Option<&str> {
        match self {
            Self::Success => None,
            Self::Ignored(why) | Self::Dropped(why) | Self::Failed(why) | Self::Unreachable(why) => Some(why),
        }
    }
}

// === free functions ===

/// Settles a delivery by what was said of it. What is to come again comes after a while, so that nothing spins.
pub(in crate::pubsub) async fn settle(
    pubsub: &PubSub,
    subscription: &Subscription,
    delivery: Delivery,
    verdict: Verdict,
) {
    let attempt = delivery.received.attempt;
    let topic = Arc::clone(&delivery.received.topic);
    let bury = subscription.dead_letter.is_some();
    let outcome = match &verdict {
        Verdict::Success => Outcome::Acknowledge,
        Verdict::Ignored(why) => {
            tracing::error!("non-retriable error from pubsub {} and topic {topic}: {why}", pubsub.name);
            Outcome::Acknowledge
        }
        Verdict::Dropped(why) => {
            tracing::warn!("an event of pubsub {} and topic {topic} is dropped: {why}", pubsub.name);
            if bury { Outcome::Discard } else { Outcome::Acknowledge }
        }
        Verdict::Failed(why) if bury => {
            tracing::warn!(
                "an event of pubsub {} and topic {topic} goes to the dead letters: {why}",
                pubsub.name
            );
            Outcome::Discard
        }
        Verdict::Unreachable(why) if bury && attempt >= MOST_UNREACHABLE => {
            tracing::warn!(
                "an event of pubsub {} and topic {topic} goes to the dead letters: {why}",
                pubsub.name
            );
            Outcome::Discard
        }
        Verdict::Failed(why) | Verdict::Unreachable(why) => {
            tracing::warn!(
                "an event of pubsub {} and topic {topic} will be delivered again: {why}",
                pubsub.name
            );
            Outcome::Redeliver
        }
    };
    let settled = match outcome {
        Outcome::Redeliver => delivery.ticket.redeliver_after(pause(attempt)),
        outcome => delivery.ticket.settle(outcome),
    };
    if let Err(error) = settled.wait().await {
        tracing::warn!(
            "a delivery of pubsub {} and topic {topic} could not be settled: {error}",
            pubsub.name
        );
    }
}

fn pause(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let pauses = [1, 2, 3, 7, 8, 40, u32::MAX].map(|attempt| pause(attempt).as_millis());
        assert_eq!(pauses, [100, 200, 400, 6400, 10_000, 10_000, 10_000]);
    }
}
