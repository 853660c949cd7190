//! A provider of any contract, as it is bound to an actor.

use std::fmt;
use std::sync::Arc;

use pillion_capabilities::binding::{Binding, Bound, Told};
use pillion_capabilities::messaging::Operation;
use pillion_capabilities::{
    BlobStore, Configuration, EventStreams, Extras, HttpClient, KeyValue, Logging, Messaging, Result, Secrets,
};

use super::blobstore::Blobs;
use super::caller::Caller;
use super::configuration::Configured;
use super::{
    blobstore, configuration, eventstreams, extras, http_client, keyvalue, logging, messaging, secrets,
};
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
    /// Requests to servers elsewhere.
    HttpClient,
    /// Events, written down in their order and read again.
    EventStreams,
    /// Objects in containers, in chunks.
    BlobStore,
    /// What an actor must know and nobody else may see; ours, since waSCC has no such contract.
    Secrets,
    /// Values that an actor reads and is told the changes of; ours, since waSCC has no such contract.
    Configuration,
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
    /// Of [`Contract::HttpClient`].
    HttpClient(Arc<dyn HttpClient>),
    /// Of [`Contract::EventStreams`].
    EventStreams(Arc<dyn EventStreams>),
    /// Of [`Contract::BlobStore`].
    BlobStore(Blobs),
    /// Of [`Contract::Secrets`].
    Secrets(Arc<dyn Secrets>),
    /// Of [`Contract::Configuration`].
    Configuration(Configured),
}

/// What serves a binding, and what wants to know of it.
type Opened = (Provider, Option<Arc<dyn Told>>);

// === impl Contract ===

impl Contract {
    /// All contracts.
    pub const ALL: [Self; 9] = [
        Self::KeyValue,
        Self::Messaging,
        Self::Extras,
        Self::Logging,
        Self::HttpClient,
        Self::EventStreams,
        Self::BlobStore,
        Self::Secrets,
        Self::Configuration,
    ];

