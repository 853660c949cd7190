//! The subscriber's side of a topic.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;

use super::Broker;
use super::topic::{Dead, Found, Member, Taking, Topic};
use crate::delivery::Alarm;
use crate::messaging::{Delivery, Outcome, Settle, Ticket};
use crate::{Answer, Result};

/// The deliveries of one member.
pub(super) struct Subscriber {
    broker: Arc<Broker>,
    topic: Arc<Topic>,
    member: Member,
    /// Wakes it when the next delivery of its group is overdue.
    alarm: Alarm,
}

/// Settles one taking.
struct Settlement {
    broker: Arc<Broker>,
    topic: Arc<Topic>,
    taking: Taking,
}

// === impl Subscriber ===

impl Subscriber {
    pub(super) fn new(broker: Arc<Broker>, topic: Arc<Topic>, member: Member) -> Self {
        Self { broker, topic, member, alarm: Alarm::default() }
    }
}

impl Stream for Subscriber {
    type Item = Delivery;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let this = self.get_mut();
        loop {
            match this.topic.take(this.member, context.waker()) {
                Found::Message(received, taking) => {
                    let (broker, topic) = (Arc::clone(&this.broker), Arc::clone(&this.topic));
                    let counters = Arc::clone(&broker.counters);
                    let settle = Box::new(Settlement { broker, topic, taking });
                    return Poll::Ready(Some(Delivery { received, ticket: Ticket::new(counters, settle) }));
                }
                Found::Nothing(Some(deadline)) if this.alarm.due(deadline, context) => {}
                Found::Nothing(_) => return Poll::Pending,
                Found::Dead(dead) => {
                    for dead in dead {
                        let topic = this.topic.name();
                        if let Err(error) = bury(&this.broker, &this.topic, dead) {
                            tracing::warn!(%topic, %error, "a dead message is delivered once more");
                        }
                    }
                }
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.broker.leave(&self.topic, self.member);
    }
}

// === impl Settlement ===

impl Settle for Settlement {
    fn give_back(self: Box<Self>) -> Answer<()> {
        self.topic.take_back(self.taking);
        Answer::Ready(Ok(()))
    }

    fn redeliver_after(self: Box<Self>, pause: Duration) -> Answer<()> {
        let dead = self.topic.give_back_later(self.taking, pause);
        Answer::Ready(dead.map_or(Ok(()), |dead| bury(&self.broker, &self.topic, dead)))
    }

    fn settle(self: Box<Self>, outcome: Outcome) -> Answer<()> {
        let dead = match outcome {
            Outcome::Acknowledge => {
                self.topic.acknowledge(self.taking);
                None
            }
            Outcome::Redeliver => self.topic.give_back(self.taking),
            Outcome::Discard => self.topic.discard(self.taking),
        };
        Answer::Ready(dead.map_or(Ok(()), |dead| bury(&self.broker, &self.topic, dead)))
    }
}

// === free functions ===

/// Publishes a dead message on its dead-letter topic. If there is no room, its group gets it back.
fn bury(broker: &Broker, topic: &Topic, dead: Dead) -> Result<()> {
    let Some(dead_letter) = &dead.dead_letter else { return Ok(()) };
    let buried = broker.bury(dead_letter, dead.message());
    if buried.is_err() {
        topic.revive(dead);
    }
    buried
}
