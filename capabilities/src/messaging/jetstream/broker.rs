//! What the provider, its subscriptions and its deliveries share: the connection, and the streams behind topics.

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{
    CreateStreamErrorKind, GetStreamByNameErrorKind, GetStreamErrorKind, PublishErrorKind,
};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};

use super::{Retention, Storage, StreamOptions, Streams};
use crate::messaging::Message;
use crate::messaging::check::INBOX;
use crate::messaging::nats::link::{Link, RESPONSE_TIMEOUT};
use crate::messaging::nats::wire;
use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct Broker {
    link: Link,
    context: Context,
    streams: Streams,
}

/// Why a message was not published.
enum Refusal {
    /// No stream takes the topic.
    NoStream,
    Other(Error),
}

/// The server takes no longer names of streams and consumers.
const LONGEST_NAME: usize = 255;

// === impl Broker ===

impl Broker {
    pub(super) fn new(link: Link, streams: Streams) -> Self {
        let mut context = async_nats::jetstream::new(link.client().clone());
        context.set_timeout(RESPONSE_TIMEOUT);
        Self { link, context, streams }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Fails if the server has no JetStream.
    pub(super) fn check_enabled(&self) -> Result<()> {
        if self.link.client().server_info().jetstream {
            return Ok(());
        }
        Err(self.link.failed("it has no JetStream; start it with --jetstream"))
    }

    /// Publishes a message, and waits until the topic's stream has it.
    pub(super) async fn publish(&self, topic: &str, message: Message) -> Result<()> {
        if topic.starts_with(INBOX) {
            self.link.publish(topic, message).await?;
            return self.link.flush().await;
        }
        self.link.check_connected()?;
        match (self.try_publish(topic, &message).await, self.streams) {
            (Err(Refusal::NoStream), Streams::Made(options)) => {
                self.make(topic, options).await?;
                self.try_publish(topic, &message).await.map_err(|refusal| self.error(topic, refusal))
            }
            (result, _) => result.map_err(|refusal| self.error(topic, refusal)),
        }
    }

    async fn try_publish(&self, topic: &str, message: &Message) -> Result<(), Refusal> {
        let headers = wire::headers(message, message.reply_to.as_deref());
        let (subject, body) = (topic.to_owned(), message.body.clone());
        let publishing = self.link.bounded(async {
            match headers {
                None => self.context.publish(subject, body).await?.await,
                Some(headers) => self.context.publish_with_headers(subject, headers, body).await?.await,
            }
        });
        let error = match publishing.await.map_err(Refusal::Other)? {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        Err(match error.kind() {
            PublishErrorKind::StreamNotFound => Refusal::NoStream,
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => {
                Refusal::Other(self.link.unavailable(&error))
            }
            PublishErrorKind::MaxPayloadExceeded => Refusal::Other(self.link.too_large(message.body.len())),
            _ => {
                let said = error.to_string();
                let full = ["maximum messages", "maximum bytes", "insufficient"];
                Refusal::Other(if full.iter().any(|full| said.contains(full)) {
                    let reason = format!("the stream of topic {topic} is full: {said}");
                    Error::Overloaded { provider: "jetstream".to_owned(), reason }
                } else {
                    self.link.failed(&said)
                })
            }
        })
    }

    fn error(&self, topic: &str, refusal: Refusal) -> Error {
        match refusal {
            Refusal::NoStream => self.link.failed(&format!("no stream takes topic {topic}; create one")),
            Refusal::Other(error) => error,
        }
    }

    /// The stream that takes a topic; made if it is missing and that was asked for.
    pub(super) async fn stream(&self, topic: &str) -> Result<Stream> {
        self.link.check_connected()?;
        match self.link.bounded(self.context.stream_by_subject(topic.to_owned())).await? {
            Ok(name) => {
                let stream = self.link.bounded(self.context.get_stream(name)).await?;
                stream.map_err(|error| match error.kind() {
                    GetStreamErrorKind::Request => self.link.unavailable(&error),
                    _ => self.link.failed(&error),
                })
            }
            Err(error) => match (error.kind(), self.streams) {
                (GetStreamByNameErrorKind::Request, _) => Err(self.link.unavailable(&error)),
                (_, Streams::Made(options)) => self.make(topic, options).await,
                (_, Streams::Expected) => Err(self.error(topic, Refusal::NoStream)),
            },
        }
    }

    async fn make(&self, topic: &str, options: StreamOptions) -> Result<Stream> {
        let name = format!("pillion__{}", wire::encoded(topic));
        check_length(topic, &name)?;
        let (retention, discard) = match options.retention {
            Retention::Unsettled => (RetentionPolicy::Interest, DiscardPolicy::New),
            Retention::All => (RetentionPolicy::Limits, DiscardPolicy::Old),
        };
        let config = Config {
            name,
            subjects: vec![topic.to_owned()],
            retention,
            discard,
            storage: match options.storage {
                Storage::File => StorageType::File,
                Storage::Memory => StorageType::Memory,
            },
            max_messages: options.messages.into(),
            max_bytes: options.bytes.map_or(-1, Into::into),
            max_age: options.age.unwrap_or_default(),
            ..Config::default()
        };
        let made = self.link.bounded(self.context.get_or_create_stream(config)).await?;
        made.map_err(|error| match error.kind() {
            CreateStreamErrorKind::TimedOut
            | CreateStreamErrorKind::JetStreamUnavailable
            | CreateStreamErrorKind::Response => self.link.unavailable(&error),
            _ => self.link.failed(&format!("a stream for topic {topic} cannot be made: {error}")),
        })
    }
}

// === free functions ===

/// Refuses a topic or group whose name on the server would be too long.
pub(super) fn check_length(topic: &str, name: &str) -> Result<()> {
    if name.len() <= LONGEST_NAME {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!(
        "the names of topic {topic} and of its group become {} bytes in JetStream, and {LONGEST_NAME} are the \
         most; name them shorter",
        name.len()
    )))
}
