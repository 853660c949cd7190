//! A provider of any contract, as it is bound to an actor.

use std::fmt;
use std::sync::Arc;

use pillion_capabilities::messaging::Operation;
use pillion_capabilities::{Extras, KeyValue, Logging, Messaging};

use super::{extras, keyvalue, logging, messaging};
use crate::engine::{Dispatched, Reply};

/// A capability contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Contract {
    /// Values, counters, lists and sets under keys.
    KeyValue,
    /// Messages on topics, sent and delivered.
    Messaging,
    /// Identifiers, random numbers and a sequence.
    Extras,
    /// Lines in the host's log.
    Logging,
}

/// A provider of a contract.
#[derive(Clone)]
#[non_exhaustive]
pub enum Provider {
    /// Of [`Contract::KeyValue`].
    KeyValue(Arc<dyn KeyValue>),
    /// Of [`Contract::Messaging`].
    Messaging(Arc<dyn Messaging>),
    /// Of [`Contract::Extras`].
    Extras(Arc<dyn Extras>),
    /// Of [`Contract::Logging`].
    Logging(Arc<dyn Logging>),
}

// === impl Contract ===

impl Contract {
    /// waSCC's name of it, as it stands in claims.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.names()[0]
    }

    /// waSCC's own name, and that of the generation after it where its messages are the same.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::KeyValue => &["wascc:keyvalue", "wasmcloud:keyvalue"],
            Self::Messaging => &["wascc:messaging", "wasmcloud:messaging"],
            Self::Extras => &["wascc:extras"],
            Self::Logging => &["wascc:logging"],
        }
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl Provider ===

impl Provider {
    /// A provider of [`Contract::KeyValue`].
    #[must_use]
    pub fn key_value(provider: Arc<impl KeyValue>) -> Self {
        Self::KeyValue(provider)
    }

    /// A provider of [`Contract::Messaging`].
    #[must_use]
    pub fn messaging(provider: Arc<impl Messaging>) -> Self {
        Self::Messaging(provider)
    }

    /// A provider of [`Contract::Extras`].
    #[must_use]
    pub fn extras(provider: Arc<impl Extras>) -> Self {
        Self::Extras(provider)
    }

    /// A provider of [`Contract::Logging`].
    #[must_use]
    pub fn logging(provider: Arc<impl Logging>) -> Self {
        Self::Logging(provider)
    }

    /// What it is a provider of.
    #[must_use]
    pub fn contract(&self) -> Contract {
        match self {
            Self::KeyValue(_) => Contract::KeyValue,
            Self::Messaging(_) => Contract::Messaging,
            Self::Extras(_) => Contract::Extras,
            Self::Logging(_) => Contract::Logging,
        }
    }

    /// Its own name, as `redis`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::KeyValue(provider) => provider.name(),
            Self::Messaging(provider) => provider.name(),
            Self::Extras(provider) => provider.name(),
            Self::Logging(provider) => provider.name(),
        }
    }

    /// Whether every call is answered at once.
    #[must_use]
    pub fn always_ready(&self) -> bool {
        match self {
            Self::KeyValue(provider) => provider.always_ready(),
            // Of these an actor may make use.
            Self::Messaging(provider) => {
                [Operation::Publish, Operation::Request].into_iter().all(|it| provider.always_ready(it))
            }
            Self::Extras(provider) => provider.always_ready(),
            Self::Logging(provider) => provider.always_ready(),
        }
    }

    #[inline]
    pub(super) fn dispatch(
        &self,
        actor: &str,
        operation: &[u8],
        payload: &[u8],
        reply: &mut Reply,
    ) -> Dispatched {
        match self {
            Self::KeyValue(provider) => keyvalue::dispatch(&**provider, operation, payload, reply),
            Self::Messaging(provider) => messaging::dispatch(&**provider, operation, payload, reply),
            Self::Extras(provider) => extras::dispatch(&**provider, operation, payload, reply),
            Self::Logging(provider) => logging::dispatch(&**provider, actor, operation, payload, reply),
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {}", self.contract(), self.name())
    }
}

impl From<Arc<dyn KeyValue>> for Provider {
    fn from(provider: Arc<dyn KeyValue>) -> Self {
        Self::KeyValue(provider)
    }
}

impl From<Arc<dyn Messaging>> for Provider {
    fn from(provider: Arc<dyn Messaging>) -> Self {
        Self::Messaging(provider)
    }
}
