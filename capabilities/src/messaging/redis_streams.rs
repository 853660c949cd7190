//! The provider over streams of a Redis server.

mod broker;
mod script;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::check::{check_publish, check_request, check_subscribe, check_topic};
use super::remote::{Remote, publish_each};
use super::{
    DeliveryGuarantee, Guarantees, Kept, Message, Messaging, Operation, SubscribeOptions, Subscription,
};
use crate::{Answer, Counters, Error, Result};
use broker::Broker;

/// Delivers messages by streams of a Redis server of version 7 or newer, at least once.
///
/// A topic is a stream under the key of that name, a group one of its consumer groups, which the server keeps until
/// somebody destroys it. A subscription without a group makes a group that is destroyed with it; if its process
/// is killed, one that subscribes to the topic in the same way destroys it after an hour. The body is in the field
/// `data`, as Dapr has it. Settled messages are removed when the stream is full.
///
/// Each subscription has a connection of its own. Without the server, calls fail with [`Error::Unavailable`] in
/// bounded time, and may or may not have been done if they were under way; when it is back, they work again, and
/// subscriptions go on. Whether messages are still there then depends on how the server keeps its data.
pub struct RedisStreams {
    server: Remote<Arc<Broker>>,
}

const NAME: &str = "redis_streams";

// === impl RedisStreams ===

impl RedisStreams {
    /// Connects to the server at a URL such as `redis://127.0.0.1:6379`. A topic may hold `messages` that some group
    /// has not settled; when it does, further ones are refused with [`Error::Overloaded`]. To be called within a
    /// tokio runtime, which has to outlive the provider.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if the URL is none or no message is allowed, [`Error::Unavailable`] if the server
    /// cannot be reached, [`Error::Failed`] if it refuses, say for a wrong password.
    pub async fn connect(url: &str, messages: u32) -> Result<Self> {
        if messages == 0 {
            return Err(Error::InvalidArgument("a topic must hold at least one message".to_owned()));
        }
        Ok(Self { server: Remote::new(Arc::new(Broker::connect(url, messages).await?)) })
    }
}

impl Messaging for RedisStreams {
    fn name(&self) -> &'static str {
        NAME
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.server.counters
    }

    fn guarantees(&self) -> Guarantees {
        Guarantees {
            delivery: DeliveryGuarantee::AtLeastOnce,
            kept: Kept::OnServer,
            dead_letters: true,
            requests: false,
        }
    }

    fn always_ready(&self, operation: Operation) -> bool {
        operation == Operation::Request
    }

    fn publish(&self, topic: &str, message: Message) -> Answer<()> {
        let checked = check_publish(topic, &message);
        let topic = topic.to_owned();
        self.server
            .run(Operation::Publish, checked, |broker| async move { broker.publish(&topic, &message).await })
    }

    fn publish_many(&self, topic: &str, messages: Vec<Message>) -> Answer<Vec<Result<()>>> {
        let topic_owned = topic.to_owned();
        self.server.run(Operation::PublishMany, check_topic(topic), |broker| async move {
            let publish = |message: Message| {
                let (broker, topic) = (&*broker, topic_owned.as_str());
                async move { broker.publish(topic, &message).await }
            };
            Ok(publish_each(&topic_owned, messages, publish).await)
        })
    }

    fn request(&self, topic: &str, message: Message, timeout: Duration) -> Answer<Bytes> {
        self.server.counters.count(Operation::Request);
        let refused = check_request(topic, &message, timeout).and(Err(Error::Unsupported {
            provider: NAME,
            what: "wait for a reply; publish with reply_to and subscribe to that, or use nats or jetstream",
        }));
        Answer::Ready(refused)
    }

    fn subscribe(&self, topic: &str, options: SubscribeOptions) -> Answer<Subscription> {
        let checked = check_subscribe(topic, &options);
        let topic = topic.to_owned();
        let counters = Arc::clone(&self.server.counters);
        self.server.run(Operation::Subscribe, checked, |broker| broker.subscribe(topic, options, counters))
    }
}

impl std::fmt::Debug for RedisStreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStreams").finish_non_exhaustive()
    }
}
