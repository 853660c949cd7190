//! The task behind a subscription: reads a group's messages and hands them over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::redis::RedisError;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::broker::{ALONE, Broker, claim, group_is_gone, make_group, read, renew};
use super::wire::{Fields, decode};
use crate::messaging::outlet::Outlet;
use crate::messaging::{Operation, Outcome, Received, Settle, SubscribeOptions, Subscription};
use crate::redis::link::Link;
use crate::{Answer, Counters, Result};

pub(super) struct Reader {
    link: Link,
    place: Arc<Place>,
    outlet: Outlet,
    /// Where to look on for overdue messages.
    cursor: String,
    next_claim: Instant,
    next_renewal: Instant,
}

/// Where the deliveries of one subscription come from.
struct Place {
    broker: Arc<Broker>,
    topic: Arc<str>,
    group: String,
    consumer: String,
    options: SubscribeOptions,
    /// A message was just given back, so that it is worth looking for overdue ones.
    given_back: AtomicBool,
}

/// Settles one message.
struct Settlement {
    place: Arc<Place>,
    id: String,
    attempt: u32,
}

/// A read waits this long for a message. What another member gave back, and the end of the subscription, are
/// noticed as late as this.
const BLOCK: Duration = Duration::from_millis(100);
/// Messages that one read asks for at most.
const MOST_READ: usize = 256;
/// Until a failed read is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the lease of a subscription without a group is renewed: often enough for an hour's lease.
const RENEWAL: Duration = Duration::from_secs(60);

// === impl Reader ===

impl Reader {
    pub(super) async fn start(
        broker: Arc<Broker>,
        topic: String,
        options: SubscribeOptions,
        counters: Arc<Counters<Operation>>,
    ) -> Result<Subscription> {
        let link = broker.another_link().await?;
        let group = match &options.group {
            Some(group) => {
                make_group(&link, &topic, group, "$").await?;
                group.clone()
            }
            None => {
                let group = format!("{ALONE}{}", Uuid::new_v4());
                broker.join_alone(&topic, &group).await?;
                group
            }
        };
        let (outlet, subscription) = Outlet::new(options.concurrency, counters);
        let place = Place {
            broker,
            topic: topic.into(),
            group,
            consumer: Uuid::new_v4().to_string(),
            options,
            given_back: AtomicBool::new(false),
        };
        let now = Instant::now();
        let reader = Self {
            link,
            place: Arc::new(place),
            outlet,
            cursor: "0-0".to_owned(),
            next_claim: now,
            next_renewal: now,
        };
        tokio::spawn(reader.run());
        Ok(subscription)
    }

    async fn run(mut self) {
        let mut failing = false;
        while let Some(permits) = self.outlet.permits(MOST_READ).await {
            // Never cut short: messages that the server has given out already would wait until they are overdue.
            match self.step(permits).await {
                Ok(()) => failing = false,
                Err(error) => {
                    let (topic, group) = (&self.place.topic, &self.place.group);
                    if !failing {
                        tracing::warn!(%topic, group, %error, "a subscription has a problem and tries on");
                    }
                    failing = true;
                    // A server that lost the group lost the stream: what is in it now came later, and is for us.
                    let found =
                        group_is_gone(&error) && make_group(&self.link, topic, group, "0").await.is_ok();
                    if !found && self.outlet.unless_ended(tokio::time::sleep(PAUSE)).await.is_none() {
                        break;
                    }
                }
            }
        }
        let Place { broker, topic, group, options, .. } = &*self.place;
        let left = if options.group.is_some() {
            broker.leave(topic, group).await
        } else {
            broker.leave_alone(topic, group).await
        };
        if let Err(error) = left {
            tracing::debug!(%topic, group, %error, "a subscription could not be taken off the server");
        }
    }

    /// Hands over overdue messages, or else new ones if there are some soon.
    async fn step(&mut self, mut permits: OwnedSemaphorePermit) -> Result<(), RedisError> {
        let place = Arc::clone(&self.place);
        let (topic, whose) = (&*place.topic, (place.group.as_str(), place.consumer.as_str()));
        let now = Instant::now();
        if place.options.group.is_none() && now >= self.next_renewal {
            renew(&self.link, &place.group).await?;
            self.next_renewal = now + RENEWAL;
        }
        if place.given_back.swap(false, Ordering::Relaxed) || now >= self.next_claim {
            let overdue = place.options.ack_wait.as_micros().div_ceil(1000);
            let (cursor, claimed) =
                claim(&self.link, topic, whose, overdue, &self.cursor, permits.num_permits()).await?;
            // What is behind a place where the search broke off is looked at at once next time.
            if cursor == "0-0" {
                self.next_claim = now + BLOCK;
            }
            self.cursor = cursor;
            for (id, fields, attempt) in claimed {
                self.deliver(&mut permits, id, fields, attempt).await;
            }
        }
        if permits.num_permits() == 0 {
            return Ok(());
        }
        for (id, fields) in read(&self.link, topic, whose, permits.num_permits(), BLOCK).await? {
            self.deliver(&mut permits, id, fields, 1).await;
        }
        Ok(())
    }

    async fn deliver(&self, permits: &mut OwnedSemaphorePermit, id: String, fields: Fields, attempt: u32) {
        let place = Arc::clone(&self.place);
        let (topic, max) = (Arc::clone(&place.topic), place.options.max_deliveries);
        let settlement = Settlement { place, id, attempt };
        let done = match decode(fields) {
            // Nobody wants what has expired.
            None => settlement.acknowledge().await,
            // The last delivery allowed was never settled.
            Some(_) if attempt > max => settlement.bury().await,
            Some(message) => {
                // The server never gives more than were asked for.
                if let Some(permit) = permits.split(1) {
                    let received = Received { topic, message: Arc::new(message), attempt };
                    self.outlet.deliver(permit, received, Box::new(settlement));
                }
                return;
            }
        };
        if let Err(error) = done {
            tracing::warn!(%topic, %error, "a message that is not to be delivered any more will be tried again");
        }
    }
}

// === impl Settlement ===

impl Settlement {
    async fn acknowledge(&self) -> Result<()> {
        let Place { broker, topic, group, .. } = &*self.place;
        broker.acknowledge(topic, group, &self.id).await
    }

    async fn give_back(&self) -> Result<()> {
        let Place { broker, topic, group, consumer, given_back, .. } = &*self.place;
        broker.give_back(topic, group, consumer, &self.id, self.attempt).await?;
        given_back.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Moves the message to the dead-letter topic, if there is one, or else just gives it up.
    async fn bury(&self) -> Result<()> {
        let Place { broker, topic, group, consumer, options, .. } = &*self.place;
        match &options.dead_letter {
            Some(dead_letter) => broker.bury(topic, dead_letter, group, consumer, &self.id).await,
            None => self.acknowledge().await,
        }
    }
}

impl Settle for Settlement {
    fn settle(self: Box<Self>, outcome: Outcome) -> Answer<()> {
        Answer::pending(async move {
            match outcome {
                Outcome::Acknowledge => self.acknowledge().await,
                Outcome::Redeliver if self.attempt < self.place.options.max_deliveries => {
                    self.give_back().await
                }
                Outcome::Redeliver | Outcome::Discard => self.bury().await,
            }
        })
    }
}
