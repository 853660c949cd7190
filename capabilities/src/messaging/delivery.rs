//! A message on its way to one subscriber, and what becomes of it.

use std::ops::Deref;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::{Message, Operation};
use crate::{Answer, Counters};

/// A message that arrived. Copies share the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The topic it was published on.
    pub topic: Arc<str>,
    /// What was published.
    pub message: Arc<Message>,
    /// 1 for the first delivery to this group, and one more for each further.
    pub attempt: u32,
}

/// What a subscriber wants to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was dealt with; the group does not get it again.
    Acknowledge,
    /// The group is to get it again, soon. After the last delivery allowed it is dead.
    Redeliver,
    /// It is dead at once: it goes to the dead-letter topic if there is one, and the group does not get it again.
    Discard,
}

/// A message with the duty to settle it.
#[derive(Debug)]
pub struct Delivery {
    /// What arrived.
    pub received: Received,
    /// What settles it.
    pub ticket: Ticket,
}

/// Settles one delivery. If it is dropped, the message is delivered again as by [`Outcome::Redeliver`] where the
/// provider can.
///
/// Settling after `ack_wait` succeeds too, but the message may have been delivered again by then.
#[must_use = "a ticket that is dropped has its message delivered again"]
pub struct Ticket {
    settle: Option<Box<dyn Settle>>,
    counters: Arc<Counters<Operation>>,
    /// Counts the delivery as one of those that may be unsettled at a time.
    permit: Option<OwnedSemaphorePermit>,
}

/// How a provider settles a delivery.
pub trait Settle: Send {
    /// Does what the subscriber wants. Fails with [`Error::Overloaded`](crate::Error) if the dead-letter topic is
    /// full; then the message stays, and will be tried again.
    fn settle(self: Box<Self>, outcome: Outcome) -> Answer<()>;
}

// === impl Delivery ===

impl Delivery {
    /// The message was dealt with.
    pub fn acknowledge(self) -> Answer<()> {
        self.ticket.settle(Outcome::Acknowledge)
    }

    /// The group is to get the message again. Fails with [`Error::Unsupported`](crate::Error) where the guarantee
    /// is [`AtMostOnce`](super::DeliveryGuarantee::AtMostOnce).
    pub fn redeliver(self) -> Answer<()> {
        self.ticket.settle(Outcome::Redeliver)
    }

    /// The message is of no use.
    pub fn discard(self) -> Answer<()> {
        self.ticket.settle(Outcome::Discard)
    }
}

impl Deref for Delivery {
    type Target = Received;

    fn deref(&self) -> &Received {
        &self.received
    }
}

// === impl Ticket ===

impl Ticket {
    /// The ticket of a delivery. Settling it is counted; dropping it is not.
    pub fn new(counters: Arc<Counters<Operation>>, settle: Box<dyn Settle>) -> Self {
        Self { settle: Some(settle), counters, permit: None }
    }

    /// The ticket that gives a permit back when it is settled or dropped.
    pub(super) fn holding(mut self, permit: OwnedSemaphorePermit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// Says what is to become of the message.
    pub fn settle(mut self, outcome: Outcome) -> Answer<()> {
        self.counters.count(match outcome {
            Outcome::Acknowledge => Operation::Acknowledge,
            Outcome::Redeliver => Operation::Redeliver,
            Outcome::Discard => Operation::Discard,
        });
        self.settle.take().map_or(Answer::Ready(Ok(())), |settle| settle.settle(outcome))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(settle) = self.settle.take() else { return };
        // Without a runtime, the message is delivered again when its time to be settled is over.
        if let Answer::Pending(future) = settle.settle(Outcome::Redeliver)
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(future);
        }
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}
