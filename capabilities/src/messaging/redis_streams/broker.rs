//! What the provider, its subscriptions and its deliveries share: the connection, and what a topic may hold.

use std::sync::Arc;

use ::redis::RedisError;

use super::script::SCRIPTS;
use super::wire::{decode, fields};
use crate::messaging::{Message, Operation, Received, Start, SubscribeOptions, Subscription};
use crate::redis::groups::{Entries, Entry, Fields, Groups, Reader, Terms};
use crate::redis::script::call;
use crate::{Counters, Error, Result};

pub(super) struct Broker {
    groups: Groups,
    most: u32,
}

/// The messages of one topic, to one subscription.
struct Messages {
    broker: Arc<Broker>,
    topic: Arc<str>,
    dead_letter: Option<String>,
}

// === impl Broker ===

impl Broker {
    pub(super) async fn connect(url: &str, most: u32) -> Result<Self> {
        Ok(Self { groups: Groups::connect(url).await?, most })
    }

    pub(super) async fn publish(&self, topic: &str, message: &Message) -> Result<()> {
        let mut command = call(&SCRIPTS.publish, [topic].into_iter());
        command.arg(self.most);
        for field in fields(message) {
            command.arg(&*field);
        }
        let published = self.groups.link().script::<bool>(&SCRIPTS.publish, &command).await;
        self.unless_full(topic, published)
    }

    pub(super) async fn subscribe(
        self: Arc<Self>,
        topic: String,
        options: SubscribeOptions,
        counters: Arc<Counters<Operation>>,
    ) -> Result<Subscription> {
        let SubscribeOptions { group, start, max_deliveries, dead_letter, ack_wait, concurrency } = options;
        let from = match start {
            Start::New => "$",
            Start::Eldest => "0",
        };
        let terms = Terms { group, from: from.to_owned(), max_deliveries, ack_wait, concurrency };
        let groups = self.groups.clone();
        let messages = Messages { broker: self, topic: topic.as_str().into(), dead_letter };
        Reader::start(groups, &topic, terms, messages, counters).await
    }

    /// Moves a message to the dead-letter topic.
    async fn bury(&self, dead_letter: &str, entry: Entry<'_>) -> Result<()> {
        let mut command = call(&SCRIPTS.bury, [entry.stream, dead_letter].into_iter());
        command.arg(entry.group).arg(entry.consumer).arg(entry.id).arg(self.most);
        let buried = self.groups.link().script::<bool>(&SCRIPTS.bury, &command).await;
        self.unless_full(dead_letter, buried)
    }

    fn unless_full(&self, topic: &str, done: Result<bool, RedisError>) -> Result<()> {
        match done {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Overloaded {
                provider: "redis_streams".to_owned(),
                reason: format!(
                    "topic {topic} holds {} messages that some group has not settled, and may hold no more; \
                     see that all its groups are read, or destroy those that nobody needs",
                    self.most
                ),
            }),
            Err(error) => Err(self.groups.link().error(&error)),
        }
    }
}

// === impl Messages ===

impl Entries for Messages {
    type Received = Received;

    fn received(&self, _: &str, fields: Fields, attempt: u32) -> Option<Received> {
        let message = Arc::new(decode(fields)?);
        Some(Received { topic: Arc::clone(&self.topic), message, attempt })
    }

    /// Moves the message to the dead-letter topic, if there is one.
    async fn bury(&self, groups: &Groups, entry: Entry<'_>) -> Result<()> {
        match &self.dead_letter {
            Some(dead_letter) => self.broker.bury(dead_letter, entry).await,
            None => groups.acknowledge(entry).await,
        }
    }
}
