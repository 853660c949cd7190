//! The one connection that all calls and subscriptions share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::{PublishErrorKind, RequestErrorKind};
use async_nats::connection::State;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, Request, ServerAddr, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;

use super::wire;
use crate::messaging::Message;
use crate::{Error, Result};

/// The connection. It notices by itself when the server goes, reconnects in the background until it is back, and
/// subscribes again.
#[derive(Clone, Debug)]
pub(in crate::messaging) struct Link {
    client: Client,
    /// Names the server in errors.
    name: Arc<str>,
}

/// Bounds a call whose server was reached and stays silent.
pub(in crate::messaging) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Bounds an attempt to connect.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection is given up when two pings were not answered.
const PING_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_RECONNECT_DELAY: Duration = Duration::from_millis(500);
/// Calls that may wait to be written at a time; more wait for their turn.
const PIPELINE: usize = 1024;
/// Messages that may wait for a subscriber that falls behind; more are lost.
const BACKLOG: usize = 4096;

// === impl Link ===

impl Link {
    pub(in crate::messaging) async fn connect(url: &str) -> Result<Self> {
        // What stands before an @ may be a password.
        let shown = url.rsplit('@').next().unwrap_or_default();
        let refuse = |reason: String| {
            Error::InvalidArgument(format!(
                "{shown:?} is no NATS URL ({reason}); give one such as nats://127.0.0.1:4222"
            ))
        };
        let address: ServerAddr = url.parse().map_err(|error: std::io::Error| refuse(error.to_string()))?;
        if address.host().is_empty() {
            return Err(refuse("it names no host".to_owned()));
        }
        let name: Arc<str> = format!("nats at {}:{}", address.host(), address.port()).into();
        let known_as = Arc::clone(&name);
        let connecting = ConnectOptions::new()
            .name("pillion")
            .connection_timeout(CONNECTION_TIMEOUT)
            .request_timeout(Some(RESPONSE_TIMEOUT))
            .ping_interval(PING_INTERVAL)
            .max_reconnects(None)
            .reconnect_delay_callback(|attempts| {
                let doublings = u32::try_from(attempts.min(8)).unwrap_or(8);
                (Duration::from_millis(5) * 2_u32.pow(doublings)).min(LONGEST_RECONNECT_DELAY)
            })
            .client_capacity(PIPELINE)
            .subscription_capacity(BACKLOG)
            .event_callback(move |event| {
                let server = Arc::clone(&known_as);
                async move {
                    match event {
                        Event::Connected => tracing::debug!(%server, "connected"),
                        other => tracing::warn!(%server, event = %other, "the connection has a problem"),
                    }
                }
            })
            .connect(address);
        match connecting.await {
            Ok(client) => Ok(Self { client, name }),
            Err(error) => {
                let (provider, reason) = ((*name).to_owned(), error.to_string());
                Err(match error.kind() {
                    ConnectErrorKind::Io | ConnectErrorKind::TimedOut | ConnectErrorKind::Dns => {
                        Error::Unavailable { provider, reason }
                    }
                    _ => Error::Failed { provider, reason },
                })
            }
        }
    }

    pub(in crate::messaging) fn client(&self) -> &Client {
        &self.client
    }

    /// Hands a message to the connection.
    pub(in crate::messaging) async fn publish(&self, subject: &str, message: Message) -> Result<()> {
        self.check_connected()?;
        let headers = wire::headers(&message, None);
        let (subject, body) = (subject.to_owned(), message.body);
        let bytes = body.len();
        let client = &self.client;
        let published = self.bounded(async move {
            match (message.reply_to, headers) {
                (None, None) => client.publish(subject, body).await,
                (Some(reply), None) => client.publish_with_reply(subject, reply, body).await,
                (None, Some(headers)) => client.publish_with_headers(subject, headers, body).await,
                (Some(reply), Some(headers)) => {
                    client.publish_with_reply_and_headers(subject, reply, headers, body).await
                }
            }
        });
        published.await?.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => self.too_large(bytes),
            _ => self.failed(&error),
        })
    }

    /// Waits until all that was handed to the connection is written.
    pub(in crate::messaging) async fn flush(&self) -> Result<()> {
        self.bounded(self.client.flush()).await?.map_err(|error| self.unavailable(&error))
    }

    pub(in crate::messaging) async fn request(
        &self,
        subject: &str,
        message: Message,
        timeout: Duration,
    ) -> Result<Bytes> {
        self.check_connected()?;
        let mut request = Request::new().timeout(Some(timeout));
        if let Some(headers) = wire::headers(&message, None) {
            request = request.headers(headers);
        }
        let bytes = message.body.len();
        let request = request.payload(message.body);
        let no_reply = |waited| Error::NoReply { topic: subject.to_owned(), waited };
        match self.client.send_request(subject.to_owned(), request).await {
            Ok(reply) => Ok(reply.payload),
            Err(error) => Err(match error.kind() {
                RequestErrorKind::TimedOut => no_reply(timeout),
                RequestErrorKind::NoResponders => no_reply(Duration::ZERO),
                RequestErrorKind::MaxPayloadExceeded => self.too_large(bytes),
                _ => self.unavailable(&error),
            }),
        }
    }

    /// Subscribes, and waits until the server knows of it.
    pub(in crate::messaging) async fn subscribe(
        &self,
        subject: &str,
        group: Option<String>,
    ) -> Result<Subscriber> {
        self.check_connected()?;
        let client = &self.client;
        let inbox = client.new_inbox();
        let subscribing = self.bounded(async move {
            let subject = subject.to_owned();
            let subscriber = match group {
                None => client.subscribe(subject).await,
                Some(group) => client.queue_subscribe(subject, group).await,
            };
            let subscriber = subscriber.map_err(|error| self.failed(&error))?;
            // The server works through a connection in order: when our own message comes back, it knows of the
            // subscription before it.
            let mut echo = client.subscribe(inbox.clone()).await.map_err(|error| self.failed(&error))?;
            client.publish(inbox, Bytes::new()).await.map_err(|error| self.failed(&error))?;
            match echo.next().await {
                Some(_) => Ok(subscriber),
                None => Err(self.unavailable("the connection was closed")),
            }
        });
        subscribing.await?
    }

    /// Gives up waiting for the server after [`RESPONSE_TIMEOUT`].
    pub(in crate::messaging) async fn bounded<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        tokio::time::timeout(RESPONSE_TIMEOUT, future)
            .await
            .map_err(|_| self.unavailable("it did not answer in time"))
    }

    /// Fails at once while there is no connection: what is published then would be sent when there is one again,
    /// long after its caller was told that it failed.
    pub(in crate::messaging) fn check_connected(&self) -> Result<()> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => Err(self.unavailable("the connection is lost")),
        }
    }

    /// The error of a message that the server does not take.
    pub(in crate::messaging) fn too_large(&self, bytes: usize) -> Error {
        let most = self.client.server_info().max_payload;
        Error::InvalidArgument(format!(
            "the message has {bytes} bytes and its headers, and {} takes {most}; raise the server's max_payload",
            self.name
        ))
    }

    pub(in crate::messaging) fn unavailable(&self, reason: &(impl ToString + ?Sized)) -> Error {
        Error::Unavailable { provider: (*self.name).to_owned(), reason: reason.to_string() }
    }

    pub(in crate::messaging) fn failed(&self, reason: &(impl ToString + ?Sized)) -> Error {
        Error::Failed { provider: (*self.name).to_owned(), reason: reason.to_string() }
    }
}
