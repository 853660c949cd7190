//! A component for publish and subscribe.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::Messaging;
use pillion_capabilities::messaging::{Start, SubscribeOptions};
use pillion_capabilities::trace::Tracing;

use super::Scopes;
use crate::component::Listed;
use crate::resiliency::Policy;

/// A component: a provider, and what its settings say.
pub(crate) struct PubSub {
    pub(crate) name: String,
    /// Its type, as `pubsub.redis`.
    kind: String,
    version: String,
    pub(crate) provider: Arc<dyn Messaging>,
    pub(crate) scopes: Scopes,
    pub(crate) terms: Terms,
    /// What makes a span of each call of the provider.
    pub(crate) tracing: Option<Tracing>,
    /// What is done where publishing fails, if anything is said.
    pub(crate) policy: Option<Policy>,
    /// What is done where the app fails with events, before the provider is told.
    pub(crate) inbound: Option<Policy>,
}

/// What a component is made of.
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) version: String,
    pub(crate) provider: Arc<dyn Messaging>,
    pub(crate) scopes: Scopes,
    pub(crate) terms: Terms,
    pub(crate) tracing: Option<Tracing>,
}

/// How messages are taken from the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Whose members share the messages: Dapr's consumer id.
    pub(crate) group: Option<String>,
    /// How often a message is delivered at most.
    pub(crate) max_deliveries: u32,
    /// How long a message may be with the app before it is delivered again.
    pub(crate) ack_wait: Duration,
    /// How many messages of a subscription may be with the app at a time.
    pub(crate) handlers: usize,
}

// === impl PubSub ===

impl PubSub {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { name, kind, version, provider, scopes, terms, tracing } = parts;
        Self { name, kind, version, provider, scopes, terms, tracing, policy: None, inbound: None }
    }

    /// The component as metadata tells it.
    pub(crate) fn listed(&self) -> Listed {
        Listed {
            name: self.name.clone(),
            kind: self.kind.clone(),
            version: self.version.clone(),
            capabilities: &[],
        }
    }

    /// How a subscription takes messages, of which it has so many under way at a time.
    pub(crate) fn options(&self, dead_letter: Option<&str>, under_way: usize) -> SubscribeOptions {
        let Terms { group, max_deliveries, ack_wait, handlers: _ } = self.terms.clone();
        SubscribeOptions {
            // As Dapr's brokers have it: what was published before the app came is not lost to it.
            start: if group.is_some() { Start::Eldest } else { Start::New },
            group,
            max_deliveries,
            ack_wait,
            dead_letter: dead_letter.map(str::to_owned),
            // What is fetched ahead waits no longer than what is under way takes.
            concurrency: under_way.saturating_mul(2).min(MOST),
        }
    }
}

impl fmt::Debug for PubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PubSub").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// No provider takes more at a time.
const MOST: usize = 65_536;
