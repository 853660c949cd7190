//! The task behind a subscription: pulls messages from a consumer and hands them over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::{ConsumerErrorKind, Stream};
use async_nats::jetstream::{self, AckKind};
use async_nats::{Request, Subject};
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::broker::{Broker, check_length};
use crate::delivery::Outlet;
use crate::messaging::nats::link::RESPONSE_TIMEOUT;
use crate::messaging::nats::wire;
use crate::messaging::{
    Message, Operation, Outcome, Received, Settle, Start, SubscribeOptions, Subscription,
};
use crate::{Answer, Counters, Result};

pub(super) struct Reader {
    broker: Arc<Broker>,
    topic: Arc<str>,
    options: Arc<SubscribeOptions>,
    outlet: Outlet<Received>,
    source: Source,
    unseen: Arc<Unseen>,
}

/// How often messages were delivered to here, by their place in the stream, and went back before anybody looked at them. The
/// server counts those deliveries with the others.
#[derive(Default)]
struct Unseen(Mutex<BTreeMap<u64, u32>>);

/// So many messages are known as unseen; of more, the eldest are the likeliest to be settled, by whomever.
const MOST_UNSEEN: usize = 65_536;

/// A consumer, and how far it has come.
struct Source {
    stream: Stream,
    consumer: PullConsumer,
    name: String,
    /// When the stream was made: one made anew begins to count again.
    made: String,
    /// The last message of the stream that arrived.
    last: u64,
}

/// Settles one message.
struct Settlement {
    broker: Arc<Broker>,
    options: Arc<SubscribeOptions>,
    received: Received,
    unseen: Arc<Unseen>,
    /// The message's place in the stream.
    sequence: u64,
    /// How often the server delivered it, to whomever.
    delivered: u32,
    /// Where the server wants to hear what became of the message.
    reply: Subject,
}

/// The server waits this long for messages until it ends a pull.
const PULL: Duration = Duration::from_secs(1);
/// Until a pull is given up that the server does not end: it was restarted meanwhile and knows nothing of the pull,
/// or nothing of the consumer either.
const PULL_LOST: Duration = Duration::from_secs(2);
/// Messages that one pull asks for at most.
const MOST_PULLED: usize = 256;
/// Until a failed pull is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// Until a dead message that could not be published as such is delivered again.
const UNTIL_NEXT_BURIAL: Duration = Duration::from_secs(1);
/// The server gives up the consumer of a subscription without a group after this time without a pull.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);
/// Messages that the members of a group may have unsettled together: as many as a single one may.
const MOST_UNSETTLED: i64 = 65_536;

// === impl Reader ===

impl Reader {
    pub(super) async fn start(
        broker: Arc<Broker>,
        topic: String,
        options: SubscribeOptions,
        counters: Arc<Counters<Operation>>,
    ) -> Result<Subscription> {
        let whose = options.group.as_deref().map_or_else(|| Uuid::new_v4().to_string(), wire::encoded);
        let name = format!("{}__{whose}", wire::encoded(&topic));
        check_length(&topic, &name)?;
        let source = Source::open(&broker, &topic, &options, name, None).await?;
        let (outlet, subscription) =
            Outlet::new(options.concurrency, Some(options.ack_wait), options.group.is_some(), counters);
        let (options, unseen) = (Arc::new(options), Arc::default());
        let reader = Self { broker, topic: topic.into(), options, outlet, source, unseen };
        tokio::spawn(reader.run());
        Ok(subscription)
    }

    async fn run(mut self) {
        let mut failing = false;
        while let Some(permits) = self.outlet.permits(MOST_PULLED).await {
            let pulled = self.pull(permits).await;
            if let Err(error) = &pulled {
                if !failing {
                    tracing::warn!(topic = %self.topic, error, "a subscription has a problem and tries on");
                }
                if self.outlet.unless_ended(tokio::time::sleep(PAUSE)).await.is_none() {
                    break;
                }
                self.resume().await;
            }
            failing = pulled.is_err();
        }
        self.outlet.end().await;
        if self.options.group.is_none() {
            // If the server cannot be reached, it gives up the consumer later by itself.
            let Source { stream, name, .. } = &self.source;
            let _ = self.broker.link().bounded(stream.delete_consumer(name)).await;
        }
    }

