//! What a host delivers to an actor by itself.

use pillion_codec::{
    BrokerMessage, ConfigurationChange, Event, EventValues, FileChunk, Headers, List, Map, Request, Response,
};

use super::Host;
use super::blobs::Download;
use super::contracts::item;
use crate::{Error, Reply, Result};

/// A response: an actor's to `HandleRequest`, or a server's to a request of an actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// The status, as 200.
    pub status: u16,
    /// The header fields.
    pub header: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

// === impl Host ===

impl Host {
    /// Has an actor handle an HTTP request, by `HandleRequest`. The path may have a query.
    ///
    /// # Errors
    /// The actor's, and that its answer is no HTTP response.
    pub fn http(
        &self,
        actor: impl FnOnce(&str, &[u8], &mut Reply) -> Result<()>,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<HttpReply> {
        let (path, query_string) = path.split_once('?').unwrap_or((path, ""));
        let header = Headers::new(&[]);
        let request = encoded(|out| Request { method, path, query_string, header, body }.encode(out));
        let reply = self.call(actor, "HandleRequest", &request)?;
        let response = Response::decode(&reply).map_err(Error::of)?;
        Ok(HttpReply {
            status: u16::try_from(response.status_code).map_err(Error::of)?,
            header: response.header.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: response.body.to_vec(),
        })
    }

    /// Delivers a message to an actor, by `DeliverMessage`.
    ///
    /// # Errors
    /// The actor's.
    pub fn deliver(
        &self,
        actor: impl FnOnce(&str, &[u8], &mut Reply) -> Result<()>,
        subject: &str,
        reply_to: &str,
        body: &[u8],
    ) -> Result<()> {
        let message = encoded(|out| BrokerMessage { subject, reply_to, body }.encode(out));
        self.call(actor, "DeliverMessage", &message).map(drop)
    }

    /// Delivers an event to an actor, by `DeliverEvent`.
    ///
    /// # Errors
    /// The actor's.
    pub fn deliver_event(
        &self,
        actor: impl FnOnce(&str, &[u8], &mut Reply) -> Result<()>,
        stream: &str,
        event_id: &str,
        values: &[(&str, &[u8])],
    ) -> Result<()> {
        let values = EventValues::new(values);
        let event = encoded(|out| Event { event_id, stream, values }.encode(out));
        self.call(actor, "DeliverEvent", &event).map(drop)
    }

    /// Sets an item of the configuration, or takes it away by `None`, and tells an actor by `DeliverConfiguration`, once
    /// for each of its subscriptions to the key. Answers how many these are: none where the item was like that before.
    ///
    /// # Errors
    /// The actor's.
    pub fn change(
        &self,
        actor: impl Fn(&str, &[u8], &mut Reply) -> Result<()>,
        key: &str,
        value: Option<&str>,
    ) -> Result<usize> {
        let mut items = self.state.items.borrow_mut();
        let before = match value {
            Some(value) => items.insert(key.to_owned(), value.to_owned()),
            None => items.remove(key),
        };
        drop(items);
        if before.as_deref() == value {
            return Ok(0);
        }
        let subscriptions = self.state.subscriptions.borrow().clone();
        let interested = |keys: &[String]| keys.is_empty() || keys.iter().any(|wanted| wanted == key);
        let ids: Vec<_> =
            subscriptions.iter().filter(|(_, it)| interested(&it.keys)).map(|(id, _)| id).collect();
        let item: Vec<_> = value.map(|value| (key, item(value))).into_iter().collect();
        let removed: Vec<_> = if value.is_none() { vec![key.as_bytes()] } else { Vec::new() };
        for id in &ids {
            let (items, removed) = (Map::new(&item), List::new(&removed));
            let change = encoded(|out| ConfigurationChange { id, items, removed }.encode(out));
            self.call(&actor, "DeliverConfiguration", &change)?;
        }
        Ok(ids.len())
    }

    /// Delivers to an actor, by `ReceiveChunk`, the chunks of the downloads that were begun. Answers how many these are.
    ///
    /// # Errors
    /// The actor's.
    pub fn deliver_chunks(&self, actor: impl Fn(&str, &[u8], &mut Reply) -> Result<()>) -> Result<usize> {
        let downloads = std::mem::take(&mut self.state.blobs.borrow_mut().downloads);
        let mut delivered = 0;
        for Download { container, id, chunk_size, context, bytes } in &downloads {
            // An empty object is one chunk.
            let empty = bytes.is_empty().then_some(&[][..]);
            let chunks = bytes.chunks(*chunk_size).chain(empty);
            for (sequence_no, chunk_bytes) in (0..).zip(chunks) {
                let chunk = FileChunk {
                    sequence_no,
                    container,
                    id,
                    total_bytes: bytes.len() as u64,
                    chunk_size: *chunk_size as u64,
                    context: context.as_deref(),
                    chunk_bytes,
                };
                self.call(&actor, "ReceiveChunk", &encoded(|out| chunk.encode(out)))?;
                delivered += 1;
            }
        }
        Ok(delivered)
    }
}

// === impl HttpReply ===

impl HttpReply {
    /// One without header fields.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, header: Vec::new(), body: body.into() }
    }
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    bytes
}
