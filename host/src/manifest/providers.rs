//! The providers that a manifest names.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::blobstore::{Files, Memory as Blobs};
use pillion_capabilities::configuration::{File as ConfigurationFile, Redis as ConfigurationRedis};
use pillion_capabilities::eventstreams::{Memory as Events, Redis as RedisEvents};
use pillion_capabilities::extras::Embedded;
use pillion_capabilities::httpclient::{Hyper, Options};
use pillion_capabilities::logging::Traced;
use pillion_capabilities::messaging::{JetStream, Memory as Bus, Nats, RedisStreams, StreamOptions, Streams};
use pillion_capabilities::secrets::{Environment, File as SecretsFile, Shape};
use pillion_capabilities::{KeyValue, Memory, Messaging, Redb, Redis};
use tempfile::TempDir;

use super::error::{At as _, Cause, StartError};
use super::start::Purpose;
use super::{BindingManifest, Manifest, ProviderKind, ProviderManifest};
use crate::dispatch::Provider;

/// How many messages a stream in Redis holds that not every group has settled.
const STREAM_LENGTH: u32 = 100_000;

/// How many events of each stream are kept.
const EVENTS: usize = 100_000;

/// How often a configuration is looked at for changes.
const LOOK: Duration = Duration::from_secs(1);

/// What stands in for a file or folder within its own folder.
const STAND_IN: &str = "stand-in";

/// How many bytes events, and objects, take up in memory.
const ROOM: u64 = 256 << 20;

// === impl ProviderKind ===

impl ProviderKind {
    /// Whether its file is read and not written to.
    fn is_read(self) -> bool {
        matches!(self, Self::SecretsFile | Self::ConfigurationFile)
    }
}

// === free functions ===

/// The provider that a binding names.
pub(super) fn provider<Name: Borrow<str> + Ord + Debug>(
    providers: &BTreeMap<Name, Provider>,
    binding: &BindingManifest,
) -> Result<Provider, Cause> {
    providers.get(binding.provider.as_str()).cloned().ok_or_else(|| {
        let names: Vec<_> = providers.keys().collect();
        Cause::Wrong(format!("there is no provider {:?}; there are {names:?}", binding.provider))
    })
}

/// Connects to the providers, or takes those that are `known`.
pub(super) async fn providers<'a>(
    manifest: &'a Manifest,
    base: &Path,
    purpose: Purpose,
    known: impl Fn(&ProviderManifest) -> Option<Provider>,
) -> Result<(BTreeMap<&'a str, Provider>, Vec<TempDir>), StartError> {
    let (mut providers, mut stand_ins) = (BTreeMap::new(), Vec::new());
    let mut files = HashMap::new();
    for (number, provider) in manifest.providers.iter().enumerate() {
        let place = || format!("providers[{number}]");
        let wrong = |text: String| Err(Cause::Wrong(text)).at(place);
        if providers.contains_key(provider.name.as_str()) {
            return wrong(format!("there is a provider {:?} already", provider.name));
        }
        if let Some(path) = &provider.path
            && let Some(other) = files.insert(path, &provider.name)
        {
            return wrong(format!("the file {} is that of the provider {other:?}", path.display()));
        }
        let stand_in = match (&provider.path, purpose) {
            (Some(path), Purpose::Check) if !provider.kind.is_read() => {
                Some(stand_in(provider.kind, &base.join(path)).at(place)?)
            }
            _ => None,
        };
        let base = stand_in.as_ref().map_or(base, TempDir::path);
        let connected = match known(provider) {
            Some(provider) => provider,
            None => connect(provider, base, purpose).await.at(place)?,
        };
        providers.insert(provider.name.as_str(), connected);
        stand_ins.extend(stand_in);
    }
    Ok((providers, stand_ins))
}

/// A folder for a file, or a folder, in place of one that is not to be touched, and may well be in use.
fn stand_in(kind: ProviderKind, path: &Path) -> Result<TempDir, Cause> {
    let temporary = || TempDir::new().map_err(|error| Cause::Io(std::env::temp_dir(), error));
    if kind == ProviderKind::Files {
        if !path.is_dir() {
            return Err(Cause::Wrong(format!("there is no folder {}; make it first", path.display())));
        }
        let folder = temporary()?;
        let within = folder.path().join(STAND_IN);
        std::fs::create_dir(&within).map_err(|error| Cause::Io(within, error))?;
        return Ok(folder);
    }
    if path.is_dir() {
        return Err(Cause::Wrong(format!("{} is a folder; name a file", path.display())));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Cause::Wrong(format!("there is no folder {}; make it first", folder.display())));
    }
    temporary()
}

