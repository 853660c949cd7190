//! `pillion:configuration`: what is set from outside, and may change.

use crate::Result;
use crate::answered::{answered, decode};
use crate::call::{Bytes, call_with};
use crate::client::client;
use crate::message::{ConfigurationItem, ConfigurationKeys, List, Map, SubscriptionId, Unsubscribed};

client! {
    /// A configuration. What changes comes by `DeliverConfiguration` to who has subscribed.
    Configuration = "pillion:configuration"
}

answered! {
    /// Items of a configuration.
    pub Items of ConfigurationItems, else crate::message::ConfigurationItems { items: Map::new(&[]) }
}

// === impl Configuration ===

impl Configuration<'_> {
    /// The items of these keys that are there; of no keys, all.
    ///
    /// # Errors
    /// The host's.
    pub fn get(&self, keys: &[&str]) -> Result<Items> {
        Items::of("Get", self.call("Get", keys)?)
    }

    /// Has changes of these keys, or of all for none, delivered, and answers the subscription's id.
    ///
    /// # Errors
    /// The host's.
    pub fn subscribe(&self, keys: &[&str]) -> Result<String> {
        let response = self.call("Subscribe", keys)?;
        Ok(decode("Subscribe", SubscriptionId::decode(&response))?.id.to_owned())
    }

    /// Ends a subscription, and answers whether there was such.
    ///
    /// # Errors
    /// The host's.
    pub fn unsubscribe(&self, id: &str) -> Result<bool> {
        let response = call_with(self.binding, Self::CONTRACT, "Unsubscribe", |out| {
            SubscriptionId { id }.encode(out);
        })?;
        Ok(decode("Unsubscribe", Unsubscribed::decode(&response))?.ended)
    }

    fn call(&self, operation: &str, keys: &[&str]) -> Result<Bytes> {
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        let request = ConfigurationKeys { keys: List::new(&keys) };
        call_with(self.binding, Self::CONTRACT, operation, |out| request.encode(out))
    }
}

// === impl Items ===

impl Items {
    /// The value of a key, if it is there.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(name, item)| (name == key).then_some(item.value))
    }

    /// The items by their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, ConfigurationItem<'_>)> {
        self.message().items.iter()
    }
}
