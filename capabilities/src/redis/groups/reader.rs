//! The task behind a subscription: reads a group's entries and hands them over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::redis::RedisError;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::{ALONE, Entry, Fields, Groups, OVERDUE_MS, claim, group_is_gone, make_group, read, renew};
use crate::delivery::{CountOutcomes, Outcome, Outlet, Settle, Subscription};
use crate::redis::link::Link;
use crate::{Answer, Error, Result};

/// What the entries of a stream are to those who subscribe to it.
pub(crate) trait Entries: Send + Sync + Sized + 'static {
    /// What a subscriber gets of an entry.
    type Received: Send + 'static;

    /// What a subscriber gets of an entry, unless nobody wants it any more.
    fn received(&self, id: &str, fields: Fields, attempt: u32) -> Option<Self::Received>;

    /// Gives an entry up that its group does not get again, and takes it off the group.
    fn bury(&self, groups: &Groups, entry: Entry<'_>) -> impl Future<Output = Result<()>> + Send;

    /// Why there can be no subscription.
    fn refusal(&self, link: &Link, error: &RedisError) -> Error {
        link.error(error)
    }
}

/// How a subscription wants what it gets.
pub(crate) struct Terms {
    /// `None` makes a group of this subscription alone.
    pub(crate) group: Option<String>,
    /// The entry behind which a new group begins; `$` is the last.
    pub(crate) from: String,
    pub(crate) max_deliveries: u32,
    pub(crate) ack_wait: Duration,
    pub(crate) concurrency: usize,
}

pub(crate) struct Reader<E: Entries> {
    link: Link,
    place: Arc<Place<E>>,
    outlet: Outlet<E::Received>,
    /// Where to look on for overdue entries.
    cursor: String,
    next_claim: Instant,
    next_renewal: Instant,
}

/// Where the deliveries of one subscription come from.
struct Place<E> {
    groups: Groups,
    entries: E,
    stream: Arc<str>,
    group: String,
    /// Whether the group is this subscription's alone.
    alone: bool,
    consumer: String,
    max_deliveries: u32,
    ack_wait: Duration,
    /// An entry was just given back, so that it is worth looking for overdue ones.
    given_back: AtomicBool,
}

/// Settles one entry.
struct Settlement<E> {
    place: Arc<Place<E>>,
    id: String,
    attempt: u32,
}

/// A read waits this long for an entry. What another member gave back, and the end of the subscription, are
/// noticed as late as this.
const BLOCK: Duration = Duration::from_millis(100);
/// Entries that one read asks for at most.
const MOST_READ: usize = 256;
/// Until a failed read is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the lease of a subscription without a group is renewed: often enough for an hour's lease.
const RENEWAL: Duration = Duration::from_secs(60);

// === impl Reader ===

impl<E: Entries> Reader<E> {
    pub(crate) async fn start(
        groups: Groups,
        stream: &str,
        terms: Terms,
        entries: E,
        counters: Arc<dyn CountOutcomes>,
    ) -> Result<Subscription<E::Received>> {
        let Terms { group, from, max_deliveries, ack_wait, concurrency } = terms;
        let link = groups.another_link().await?;
        let (alone, group) = match group {
            Some(group) => (false, group),
            None => (true, format!("{ALONE}{}", Uuid::new_v4())),
        };
        let made = match alone {
            true => groups.join_alone(stream, &group, &from).await,
            false => make_group(&link, stream, &group, &from).await,
        };
        made.map_err(|error| entries.refusal(&link, &error))?;
        let (outlet, subscription) = Outlet::new(concurrency, Some(ack_wait), !alone, counters);
        let place = Place {
            groups,
            entries,
            stream: stream.into(),
            group,
            alone,
            consumer: Uuid::new_v4().to_string(),
            max_deliveries,
            ack_wait,
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
            // Never cut short: entries that the server has given out already would wait until they are overdue.
            match self.step(permits).await {
                Ok(()) => failing = false,
                Err(error) => {
                    let (stream, group) = (&self.place.stream, &self.place.group);
                    if !failing {
                        tracing::warn!(%stream, group, %error, "a subscription has a problem and tries on");
                    }
                    failing = true;
                    // A server that lost the group lost the stream: what is in it now came later, and is for us.
                    let found =
                        group_is_gone(&error) && make_group(&self.link, stream, group, "0").await.is_ok();
                    if !found && self.outlet.unless_ended(tokio::time::sleep(PAUSE)).await.is_none() {
                        break;
                    }
                }
            }
        }
        self.outlet.end().await;
        let Place { groups, stream, group, alone, .. } = &*self.place;
        let left = match alone {
            true => groups.leave_alone(stream, group).await,
            false => groups.leave(stream, group).await,
        };
        if let Err(error) = left {
            tracing::debug!(%stream, group, %error, "a subscription could not be taken off the server");
        }
    }

