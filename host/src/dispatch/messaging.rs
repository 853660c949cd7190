//! The contract `wascc:messaging` in MessagePack, over a provider.

use std::time::Duration;

use bytes::Bytes;
use pillion_capabilities::messaging::{Headers, Message, Received};
use pillion_capabilities::trace::SpanContext;
use pillion_capabilities::{Messaging, trace};
use pillion_codec::{BrokerMessage, DecodeError, RequestMessage};

use super::Contract;
use super::answer::{answer, malformed, unknown};
use crate::delivery::Arrived;
use crate::engine::{Dispatched, Reply};

/// Makes one call of the contract.
pub(super) fn dispatch(
    provider: &dyn Messaging,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Dispatched {
    match call(provider, operation, payload, reply) {
        Ok(dispatched) => dispatched,
        Err(error) => malformed(Contract::Messaging, operation, error, reply),
    }
}

fn call(
    provider: &dyn Messaging,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Result<Dispatched, DecodeError> {
    Ok(match operation {
        b"Publish" => {
            let BrokerMessage { subject, reply_to, body } = BrokerMessage::decode(payload)?;
            let reply_to = (!reply_to.is_empty()).then(|| reply_to.to_owned());
            let (body, headers) = (Bytes::copy_from_slice(body), headers());
            let message = Message { body, reply_to, headers, ..Message::default() };
            answer(provider.publish(subject, message), payload, reply, |(), _, reply| {
                reply.respond();
            })
        }
        b"Request" => {
            let RequestMessage { subject, body, timeout } = RequestMessage::decode(payload)?;
            let timeout = u64::try_from(timeout).map_err(|_| DecodeError::OutOfRange)?;
            let timeout = Duration::from_millis(timeout);
            let message =
                Message { body: Bytes::copy_from_slice(body), headers: headers(), ..Message::default() };
            answer(provider.request(subject, message, timeout), payload, reply, |body, _, reply| {
                reply.insert(0, body);
            })
        }
        _ => unknown(Contract::Messaging, operation, reply),
    })
}

impl Arrived for Received {
    const OPERATION: &'static str = "DeliverMessage";

    fn topic(&self) -> &str {
        &self.topic
    }

    fn attempt(&self) -> u32 {
        self.attempt
    }

    fn trace(&self) -> Option<SpanContext> {
        trace::from_pairs(&self.message.headers)
    }

    fn payload(&self) -> Vec<u8> {
        let Self { topic, message, .. } = self;
        let reply_to = message.reply_to.as_deref().unwrap_or_default();
        let mut encoded = Vec::with_capacity(message.body.len() + topic.len() + reply_to.len() + 40);
        BrokerMessage { subject: topic, reply_to, body: &message.body }.encode(&mut encoded);
        encoded
    }
}

/// Of which trace a message is, for whoever gets it.
fn headers() -> Headers {
    let mut headers = Headers::new();
    if let Some(context) = trace::current() {
        trace::inject(&context, &mut headers);
    }
    headers
}
