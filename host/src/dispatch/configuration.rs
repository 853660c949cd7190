//! The contract `pillion:configuration` in MessagePack, over a provider. waSCC has none of the kind: this one is ours.
//!
//! An actor that subscribes gets each change by its operation `DeliverConfiguration`, as messages are delivered: on the
//! runtime, to an instance of its own, one change of a subscription after the other.

mod watching;

use std::fmt;
use std::sync::Arc;

use pillion_capabilities::Configuration;
use pillion_capabilities::configuration::{Item, Items, Keys};
use pillion_codec::{
    ConfigurationItem, ConfigurationItems, ConfigurationKeys, DecodeError, Map, SubscriptionId, Unsubscribed,
};

use super::Contract;
use super::answer::{answer, answer_in_turns, malformed, unknown};
use super::caller::Caller;
use super::secrets::texts_of;
use crate::engine::{Dispatched, Reply};
use watching::Watching;

/// A configuration, and what the actor of one binding is told of it.
#[derive(Clone)]
pub struct Configured {
    configuration: Arc<dyn Configuration>,
    watching: Watching,
}

// === impl Configured ===

impl Configured {
    pub(super) fn new(configuration: Arc<dyn Configuration>) -> Self {
        Self { configuration, watching: Watching::default() }
    }

    /// The provider itself.
    #[must_use]
    pub fn configuration(&self) -> &Arc<dyn Configuration> {
        &self.configuration
    }

    /// The same for another binding, served by that provider. What a binding subscribed to ends with it.
    pub(super) fn opened(&self, configuration: Arc<dyn Configuration>) -> Self {
        Self { configuration, watching: self.watching.opened() }
    }
}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "configuration in {}", self.configuration.name())
    }
}

// === free functions ===

/// Makes one call of the contract.
pub(super) fn dispatch(
    configured: &Configured,
    caller: &Caller,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Dispatched {
    match call(configured, caller, operation, payload, reply) {
        Ok(dispatched) => dispatched,
        Err(error) => malformed(Contract::Configuration, operation, error, reply),
    }
}

fn call(
    configured: &Configured,
    caller: &Caller,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Result<Dispatched, DecodeError> {
    let Configured { configuration, watching } = configured;
    let keys = || {
        let names = texts_of(ConfigurationKeys::decode(payload)?.keys)?;
        Ok::<_, DecodeError>(Keys::named(names.iter().map(String::as_str)))
    };
    Ok(match operation {
        b"Get" => answer(configuration.get(keys()?), payload, reply, |items, _, reply| encode(&items, reply)),
        b"Subscribe" => {
            let subscribing = watching.subscribe(configuration, caller, keys()?);
            let begun = async move {
                let id = subscribing?.await?;
                let mut reply = Reply::default();
                SubscriptionId { id: &id }.encode(reply.respond());
                Ok(reply)
            };
            answer_in_turns(begun, reply)
        }
        b"Unsubscribe" => {
            let SubscriptionId { id } = SubscriptionId::decode(payload)?;
            // One that is another binding's is not there, as far as this one knows.
            if watching.end(id) {
                answer(configuration.unsubscribe(id), payload, reply, |_, _, reply| {
                    Unsubscribed { ended: true }.encode(reply.respond());
                })
            } else {
                Unsubscribed { ended: false }.encode(reply.respond());
                Dispatched::Done
            }
        }
        _ => unknown(Contract::Configuration, operation, reply),
    })
}

fn encode(items: &Items, reply: &mut Reply) {
    with_items(items.iter().map(|(key, item)| (key.as_str(), item)), |items| {
        ConfigurationItems { items }.encode(reply.respond());
    });
}

/// Hands items over as messages have them.
fn with_items<'a>(
    items: impl Iterator<Item = (&'a str, &'a Item)>,
    then: impl FnOnce(Map<'_, ConfigurationItem<'_>>),
) {
    let text = |(name, value): (&'a String, &'a String)| (name.as_str(), value.as_str());
    let items: Vec<_> =
        items.map(|(key, item)| (key, item, item.metadata.iter().map(text).collect::<Vec<_>>())).collect();
    let items: Vec<_> = items
        .iter()
        .map(|(key, Item { value, version, .. }, metadata)| {
            (*key, ConfigurationItem { value, version, metadata: Map::new(metadata) })
        })
        .collect();
    then(Map::new(&items));
}
