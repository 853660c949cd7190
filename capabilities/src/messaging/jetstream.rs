//! The provider over a NATS server's JetStream: messages are kept until every group has settled them.

mod broker;
mod reader;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;

use super::check::{check_publish, check_request, check_subscribe, check_topic};
use super::nats::link::Link;
use super::nats::wire::check_subject;
use super::remote::{Remote, publish_each};
use super::{
    DeliveryGuarantee, Guarantees, Kept, Message, Messaging, Operation, SubscribeOptions, Subscription,
};
use crate::{Answer, Counters, Error, Result};
use broker::Broker;
use reader::Reader;

/// Delivers messages by the JetStream of a NATS server of version 2.9 or newer, at least once.
///
/// Each topic is a subject that some stream of the server takes. A group is a durable consumer of it, which the
/// server keeps until somebody deletes it; a subscription without a group is a consumer that goes away when the
/// subscription is dropped, or five minutes after its connection was lost. An acknowledgement is answered when the
/// server has confirmed it.
///
/// Without the server, calls fail with [`Error::Unavailable`] in bounded time, and may or may not have been done if
/// they were under way; when it is back, they work again, and subscriptions go on. The `ack_wait` of a group is the
/// one that its last subscription asked for; a message on its way to a subscription that is just dropped may come
/// again only after it.
///
/// Replies to requests do not go through streams: they reach who asked, or nobody.
#[derive(Debug)]
pub struct JetStream {
    server: Remote<Arc<Broker>>,
}

/// Where the streams for topics come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// A topic that no stream takes gets one, with these options, when it is first published on or subscribed to.
    Made(StreamOptions),
    /// Somebody else makes them; a topic that no stream takes is refused.
    Expected,
}

/// What a stream that this provider makes is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Where its messages are.
    pub storage: Storage,
    /// Which of them it keeps.
    pub retention: Retention,
    /// How many messages it holds at most.
    pub messages: u32,
    /// How many bytes it holds at most; the server sets them aside. `None` is as many as the server has.
    pub bytes: Option<u32>,
    /// How long it keeps a message at most.
    pub age: Option<Duration>,
}

/// Where the server keeps a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In files.
    File,
    /// In memory; it is empty after a restart.
    Memory,
}

/// Which messages a stream keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Those that some group has not settled. When the stream is full, new ones are refused with
    /// [`Error::Overloaded`].
    Unsettled,
    /// All, as a log. When the stream is full, the oldest go, settled or not.
    All,
}

// === impl StreamOptions ===

impl Default for StreamOptions {
    /// A million messages in files until they are settled, however long that takes.
    fn default() -> Self {
        Self {
            storage: Storage::File,
            retention: Retention::Unsettled,
            messages: 1_000_000,
            bytes: None,
            age: None,
        }
    }
}

// === impl JetStream ===

impl JetStream {
    /// Connects to the server at a URL such as `nats://127.0.0.1:4222`. To be called within a tokio runtime, which
    /// has to outlive the provider.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if the URL is none, [`Error::Unavailable`] if the server cannot be reached,
    /// [`Error::Failed`] if it refuses, say for a wrong password, or has no JetStream.
    pub async fn connect(url: &str, streams: Streams) -> Result<Self> {
        let broker = Arc::new(Broker::new(Link::connect(url).await?, streams));
        broker.check_enabled()?;
        Ok(Self { server: Remote::new(broker) })
    }
}

impl Messaging for JetStream {
    fn name(&self) -> &'static str {
        "jetstream"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.server.counters
    }

    fn guarantees(&self) -> Guarantees {
        Guarantees {
            delivery: DeliveryGuarantee::AtLeastOnce,
            kept: Kept::OnServer,
            dead_letters: true,
            requests: true,
        }
    }

    fn always_ready(&self, _operation: Operation) -> bool {
        false
    }

    fn publish(&self, topic: &str, message: Message) -> Answer<()> {
        let checked = check_publish(topic, &message).and_then(|()| check_subject(topic));
        let topic = topic.to_owned();
        self.server.run(
            Operation::Publish,
            checked,
            |broker| async move { broker.publish(&topic, message).await },
        )
    }

    fn publish_many(&self, topic: &str, messages: Vec<Message>) -> Answer<Vec<Result<()>>> {
        let checked = check_topic(topic).and_then(|()| check_subject(topic));
        let topic = topic.to_owned();
        self.server.run(Operation::PublishMany, checked, |broker| async move {
            Ok(publish_each(&topic, messages, |message| broker.publish(&topic, message)).await)
        })
    }

    fn request(&self, topic: &str, mut message: Message, timeout: Duration) -> Answer<Bytes> {
        let checked = check_request(topic, &message, timeout).and_then(|()| check_subject(topic));
        let topic = topic.to_owned();
        self.server.run(Operation::Request, checked, |broker| async move {
            let inbox = broker.link().client().new_inbox();
            let mut replies = broker.link().subscribe(&inbox, None).await?;
            message.reply_to = Some(inbox);
            broker.publish(&topic, message).await?;
            let reply = tokio::time::timeout(timeout, replies.next()).await.ok().flatten();
            reply.map(|reply| reply.payload).ok_or(Error::NoReply { topic, waited: timeout })
        })
    }

    fn subscribe(&self, topic: &str, options: SubscribeOptions) -> Answer<Subscription> {
        let dead_letter = options.dead_letter.as_deref().map_or(Ok(()), check_subject);
        let checked = check_subscribe(topic, &options).and_then(|()| check_subject(topic)).and(dead_letter);
        let topic = topic.to_owned();
        let counters = Arc::clone(&self.server.counters);
        self.server
            .run(Operation::Subscribe, checked, |broker| Reader::start(broker, topic, options, counters))
    }
}
