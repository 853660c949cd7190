//! The contract `Messaging`: messages published on topics, delivered to groups of subscribers.
//!
//! It is the union of what waSCC's `wascc:messaging` and Dapr's pub/sub API ask for, in the terms of neither. What
//! providers can promise differs; each says so by [`Messaging::guarantees`], and answers
//! [`Error::Unsupported`](crate::Error) where it is asked for more.

mod check;
mod jetstream;
mod memory;
mod nats;
mod redis_streams;
mod remote;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::binding::{Binding, Bound};
use crate::delivery::{self, count_outcomes};
use crate::{Answer, Counters, Result, counters};

pub use crate::delivery::{Outcome, Settle, Ticket};
pub use jetstream::{JetStream, Retention, Storage, StreamOptions, Streams};
pub use memory::{Limits, Memory};
pub use nats::Nats;
pub use redis_streams::RedisStreams;

counters::operations! {
    Publish = "publish",
    PublishMany = "publish_many",
    Request = "request",
    Subscribe = "subscribe",
    Acknowledge = "acknowledge",
    Redeliver = "redeliver",
    Discard = "discard",
}
count_outcomes!(Operation);

/// A message with the duty to settle it.
pub type Delivery = delivery::Delivery<Received>;

/// The messages that arrive.
pub type Subscription = delivery::Subscription<Received>;

/// Names and values that travel with a message. A name is visible ASCII without a colon; a value has no control
/// characters and no space at either end. They arrive in any order.
pub type Headers = Vec<(String, String)>;

/// A message, as it is published and as it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The bytes.
    pub body: Bytes,
    /// The topic on which the publisher wants an answer, if it wants one.
    pub reply_to: Option<String>,
    /// What travels with the body.
    pub headers: Headers,
    /// How long the message is worth delivering; `None` is for ever. Zero is refused. A message that arrives does
    /// not tell it any more.
    pub ttl: Option<Duration>,
}

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

/// How a subscription wants its messages. The members of a group should all want them in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// The queue group whose members share the messages; `None` makes a group of this subscription alone.
    pub group: Option<String>,
    /// What a group gets that is new to the topic. One that is known goes on where it was.
    pub start: Start,
    /// How often a message is delivered at most before it counts as dead; 1 at least.
    pub max_deliveries: u32,
    /// The topic on which dead and discarded messages are published; `None` lets them go.
    pub dead_letter: Option<String>,
    /// How long a delivery may stay unsettled before the message is delivered again, from 1 ms to 1 day.
    pub ack_wait: Duration,
    /// How many deliveries may be unsettled at a time, from 1 to 65,536. A provider over a network fetches as many
    /// ahead, and their `ack_wait` runs from then on: give a slow subscriber a small number.
    pub concurrency: usize,
}

/// What a new group gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// What is published from now on.
    #[default]
    New,
    /// That, and before it all that the topic still has, with a server that keeps messages for nobody: Redis does, and a
    /// stream of JetStream's whose retention is that of limits. Others have nothing.
    Eldest,
}

/// How often a message reaches each group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryGuarantee {
    /// Once or never: a message is gone if the server, the network or the subscriber fails at the wrong moment.
    AtMostOnce,
    /// Until a member settles it, or it was delivered as often as allowed.
    AtLeastOnce,
}

/// How long a message waits for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// While the group has a member.
    WhileSubscribed,
    /// For a named group also while it has no member. It outlives this process, and the server's as far as the
    /// server is set up to keep its data.
    OnServer,
}

/// What a provider promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarantees {
    /// How often a message reaches each group.
    pub delivery: DeliveryGuarantee,
    /// How long it waits for one.
    pub kept: Kept,
    /// Whether [`SubscribeOptions::dead_letter`] may be given.
    pub dead_letters: bool,
    /// Whether [`Messaging::request`] works.
    pub requests: bool,
}

/// The capability contract for messages.
///
/// A topic is a name of 1 to 255 bytes without white space and control characters; those that start with
/// `_INBOX.` carry replies, and can be published on but not subscribed to. A group has the same kind of name. Every
/// method may be called at the same time from many threads.
///
/// A group gets every message published after its first subscription was answered, and only once more if a
/// delivery was not acknowledged. No order is promised.
pub trait Messaging: Send + Sync + 'static {
    /// The provider's name, for errors and metrics: `memory`, `nats`, `jetstream`, `redis_streams`.
    fn name(&self) -> &'static str;

    /// How often this provider was reached.
    fn counters(&self) -> &Counters<Operation>;

    /// What this provider promises.
    fn guarantees(&self) -> Guarantees;

    /// Whether every call of this operation answers [`Answer::Ready`]: the host then needs no fiber for it.
    fn always_ready(&self, operation: Operation) -> bool;

    /// Publishes a message. Where the guarantee is [`DeliveryGuarantee::AtLeastOnce`], the groups are sure to get
    /// it once this succeeded. Fails with [`Error::Overloaded`](crate::Error) if a queue is full; then no group
    /// gets it.
    fn publish(&self, topic: &str, message: Message) -> Answer<()>;

    /// Publishes many messages on one topic, and answers for each what became of it, in their order.
    fn publish_many(&self, topic: &str, messages: Vec<Message>) -> Answer<Vec<Result<()>>>;

    /// Publishes a message with a topic of its own to reply to, and answers the body of the first reply. Fails
    /// with [`Error::NoReply`](crate::Error) if there is none in time. `reply_to` must be left out.
    fn request(&self, topic: &str, message: Message, timeout: Duration) -> Answer<Bytes>;

    /// Starts a subscription. To be called within a tokio runtime.
    fn subscribe(&self, topic: &str, options: SubscribeOptions) -> Answer<Subscription>;

    /// Makes a binding: answers what serves it, which knows no values. See
    /// [`crate::binding`]; `this` is the provider itself.
    fn bind(&self, this: Arc<dyn Messaging>, binding: &Binding<'_>) -> Result<Bound<dyn Messaging>> {
        binding.knows(self.name(), &[])?;
        Ok(Bound::by(this))
    }
}

// === impl Message ===

impl<T: Into<Bytes>> From<T> for Message {
    /// A message that is only a body.
    fn from(body: T) -> Self {
        Self { body: body.into(), ..Self::default() }
    }
}

// === impl SubscribeOptions ===

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            group: None,
            start: Start::New,
            max_deliveries: 5,
            dead_letter: None,
            ack_wait: Duration::from_secs(30),
            concurrency: 64,
        }
    }
}
