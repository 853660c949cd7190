//! The provider over a NATS server, without JetStream: fast, and nothing is kept.

pub(super) mod link;
pub(super) mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;

use super::check::{check_publish, check_request, check_subscribe, check_topic};
use super::remote::Remote;
use super::{
    DeliveryGuarantee, Guarantees, Kept, Message, Messaging, Operation, Outcome, Received, Settle,
    SubscribeOptions, Subscription,
};
use crate::delivery::Outlet;
use crate::{Answer, Counters, Error, Result};
use link::Link;
use wire::{check_pattern, check_subject};

/// Delivers messages by a NATS server of version 2.9 or newer, at most once: a message goes to those who are
/// subscribed at that moment, and nobody keeps it.
///
/// A publish succeeds when the message was handed to the connection. A subscriber that falls behind loses messages,
/// so that it does not fill the memory. Without the server, calls fail with [`Error::Unavailable`] in bounded time;
/// when it is back, they work again, and subscriptions go on.
///
/// Topics are NATS subjects: words separated by single dots. A subscription may use its wildcards `*` and `>`.
#[derive(Debug)]
pub struct Nats {
    server: Remote<Link>,
}

/// A delivery of which the server knows nothing.
struct Unkept;

const NAME: &str = "nats";

// === impl Nats ===

impl Nats {
    /// Connects to the server at a URL such as `nats://127.0.0.1:4222`. To be called within a tokio runtime, which
    /// has to outlive the provider.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if the URL is none, [`Error::Unavailable`] if the server cannot be reached,
    /// [`Error::Failed`] if it refuses, say for a wrong password.
    pub async fn connect(url: &str) -> Result<Self> {
        Ok(Self { server: Remote::new(Link::connect(url).await?) })
    }
}

impl Messaging for Nats {
    fn name(&self) -> &'static str {
        NAME
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.server.counters
    }

    fn guarantees(&self) -> Guarantees {
        Guarantees {
            delivery: DeliveryGuarantee::AtMostOnce,
            kept: Kept::WhileSubscribed,
            dead_letters: false,
            requests: true,
        }
    }

    fn always_ready(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Acknowledge | Operation::Redeliver | Operation::Discard)
    }

    fn publish(&self, topic: &str, message: Message) -> Answer<()> {
        let checked = check_publish(topic, &message).and_then(|()| check_subject(topic));
        let topic = topic.to_owned();
        self.server.run(Operation::Publish, checked, |link| async move {
            link.publish(&topic, message).await?;
            link.flush().await
        })
    }

    fn publish_many(&self, topic: &str, messages: Vec<Message>) -> Answer<Vec<Result<()>>> {
        let checked = check_topic(topic).and_then(|()| check_subject(topic));
        let topic = topic.to_owned();
        self.server.run(Operation::PublishMany, checked, |link| async move {
            let mut results = Vec::with_capacity(messages.len());
            for message in messages {
                results.push(match check_publish(&topic, &message) {
                    Ok(()) => link.publish(&topic, message).await,
                    Err(error) => Err(error),
                });
            }
            if let Err(error) = link.flush().await {
                // Nobody knows how many of them went out.
                for result in &mut results {
                    if result.is_ok() {
                        *result = Err(error.clone());
                    }
                }
            }
            Ok(results)
        })
    }

    fn request(&self, topic: &str, message: Message, timeout: Duration) -> Answer<Bytes> {
        let checked = check_request(topic, &message, timeout).and_then(|()| check_subject(topic));
        let topic = topic.to_owned();
        self.server.run(Operation::Request, checked, |link| async move {
            link.request(&topic, message, timeout).await
        })
    }

    fn subscribe(&self, topic: &str, options: SubscribeOptions) -> Answer<Subscription> {
        let checked = check_subscribe(topic, &options).and_then(|()| check_pattern(topic)).and_then(|()| {
            if options.dead_letter.is_none() {
                return Ok(());
            }
            Err(Error::Unsupported {
                provider: NAME,
                what: "keep dead letters since it keeps no message; leave out dead_letter or use jetstream",
            })
        });
        let topic = topic.to_owned();
        let counters = Arc::clone(&self.server.counters);
        self.server.run(Operation::Subscribe, checked, |link| async move {
            let mut subscriber = link.subscribe(&topic, options.group).await?;
            let (outlet, subscription) = Outlet::new(options.concurrency, None, false, counters);
            tokio::spawn(async move {
                while let Some(permit) = outlet.permits(1).await {
                    let message = match outlet.while_wanted(subscriber.next()).await {
                        Some(Some(message)) => message,
                        Some(None) => break,
                        None => continue,
                    };
                    let topic = message.subject.as_str().into();
                    let reply_to = message.reply.map(|subject| subject.as_str().to_owned());
                    if let Some(message) = wire::decode(message.payload, message.headers.as_ref(), reply_to) {
                        let received = Received { topic, message: Arc::new(message), attempt: 1 };
                        outlet.deliver(permit, received, Box::new(Unkept)).await;
                    }
                }
            });
            Ok(subscription)
        })
    }
}

// === impl Unkept ===

impl Settle for Unkept {
    fn settle(self: Box<Self>, outcome: Outcome) -> Answer<()> {
        Answer::Ready(match outcome {
            Outcome::Acknowledge | Outcome::Discard => Ok(()),
            Outcome::Redeliver => Err(Error::Unsupported {
                provider: NAME,
                what: "deliver a message again since it keeps none; use jetstream",
            }),
        })
    }
}