    /// Its name, as it stands in claims: waSCC's, or `pillion:…` where it has none.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.names()[0]
    }

    /// This name, and that of the generation after waSCC where its messages are the same.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::KeyValue => &["wascc:keyvalue", "wasmcloud:keyvalue"],
            Self::Messaging => &["wascc:messaging", "wasmcloud:messaging"],
            Self::Extras => &["wascc:extras"],
            Self::Logging => &["wascc:logging"],
            Self::HttpClient => &["wascc:http_client"],
            Self::EventStreams => &["wascc:eventstreams"],
            Self::BlobStore => &["wascc:blobstore"],
            Self::Secrets => &["pillion:secrets"],
            Self::Configuration => &["pillion:configuration"],
        }
    }

    /// The contract that goes by that name.
    #[must_use]
    pub fn of_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|contract| contract.names().iter().any(|known| known.as_bytes() == name))
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

    /// A provider of [`Contract::HttpClient`].
    #[must_use]
    pub fn http_client(provider: Arc<impl HttpClient>) -> Self {
        Self::HttpClient(provider)
    }

    /// A provider of [`Contract::EventStreams`].
    #[must_use]
    pub fn event_streams(provider: Arc<impl EventStreams>) -> Self {
        Self::EventStreams(provider)
    }

    /// A provider of [`Contract::BlobStore`]. What actors download is delivered to them on the tokio runtime that this
    /// is called within; without one, downloads fail.
    #[must_use]
    pub fn blob_store(provider: Arc<impl BlobStore>) -> Self {
        Self::BlobStore(Blobs::new(provider))
    }

    /// A provider of [`Contract::Secrets`]. Which of them an actor may read says the value `allow` of its binding; without
    /// it, none.
    #[must_use]
    pub fn secrets(provider: Arc<impl Secrets>) -> Self {
        Self::Secrets(provider)
    }

    /// A provider of [`Contract::Configuration`]. Changes are delivered to actors on the tokio runtime that this is called
    /// within; without one, subscriptions fail.
    #[must_use]
    pub fn configuration(provider: Arc<impl Configuration>) -> Self {
        Self::Configuration(Configured::new(provider))
    }

    /// What it is a provider of.
    #[must_use]
    pub fn contract(&self) -> Contract {
        match self {
            Self::KeyValue(_) => Contract::KeyValue,
            Self::Messaging(_) => Contract::Messaging,
            Self::Extras(_) => Contract::Extras,
            Self::Logging(_) => Contract::Logging,
            Self::HttpClient(_) => Contract::HttpClient,
            Self::EventStreams(_) => Contract::EventStreams,
            Self::BlobStore(_) => Contract::BlobStore,
            Self::Secrets(_) => Contract::Secrets,
            Self::Configuration(_) => Contract::Configuration,
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
            Self::HttpClient(provider) => provider.name(),
            Self::EventStreams(provider) => provider.name(),
            Self::BlobStore(blobs) => blobs.store().name(),
            Self::Secrets(provider) => provider.name(),
            Self::Configuration(configured) => configured.configuration().name(),
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
            Self::HttpClient(provider) => provider.always_ready(),
            Self::EventStreams(provider) => provider.always_ready(),
            Self::BlobStore(blobs) => blobs.store().always_ready(),
            Self::Secrets(provider) => provider.always_ready(),
            Self::Configuration(configured) => configured.configuration().always_ready(),
        }
    }

    /// Whether both are the same provider, whatever binding they are of.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.contract() == other.contract() && self.address() == other.address()
    }

    fn address(&self) -> *const () {
        match self {
            Self::KeyValue(provider) => Arc::as_ptr(provider).cast(),
            Self::Messaging(provider) => Arc::as_ptr(provider).cast(),
            Self::Extras(provider) => Arc::as_ptr(provider).cast(),
            Self::Logging(provider) => Arc::as_ptr(provider).cast(),
            Self::HttpClient(provider) => Arc::as_ptr(provider).cast(),
            Self::EventStreams(provider) => Arc::as_ptr(provider).cast(),
            Self::BlobStore(blobs) => Arc::as_ptr(blobs.store()).cast(),
            Self::Secrets(provider) => Arc::as_ptr(provider).cast(),
            Self::Configuration(configured) => Arc::as_ptr(configured.configuration()).cast(),
        }
    }

    /// What serves a binding, with what is kept of each, and what wants to know of it.
    pub(super) fn open(&self, binding: &Binding<'_>) -> Result<Opened> {
        fn opened<P: ?Sized>(bound: Bound<P>, of: impl FnOnce(Arc<P>) -> Provider) -> Opened {
            (of(bound.provider), bound.told)
        }
        Ok(match self {
            Self::KeyValue(it) => opened(it.bind(Arc::clone(it), binding)?, Self::KeyValue),
            Self::Messaging(it) => opened(it.bind(Arc::clone(it), binding)?, Self::Messaging),
            Self::Extras(it) => opened(it.bind(Arc::clone(it), binding)?, Self::Extras),
            Self::Logging(it) => opened(it.bind(Arc::clone(it), binding)?, Self::Logging),
            Self::HttpClient(it) => opened(it.bind(Arc::clone(it), binding)?, Self::HttpClient),
            Self::EventStreams(it) => opened(it.bind(Arc::clone(it), binding)?, Self::EventStreams),
            Self::BlobStore(blobs) => {
                let store = blobs.store();
                let bound = store.bind(Arc::clone(store), binding)?;
                opened(bound, |store| Self::BlobStore(blobs.opened(store)))
            }
            Self::Secrets(it) => opened(it.bind(Arc::clone(it), binding)?, Self::Secrets),
            Self::Configuration(configured) => {
                let configuration = configured.configuration();
                let bound = configuration.bind(Arc::clone(configuration), binding)?;
                opened(bound, |it| Self::Configuration(configured.opened(it)))
            }
        })
    }

    #[inline]
    pub(super) fn dispatch(
        &self,
        caller: &Caller,
        operation: &[u8],
        payload: &[u8],
        reply: &mut Reply,
    ) -> Dispatched {
        match self {
            Self::KeyValue(provider) => keyvalue::dispatch(&**provider, operation, payload, reply),
            Self::Messaging(provider) => messaging::dispatch(&**provider, operation, payload, reply),
            Self::Extras(provider) => extras::dispatch(&**provider, operation, payload, reply),
            Self::Logging(provider) => {
                logging::dispatch(&**provider, caller.key(), operation, payload, reply)
            }
            Self::HttpClient(provider) => http_client::dispatch(&**provider, operation, payload, reply),
            Self::EventStreams(provider) => eventstreams::dispatch(&**provider, operation, payload, reply),
            Self::BlobStore(blobs) => blobstore::dispatch(blobs, caller, operation, payload, reply),
            Self::Secrets(provider) => secrets::dispatch(provider, operation, payload, reply),
            Self::Configuration(configured) => {
                configuration::dispatch(configured, caller, operation, payload, reply)
            }
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

impl From<Arc<dyn HttpClient>> for Provider {
    fn from(provider: Arc<dyn HttpClient>) -> Self {
        Self::HttpClient(provider)
    }
}

impl From<Arc<dyn EventStreams>> for Provider {
    fn from(provider: Arc<dyn EventStreams>) -> Self {
        Self::EventStreams(provider)
    }
}

impl From<Arc<dyn BlobStore>> for Provider {
    /// As [`Provider::blob_store`].
    fn from(provider: Arc<dyn BlobStore>) -> Self {
        Self::BlobStore(Blobs::new(provider))
    }
}

impl From<Arc<dyn Secrets>> for Provider {
    fn from(provider: Arc<dyn Secrets>) -> Self {
        Self::Secrets(provider)
    }
}

impl From<Arc<dyn Configuration>> for Provider {
    /// As [`Provider::configuration`].
    fn from(provider: Arc<dyn Configuration>) -> Self {
        Self::Configuration(Configured::new(provider))
    }
}
