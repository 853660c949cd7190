//! What arrives at a subscriber, and what becomes of it: the same for messages and for events.

mod alarm;
pub(crate) mod check;
mod outlet;
mod subscription;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use crate::Answer;

pub(crate) use alarm::Alarm;
pub(crate) use outlet::Outlet;
pub use subscription::Subscription;

/// What a subscriber wants to become of what arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was dealt with; the group does not get it again.
    Acknowledge,
    /// The group is to get it again, soon. After the last delivery allowed it is dead.
    Redeliver,
    /// It is dead at once: it goes to the dead-letter topic if there is one, and the group does not get it again.
    Discard,
}

/// What arrived, with the duty to settle it.
#[derive(Debug)]
pub struct Delivery<R> {
    /// What arrived.
    pub received: R,
    /// What settles it.
    pub ticket: Ticket,
}

/// Settles one delivery. If it is dropped, the delivery is made again as by [`Outcome::Redeliver`] where the provider
/// can.
///
/// Settling after `ack_wait` succeeds too, but the delivery may have been made again by then.
#[must_use = "a ticket that is dropped has its delivery made again"]
pub struct Ticket {
    settle: Option<Box<dyn Settle>>,
    counters: Arc<dyn CountOutcomes>,
    /// Counts the delivery as one of those that may be unsettled at a time.
    permit: Option<OwnedSemaphorePermit>,
    /// Whether the subscriber got it.
    is_seen: bool,
}

/// How a provider settles a delivery.
pub trait Settle: Send {
    /// Does what the subscriber wants. Fails with [`Error::Overloaded`](crate::Error) if the dead-letter topic is
    /// full; then the message stays, and will be tried again.
    fn settle(self: Box<Self>, outcome: Outcome) -> Answer<()>;

    /// As by [`Outcome::Redeliver`], but not before so long a pause, where the provider can.
    fn redeliver_after(self: Box<Self>, _pause: Duration) -> Answer<()> {
        self.settle(Outcome::Redeliver)
    }

    /// Gives back what nobody looked at. The group gets it again, also if this was the last delivery allowed: as far as the
    /// provider can tell, it was none.
    fn give_back(self: Box<Self>) -> Answer<()> {
        self.settle(Outcome::Redeliver)
    }

    /// Whether a delivery that nobody looked at may go back while its subscriber is only away: to the others in the group, for
    /// whom it counts, it must not have been the last one.
    fn may_go_back(&self) -> bool {
        true
    }

    /// What waits for its subscriber is not overdue yet: `ack_wait` begins anew, where the provider can.
    fn keep(&self) -> Answer<()> {
        Answer::Ready(Ok(()))
    }
}

/// The counters of a contract that delivers.
pub trait CountOutcomes: Send + Sync {
    /// Counts that a delivery was settled.
    fn count_outcome(&self, outcome: Outcome);
}

/// Counts the outcomes among the operations of a contract, which has one of each name.
macro_rules! count_outcomes {
    ($operation:ident) => {
        impl $crate::delivery::CountOutcomes for $crate::Counters<$operation> {
            fn count_outcome(&self, outcome: $crate::delivery::Outcome) {
                use $crate::delivery::Outcome;
                self.count(match outcome {
                    Outcome::Acknowledge => $operation::Acknowledge,
                    Outcome::Redeliver => $operation::Redeliver,
                    Outcome::Discard => $operation::Discard,
                });
            }
        }
    };
}
pub(crate) use count_outcomes;

// === impl Delivery ===

impl<R> Delivery<R> {
    /// It was dealt with.
    pub fn acknowledge(self) -> Answer<()> {
        self.ticket.settle(Outcome::Acknowledge)
    }

    /// The group is to get it again. Fails with [`Error::Unsupported`](crate::Error) where the guarantee is
    /// [`AtMostOnce`](crate::messaging::DeliveryGuarantee::AtMostOnce).
    pub fn redeliver(self) -> Answer<()> {
        self.ticket.settle(Outcome::Redeliver)
    }

    /// It is of no use.
    pub fn discard(self) -> Answer<()> {
        self.ticket.settle(Outcome::Discard)
    }

    /// Nobody looked at it: the group is to get it again, and this was no delivery, as far as the provider can tell. It is not
    /// counted.
    pub fn give_back(self) -> Answer<()> {
        self.ticket.give_back()
    }
}

impl<R> Deref for Delivery<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.received
    }
}

// === impl Ticket ===

impl Ticket {
    /// The ticket of a delivery. Settling it is counted; dropping it is not.
    pub fn new(counters: Arc<dyn CountOutcomes>, settle: Box<dyn Settle>) -> Self {
        Self { settle: Some(settle), counters, permit: None, is_seen: true }
    }

    /// The ticket of what waits for its subscriber. It gives a permit back when it is settled or dropped.
    fn waiting(mut self, permit: OwnedSemaphorePermit) -> Self {
        self.permit = Some(permit);
        self.is_seen = false;
        self
    }

    /// The subscriber gets it.
    fn hand_over(&mut self) {
        self.is_seen = true;
    }

    fn may_go_back(&self) -> bool {
        self.settle.as_ref().is_none_or(|settle| settle.may_go_back())
    }

    fn keep(&self) -> Answer<()> {
        self.settle.as_ref().map_or(Answer::Ready(Ok(())), |settle| settle.keep())
    }

    fn give_back(mut self) -> Answer<()> {
        self.settle.take().map_or(Answer::Ready(Ok(())), Settle::give_back)
    }

    /// Says what is to become of the delivery.
    pub fn settle(mut self, outcome: Outcome) -> Answer<()> {
        self.counters.count_outcome(outcome);
        self.settle.take().map_or(Answer::Ready(Ok(())), |settle| settle.settle(outcome))
    }

    /// Has the delivery made again as by [`Outcome::Redeliver`], but not before so long a pause, and no later than after
    /// `ack_wait`; a provider that cannot wait makes it again at once. Meanwhile it does not count as unsettled.
    pub fn redeliver_after(mut self, pause: Duration) -> Answer<()> {
        self.counters.count_outcome(Outcome::Redeliver);
        self.settle.take().map_or(Answer::Ready(Ok(())), |settle| settle.redeliver_after(pause))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(settle) = self.settle.take() else { return };
        let answer = if self.is_seen { settle.settle(Outcome::Redeliver) } else { settle.give_back() };
        // Without a runtime, the delivery is made again when its time to be settled is over.
        if let Answer::Pending(future) = answer
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(future);
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}