    /// Hands over as many messages as there are permits, or as come before the pull ends. It goes on to its end also if they
    /// are not wanted any more: what went back at once would come to it again, and wait there until it is overdue.
    async fn pull(&mut self, mut permits: OwnedSemaphorePermit) -> Result<(), String> {
        let batch = self.source.consumer.batch().max_messages(permits.num_permits()).expires(PULL);
        let messages =
            self.broker.link().bounded(batch.messages()).await.map_err(|error| error.to_string())?;
        let mut messages = messages.map_err(|error| error.to_string())?;
        let lost = Instant::now() + PULL_LOST;
        let mut late = Vec::new();
        let mut end = loop {
            match timeout_at(lost, messages.next()).await {
                Ok(Some(Ok(message))) if !self.outlet.is_wanted() => late.push(message),
                Ok(Some(Ok(message))) => {
                    // The server never sends more than were asked for.
                    let Some(permit) = permits.split(1) else { break Ok(()) };
                    if let Err(error) = self.deliver(message, permit).await {
                        break Err(error);
                    }
                }
                Ok(Some(Err(error))) => break Err(error.to_string()),
                Ok(None) => break Ok(()),
                Err(_) => break Err("the server did not end a pull".to_owned()),
            }
        };
        for message in late {
            let Some(permit) = permits.split(1) else { break };
            end = end.and(self.deliver(message, permit).await);
        }
        end
    }

    async fn deliver(
        &mut self,
        message: jetstream::Message,
        permit: OwnedSemaphorePermit,
    ) -> Result<(), String> {
        let (sequence, delivered) = {
            let info = message.info().map_err(|error| error.to_string())?;
            (info.stream_sequence, info.delivered)
        };
        self.source.last = self.source.last.max(sequence);
        let delivered = u32::try_from(delivered).unwrap_or(u32::MAX);
        let attempt = delivered.saturating_sub(self.unseen.of(sequence)).max(1);
        let async_nats::Message { payload, headers, reply, .. } = message.message;
        let Some(reply) = reply else { return Err("a message came that nobody can settle".to_owned()) };
        let Some(message) = wire::decode(payload, headers.as_ref(), None) else {
            // Nobody wants what has expired.
            self.unseen.forget(sequence);
            let _ = self.broker.link().client().publish(reply, AckKind::Ack.into()).await;
            return Ok(());
        };
        let received = Received { topic: Arc::clone(&self.topic), message: Arc::new(message), attempt };
        let (broker, options) = (Arc::clone(&self.broker), Arc::clone(&self.options));
        let unseen = Arc::clone(&self.unseen);
        let settlement =
            Settlement { broker, options, received: received.clone(), unseen, sequence, delivered, reply };
        if attempt > self.options.max_deliveries {
            // The last delivery allowed was never settled.
            if let Err(error) = settlement.bury().await {
                tracing::warn!(topic = %self.topic, %error, "a dead message will be tried again");
            }
            return Ok(());
        }
        self.outlet.deliver(permit, received, Box::new(settlement)).await;
        Ok(())
    }

    /// Makes sure that stream and consumer are there. A server may have lost them, above all one that keeps its
    /// streams in memory.
    async fn resume(&mut self) {
        let name = self.source.name.clone();
        match Source::open(&self.broker, &self.topic, &self.options, name, Some(&self.source)).await {
            Ok(source) => {
                if source.made != self.source.made {
                    self.unseen.0.lock().clear();
                }
                self.source = source;
            }
            Err(error) => tracing::debug!(topic = %self.topic, %error, "it cannot be resumed yet"),
        }
    }
}

// === impl Source ===

impl Source {
    /// Opens a consumer, and makes it if need be: for new messages or for all, or for those after an earlier one's last.
    async fn open(
        broker: &Broker,
        topic: &str,
        options: &SubscribeOptions,
        name: String,
        earlier: Option<&Self>,
    ) -> Result<Self> {
        let link = broker.link();
        let stream = broker.stream(topic).await?;
        let made = stream.cached_info().created.to_string();
        let last = earlier.filter(|earlier| earlier.made == made).map_or(0, |earlier| earlier.last);
        let existing = link.bounded(stream.get_consumer::<pull::Config>(&name)).await?;
        let deliver_policy = match (&existing, earlier) {
            // What it has to deliver was settled when it was made.
            (Ok(existing), _) => existing.cached_info().config.deliver_policy,
            (Err(_), None) => match options.start {
                Start::New => DeliverPolicy::New,
                Start::Eldest => DeliverPolicy::All,
            },
            (Err(_), Some(_)) => DeliverPolicy::ByStartSequence { start_sequence: last + 1 },
        };
        let durable = options.group.is_some();
        let config = pull::Config {
            durable_name: durable.then(|| name.clone()),
            name: Some(name.clone()),
            deliver_policy,
            ack_policy: AckPolicy::Explicit,
            ack_wait: options.ack_wait,
            // Messages that were delivered too often are still to be buried.
            max_deliver: -1,
            max_ack_pending: MOST_UNSETTLED,
            filter_subject: topic.to_owned(),
            inactive_threshold: if durable { Duration::ZERO } else { FORGOTTEN_AFTER },
            ..pull::Config::default()
        };
        let consumer = link.bounded(stream.create_consumer(config)).await?;
        let consumer = consumer.map_err(|error| match error.kind() {
            ConsumerErrorKind::TimedOut | ConsumerErrorKind::Request => link.unavailable(&error),
            _ => link.failed(&format!("a consumer of topic {topic} cannot be made: {error}")),
        })?;
        Ok(Self { stream, consumer, name, made, last })
    }
}