async fn connect(provider: &ProviderManifest, base: &Path, purpose: Purpose) -> Result<Provider, Cause> {
    let ProviderManifest { kind, url, path, .. } = provider;
    let (needs_url, needs_path) = match kind {
        ProviderKind::Memory
        | ProviderKind::MemoryBus
        | ProviderKind::Extras
        | ProviderKind::Log
        | ProviderKind::HttpClient
        | ProviderKind::MemoryEvents
        | ProviderKind::MemoryBlobs
        | ProviderKind::SecretsEnvironment => (false, false),
        ProviderKind::Redis
        | ProviderKind::Nats
        | ProviderKind::Jetstream
        | ProviderKind::RedisStreams
        | ProviderKind::RedisEvents
        | ProviderKind::ConfigurationRedis => (true, false),
        ProviderKind::Redb
        | ProviderKind::Files
        | ProviderKind::SecretsFile
        | ProviderKind::ConfigurationFile => (false, true),
    };
    let reaches = !provider.allow.is_empty() || provider.allow_private;
    if reaches && *kind != ProviderKind::HttpClient {
        let text = "a provider of this kind takes neither `allow` nor `allowPrivate`";
        return Err(Cause::Wrong(text.to_owned()));
    }
    let needs_prefix = *kind == ProviderKind::SecretsEnvironment;
    let prefix = provider.prefix.as_deref().filter(|prefix| !prefix.is_empty());
    for (name, needed, given) in [
        ("url", needs_url, url.is_some()),
        ("path", needs_path, path.is_some()),
        ("prefix", needs_prefix, prefix.is_some()),
    ] {
        if needed != given {
            let text = if needed { "needs" } else { "takes no" };
            return Err(Cause::Wrong(format!("a provider of this kind {text} `{name}`")));
        }
    }
    let (url, path) =
        (url.as_deref().unwrap_or_default(), base.join(path.as_deref().unwrap_or(Path::new(""))));
    let path = match purpose {
        Purpose::Run => path,
        Purpose::Check if kind.is_read() => path,
        Purpose::Check => base.join(STAND_IN),
    };
    Ok(match kind {
        ProviderKind::Memory => Provider::from(Arc::new(Memory::new()) as Arc<dyn KeyValue>),
        ProviderKind::Redis => Provider::key_value(Arc::new(Redis::connect(url).await?)),
        ProviderKind::Redb => Provider::key_value(Arc::new(Redb::open(path)?)),
        ProviderKind::MemoryBus => Provider::from(Arc::new(Bus::default()) as Arc<dyn Messaging>),
        ProviderKind::Nats => Provider::messaging(Arc::new(Nats::connect(url).await?)),
        ProviderKind::Jetstream => {
            let streams = Streams::Made(StreamOptions::default());
            Provider::messaging(Arc::new(JetStream::connect(url, streams).await?))
        }
        ProviderKind::RedisStreams => {
            Provider::messaging(Arc::new(RedisStreams::connect(url, STREAM_LENGTH).await?))
        }
        ProviderKind::Extras => Provider::extras(Arc::new(Embedded::default())),
        ProviderKind::Log => Provider::logging(Arc::new(Traced::default())),
        ProviderKind::HttpClient => Provider::http_client(Arc::new(http_client(provider)?)),
        ProviderKind::MemoryEvents => Provider::event_streams(Arc::new(Events::new(EVENTS, ROOM))),
        ProviderKind::RedisEvents => {
            Provider::event_streams(Arc::new(RedisEvents::connect(url, EVENTS).await?))
        }
        ProviderKind::MemoryBlobs => Provider::blob_store(Arc::new(Blobs::new(ROOM))),
        ProviderKind::Files => Provider::blob_store(Arc::new(Files::open(path)?)),
        ProviderKind::SecretsEnvironment => {
            let environment = Environment::new().with_prefix(prefix.unwrap_or_default());
            Provider::secrets(Arc::new(environment))
        }
        ProviderKind::SecretsFile => Provider::secrets(Arc::new(SecretsFile::open(path, Shape::default())?)),
        ProviderKind::ConfigurationFile => {
            Provider::configuration(Arc::new(ConfigurationFile::open(path, LOOK)?))
        }
        ProviderKind::ConfigurationRedis => {
            Provider::configuration(Arc::new(ConfigurationRedis::connect(url, LOOK).await?))
        }
    })
}

fn http_client(provider: &ProviderManifest) -> Result<Hyper, Cause> {
    let mut options = Options::default();
    options.allow = provider.allow.iter().map(|rule| rule.parse()).collect::<Result<_, _>>()?;
    options.allow_private = provider.allow_private;
    Ok(Hyper::new(options)?)
}
