//! `wascc:messaging`: messages on topics.

use crate::Result;
use crate::call::{Bytes, call_with};
use crate::client::client;
use crate::message::{BrokerMessage, RequestMessage};

client! {
    /// A message broker. What arrives comes by `DeliverMessage`.
    Messaging = "wascc:messaging"
}

// === impl Messaging ===

impl Messaging<'_> {
    /// Publishes a message.
    ///
    /// # Errors
    /// The host's.
    pub fn publish(&self, subject: &str, body: &[u8]) -> Result<()> {
        self.publish_for_reply(subject, "", body)
    }

    /// Publishes a message whose answers are wanted on the topic `reply_to`.
    ///
    /// # Errors
    /// The host's.
    pub fn publish_for_reply(&self, subject: &str, reply_to: &str, body: &[u8]) -> Result<()> {
        let message = BrokerMessage { subject, reply_to, body };
        call_with(self.binding, Self::CONTRACT, "Publish", |out| message.encode(out)).map(drop)
    }

    /// Publishes a message, waits for the answer to it at most `timeout` milliseconds, and answers its bytes.
    ///
    /// # Errors
    /// The host's, among them that no answer came in time.
    pub fn request(&self, subject: &str, body: &[u8], timeout: u32) -> Result<Bytes> {
        let message = RequestMessage { subject, body, timeout: timeout.into() };
        call_with(self.binding, Self::CONTRACT, "Request", |out| message.encode(out))
    }
}