// === impl Unseen ===

impl Unseen {
    fn of(&self, sequence: u64) -> u32 {
        self.0.lock().get(&sequence).copied().unwrap_or_default()
    }

    fn add(&self, sequence: u64) {
        let mut unseen = self.0.lock();
        *unseen.entry(sequence).or_default() += 1;
        if unseen.len() > MOST_UNSEEN {
            unseen.pop_first();
        }
    }

    fn forget(&self, sequence: u64) {
        self.0.lock().remove(&sequence);
    }
}

// === impl Settlement ===

impl Settlement {
    async fn acknowledge(&self) -> Result<()> {
        let link = self.broker.link();
        link.check_connected()?;
        let request = Request::new().payload(AckKind::Ack.into()).timeout(Some(RESPONSE_TIMEOUT));
        match link.client().send_request(self.reply.clone(), request).await {
            // A consumer that is gone has nothing left to settle.
            Err(error) if error.kind() != RequestErrorKind::NoResponders => Err(link.unavailable(&error)),
            _ => {
                self.unseen.forget(self.sequence);
                Ok(())
            }
        }
    }

    async fn nak(&self, pause: Option<Duration>) -> Result<()> {
        let link = self.broker.link();
        link.check_connected()?;
        let nak = link.client().publish(self.reply.clone(), AckKind::Nak(pause).into());
        link.bounded(nak).await?.map_err(|error| link.unavailable(&error))
    }

    /// Publishes the message as a dead letter, if there is a topic for them, and then gives it up here.
    async fn bury(&self) -> Result<()> {
        if let Some(dead_letter) = &self.options.dead_letter {
            let message = Message::clone(&self.received.message);
            if let Err(error) = self.broker.publish(dead_letter, message).await {
                // It is better delivered once too often than lost.
                let _ = self.nak(Some(UNTIL_NEXT_BURIAL)).await;
                return Err(error);
            }
        }
        self.acknowledge().await
    }
}

impl Settle for Settlement {
    fn give_back(self: Box<Self>) -> Answer<()> {
        self.unseen.add(self.sequence);
        Answer::pending(async move {
            self.nak(None).await?;
            // Who gives back may end next.
            let link = self.broker.link();
            link.bounded(link.client().flush()).await?.map_err(|error| link.unavailable(&error))
        })
    }

    fn may_go_back(&self) -> bool {
        self.delivered < self.options.max_deliveries
    }

    fn keep(&self) -> Answer<()> {
        let (broker, reply) = (Arc::clone(&self.broker), self.reply.clone());
        Answer::pending(async move {
            let link = broker.link();
            link.check_connected()?;
            let kept = link.client().publish(reply, AckKind::Progress.into());
            link.bounded(kept).await?.map_err(|error| link.unavailable(&error))
        })
    }

    fn redeliver_after(self: Box<Self>, pause: Duration) -> Answer<()> {
        if self.received.attempt >= self.options.max_deliveries {
            return self.settle(Outcome::Redeliver);
        }
        let pause = pause.min(self.options.ack_wait);
        Answer::pending(async move { self.nak(Some(pause)).await })
    }

    fn settle(self: Box<Self>, outcome: Outcome) -> Answer<()> {
        Answer::pending(async move {
            match outcome {
                Outcome::Acknowledge => self.acknowledge().await,
                Outcome::Redeliver if self.received.attempt < self.options.max_deliveries => {
                    self.nak(None).await
                }
                Outcome::Redeliver | Outcome::Discard => self.bury().await,
            }
        })
    }
}