    /// Hands over overdue entries, or else new ones if there are some soon.
    async fn step(&mut self, mut permits: OwnedSemaphorePermit) -> Result<(), RedisError> {
        let place = Arc::clone(&self.place);
        let (stream, whose) = (&*place.stream, (place.group.as_str(), place.consumer.as_str()));
        let now = Instant::now();
        if place.alone && now >= self.next_renewal {
            renew(&self.link, &place.group).await?;
            self.next_renewal = now + RENEWAL;
        }
        if place.given_back.swap(false, Ordering::Relaxed) || now >= self.next_claim {
            let overdue = place.ack_wait.as_micros().div_ceil(1000);
            let (cursor, claimed) =
                claim(&self.link, stream, whose, overdue, &self.cursor, permits.num_permits()).await?;
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
        for (id, fields) in read(&self.link, stream, whose, permits.num_permits(), BLOCK).await? {
            self.deliver(&mut permits, id, fields, 1).await;
        }
        Ok(())
    }

    async fn deliver(&self, permits: &mut OwnedSemaphorePermit, id: String, fields: Fields, attempt: u32) {
        let place = Arc::clone(&self.place);
        let received = place.entries.received(&id, fields, attempt);
        let settlement = Settlement { place, id, attempt };
        let done = match received {
            // Nobody wants it.
            None => settlement.acknowledge().await,
            // The last delivery allowed was never settled.
            Some(_) if attempt > self.place.max_deliveries => settlement.bury().await,
            Some(received) => {
                // The server never gives more than were asked for.
                if let Some(permit) = permits.split(1) {
                    self.outlet.deliver(permit, received, Box::new(settlement)).await;
                }
                return;
            }
        };
        if let Err(error) = done {
            let stream = &self.place.stream;
            tracing::warn!(%stream, %error, "what is not to be delivered any more will be tried again");
        }
    }
}

// === impl Settlement ===

impl<E: Entries> Settlement<E> {
    fn entry(&self) -> Entry<'_> {
        let Place { stream, group, consumer, .. } = &*self.place;
        Entry { stream, group, consumer, id: &self.id }
    }

    async fn acknowledge(&self) -> Result<()> {
        self.place.groups.acknowledge(self.entry()).await
    }

    /// It counts as given `given` times from now on.
    async fn hand_back(&self, given: u32) -> Result<()> {
        self.place.groups.give_back(self.entry(), self.attempt, given, OVERDUE_MS).await?;
        self.place.given_back.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn bury(&self) -> Result<()> {
        self.place.entries.bury(&self.place.groups, self.entry()).await
    }
}

impl<E: Entries> Settle for Settlement<E> {
    fn give_back(self: Box<Self>) -> Answer<()> {
        Answer::pending(async move { self.hand_back(self.attempt.saturating_sub(1)).await })
    }

    fn keep(&self) -> Answer<()> {
        let kept = Self { place: Arc::clone(&self.place), id: self.id.clone(), attempt: self.attempt };
        Answer::pending(async move {
            kept.place.groups.give_back(kept.entry(), kept.attempt, kept.attempt, 0).await
        })
    }

    fn redeliver_after(self: Box<Self>, pause: Duration) -> Answer<()> {
        if self.attempt >= self.place.max_deliveries {
            return self.settle(Outcome::Redeliver);
        }
        // So old that it is overdue after the pause.
        let age = self.place.ack_wait.saturating_sub(pause);
        Answer::pending(async move {
            self.place.groups.give_back(self.entry(), self.attempt, self.attempt, age.as_millis()).await
        })
    }

    fn settle(self: Box<Self>, outcome: Outcome) -> Answer<()> {
        Answer::pending(async move {
            match outcome {
                Outcome::Acknowledge => self.acknowledge().await,
                Outcome::Redeliver if self.attempt < self.place.max_deliveries => {
                    self.hand_back(self.attempt).await
                }
                Outcome::Redeliver | Outcome::Discard => self.bury().await,
            }
        })
    }
}
