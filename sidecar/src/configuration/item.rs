//! An item as JSON.

use std::collections::BTreeMap;

use pillion_capabilities::configuration;
use serde::Serialize;

/// An item as Dapr's JSON has it. What is empty is left out, so that nothing is left of an item that was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Item {
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

impl From<configuration::Item> for Item {
    fn from(item: configuration::Item) -> Self {
        let configuration::Item { value, version, metadata } = item;
        Self { value, version, metadata }
    }
}
