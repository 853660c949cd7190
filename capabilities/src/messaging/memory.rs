//! The provider in memory: queues, one for each group, bounded.

mod subscriber;
mod topic;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use super::check::{INBOX, check_publish, check_request, check_subscribe, check_topic};
use super::{
    DeliveryGuarantee, Guarantees, Kept, Message, Messaging, Operation, SubscribeOptions, Subscription,
};
use crate::{Answer, Counters, Error, Result};
use subscriber::Subscriber;
use topic::Topic;

/// Delivers messages within this process.
///
/// Every call but a request answers [`Answer::Ready`]. Each group has a queue of its own for a topic, whose memory
/// is bounded by [`Limits`]: a message for which one of them has no room is refused, and reaches no group. A group
/// ends with its last member, and what it had not settled with it; a message on a topic without groups is gone at
/// once.
///
/// There is no thread: a delivery whose time to be settled is over is noticed when a member of its group waits for
/// the next one.
#[derive(Clone)]
pub struct Memory {
    broker: Arc<Broker>,
}

/// How much one group may hold of one topic, settled messages not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages.
    pub messages: usize,
    /// Bytes of bodies, headers and topics to reply to.
    pub bytes: usize,
}

/// What the provider and its subscriptions share. Locks are taken in the order `topics`, then a topic's own.
struct Broker {
    counters: Arc<Counters<Operation>>,
    limits: Limits,
    /// The topics that have groups.
    topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
    inboxes: Inboxes,
}

/// Those who wait for a reply.
#[derive(Default)]
struct Inboxes {
    waiting: Mutex<HashMap<Box<str>, oneshot::Sender<Bytes>>>,
    last: AtomicU64,
}

/// A request's place among the inboxes; gone when the request is.
struct Inbox {
    broker: Arc<Broker>,
    name: String,
}

// === impl Limits ===

impl Default for Limits {
    /// 65,536 messages and 64 MiB.
    fn default() -> Self {
        Self { messages: 65_536, bytes: 64 << 20 }
    }
}

// === impl Memory ===

impl Memory {
    /// A provider without subscriptions.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let broker = Broker {
            counters: Arc::default(),
            limits,
            topics: RwLock::default(),
            inboxes: Inboxes::default(),
        };
        Self { broker: Arc::new(broker) }
    }

    /// How many messages take up memory, each once for every group that has not settled it.
    #[must_use]
    pub fn held_messages(&self) -> usize {
        self.broker.topics.read().values().map(|topic| topic.held()).sum()
    }

    /// How many topics take up memory.
    #[must_use]
    pub fn held_topics(&self) -> usize {
        self.broker.topics.read().len()
    }

    fn begin_request(&self, topic: &str, mut message: Message, timeout: Duration) -> Result<Answer<Bytes>> {
        check_request(topic, &message, timeout)?;
        let broker = &self.broker;
        let nobody = |waited| Error::NoReply { topic: topic.to_owned(), waited };
        if !broker.topics.read().contains_key(topic) {
            return Err(nobody(Duration::ZERO));
        }
        let number = broker.inboxes.last.fetch_add(1, Ordering::Relaxed);
        let inbox = Inbox { broker: Arc::clone(broker), name: format!("{INBOX}{number}") };
        let (reply, replied) = oneshot::channel();
        broker.inboxes.waiting.lock().insert(inbox.name.as_str().into(), reply);
        message.reply_to = Some(inbox.name.clone());
        broker.publish(topic, message)?;
        let late = nobody(timeout);
        Ok(Answer::pending(async move {
            let reply = tokio::time::timeout(timeout, replied).await;
            drop(inbox);
            reply.ok().and_then(Result::ok).ok_or(late)
        }))
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Messaging for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.broker.counters
    }

    fn guarantees(&self) -> Guarantees {
        Guarantees {
            delivery: DeliveryGuarantee::AtLeastOnce,
            kept: Kept::WhileSubscribed,
            dead_letters: true,
            requests: true,
        }
    }

    fn always_ready(&self, operation: Operation) -> bool {
        operation != Operation::Request
    }

    #[inline]
    fn publish(&self, topic: &str, message: Message) -> Answer<()> {
        self.broker.counters.count(Operation::Publish);
        Answer::Ready(check_publish(topic, &message).and_then(|()| self.broker.publish(topic, message)))
    }

    fn publish_many(&self, topic: &str, messages: Vec<Message>) -> Answer<Vec<Result<()>>> {
        self.broker.counters.count(Operation::PublishMany);
        Answer::Ready(check_topic(topic).map(|()| {
            let publish = |message: Message| {
                check_publish(topic, &message).and_then(|()| self.broker.publish(topic, message))
            };
            messages.into_iter().map(publish).collect()
        }))
    }

    fn request(&self, topic: &str, message: Message, timeout: Duration) -> Answer<Bytes> {
        self.broker.counters.count(Operation::Request);
        self.begin_request(topic, message, timeout).unwrap_or_else(|error| Answer::Ready(Err(error)))
    }

    fn subscribe(&self, topic: &str, options: SubscribeOptions) -> Answer<Subscription> {
        self.broker.counters.count(Operation::Subscribe);
        Answer::Ready(check_subscribe(topic, &options).map(|()| {
            let mut topics = self.broker.topics.write();
            let topic = match topics.get(topic) {
                Some(topic) => Arc::clone(topic),
                None => {
                    let made = Arc::new(Topic::new(topic, self.broker.limits));
                    topics.insert(Arc::clone(made.name()), Arc::clone(&made));
                    made
                }
            };
            // Still under the lock, so that the topic is not removed before it has this group.
            let member = topic.join(options);
            Subscription::new(Subscriber::new(Arc::clone(&self.broker), topic, member))
        }))
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("limits", &self.broker.limits).finish_non_exhaustive()
    }
}

// === impl Broker ===

impl Broker {
    fn publish(&self, topic: &str, message: Message) -> Result<()> {
        if topic.starts_with(INBOX) {
            // Whoever asked may have given up by now.
            if let Some(waiting) = self.inboxes.waiting.lock().remove(topic) {
                let _ = waiting.send(message.body);
            }
            return Ok(());
        }
        // The lock is not held meanwhile, so that a busy topic does not keep others from starting or ending.
        let topic = self.topics.read().get(topic).map(Arc::clone);
        topic.map_or(Ok(()), |topic| topic.publish(message))
    }

    /// Publishes a dead message, or fails if there is no room for it.
    fn bury(&self, dead_letter: &str, message: &Message) -> Result<()> {
        self.publish(dead_letter, message.clone())
    }

    /// Ends a membership, and the topic with its last one.
    fn leave(&self, topic: &Topic, member: topic::Member) {
        let mut topics = self.topics.write();
        if topic.leave(member) {
            topics.remove(&**topic.name());
        }
    }
}

// === impl Inbox ===

impl Drop for Inbox {
    fn drop(&mut self) {
        self.broker.inboxes.waiting.lock().remove(self.name.as_str());
    }
}
