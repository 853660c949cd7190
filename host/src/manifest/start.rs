//! From a manifest to a running host.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pillion_capabilities::blobstore::{Files, Memory as Blobs};
use pillion_capabilities::configuration::{File as ConfigurationFile, Redis as ConfigurationRedis};
use pillion_capabilities::eventstreams::{
    Memory as Events, Redis as RedisEvents, Start, SubscribeOptions as EventOptions,
};
use pillion_capabilities::extras::Embedded;
use pillion_capabilities::httpclient::{Hyper, Options};
use pillion_capabilities::logging::Traced;
use pillion_capabilities::messaging::{
    JetStream, Memory as Bus, Nats, RedisStreams, StreamOptions, Streams, SubscribeOptions,
};
use pillion_capabilities::secrets::{Environment, File as SecretsFile, Shape};
use pillion_capabilities::{KeyValue, Memory, Messaging, Redb, Redis};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{
    ActorManifest, AntiForgeryManifest, EventsManifest, HttpManifest, Manifest, ProviderKind,
    ProviderManifest, StartManifest, SubscriptionManifest,
};
use crate::dispatch::Provider;
use crate::identity::{Trust, TrustedIssuers};
use crate::metrics::{Metrics, MetricsServer};
use crate::middleware::Middleware;
#[cfg(feature = "opa")]
use crate::policy::Opa;
use crate::policy::{AntiForgery, Authorizer};
use crate::{ActorRef, Host, HostConfig, HostError, HttpOptions, HttpServer, Limits};

/// A host that runs as its manifest says.
#[derive(Debug)]
pub struct Running {
    host: Host,
    servers: Vec<(ActorRef, HttpServer)>,
    metrics: Option<MetricsServer>,
    /// Whether all is there that the manifest says.
    ready: Arc<AtomicBool>,
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {cause}")]
pub struct StartError {
    /// Where in the manifest, as `actors[0].bindings[1]`.
    place: String,
    // Not its source: its text is in that of this error.
    cause: Cause,
}

/// What a host is prepared for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Run,
    /// Nothing that lasts may be changed.
    Check,
}

/// A host that lets nothing in yet.
pub(super) struct Prepared<'a> {
    pub(super) host: Host,
    metrics: Option<Arc<Metrics>>,
    /// With their numbers in the manifest.
    pub(super) actors: Vec<(usize, &'a ActorManifest, ActorRef)>,
    /// Where files are that stand in for those of providers.
    pub(super) stand_ins: Vec<TempDir>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    #[error("{0}")]
    Wrong(String),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Capability(#[from] pillion_capabilities::Error),
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, std::io::Error),
}

/// Adds the place in the manifest to an error.
pub(super) trait At<T> {
    fn at(self, place: impl FnOnce() -> String) -> Result<T, StartError>;
}

/// How many messages a stream in Redis holds that not every group has settled.
const STREAM_LENGTH: u32 = 100_000;

/// How many events of each stream are kept.
const EVENTS: usize = 100_000;

/// How often a configuration is looked at for changes.
const LOOK: Duration = Duration::from_secs(1);

/// How long the export of the last spans may take.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// What stands in for a file or folder within its own folder.
const STAND_IN: &str = "stand-in";

/// How many bytes events, and objects, take up in memory.
const ROOM: u64 = 256 << 20;

// === impl StartError ===

impl StartError {
    /// Whether it is that a module or a token is not believed.
    #[must_use]
    pub fn is_of_identity(&self) -> bool {
        matches!(self.cause, Cause::Host(HostError::Identity(_)))
    }
}

// === impl Running ===

impl Running {
    /// Starts all that the manifest says; `base` is the folder from which its paths are seen. To be called within a tokio
    /// runtime. Whatever was started before an error is ended.
    ///
    /// # Errors
    /// With the place in the manifest that could not be made true.
    pub async fn start(manifest: &Manifest, base: &Path) -> Result<Self, StartError> {
        let Prepared { host, metrics, actors, .. } = Prepared::of(manifest, base, Purpose::Run).await?;
        let mut running = Self { host, servers: Vec::new(), metrics: None, ready: Arc::default() };
        if let (Some(metrics), Some(at)) = (metrics, &manifest.metrics) {
            let ready = Arc::clone(&running.ready);
            let place = || "metrics".to_owned();
            let listener = listen(&at.listen).await.at(place)?;
            let server = MetricsServer::start(metrics, listener, move || ready.load(Ordering::Acquire));
            running.metrics = Some(server.map_err(HostError::Listen).at(place)?);
        }
        for (number, actor, loaded) in actors {
            running.open(number, actor, &loaded).await?;
        }
        running.ready.store(true, Ordering::Release);
        Ok(running)
    }

    /// Where metrics and health are served.
    #[must_use]
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(MetricsServer::address)
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Where which actor serves HTTP.
    pub fn addresses(&self) -> impl Iterator<Item = (&ActorRef, SocketAddr)> {
        self.servers.iter().map(|(actor, server)| (actor, server.address()))
    }

    /// Takes no more requests, and waits for those under way, and for their spans to be exported.
    pub async fn stop(self) {
        self.ready.store(false, Ordering::Release);
        // All at once: those that end last let nothing in meanwhile.
        let mut ends = JoinSet::new();
        for (_, server) in self.servers {
            ends.spawn(server.stop());
        }
        while ends.join_next().await.is_some() {}
        for actor in self.host.actors() {
            // Nobody else can have removed it.
            let _ = self.host.remove(&actor);
        }
        if let Some(tracing) = self.host.tracing() {
            tracing.clone().close(LAST_SPANS).await;
        }
    }

    /// Lets requests and messages in.
    async fn open(
        &mut self,
        number: usize,
        actor: &ActorManifest,
        loaded: &ActorRef,
    ) -> Result<(), StartError> {
        for (at, subscription) in actor.subscriptions.iter().enumerate() {
            let topic = &subscription.topic;
            let subscribed =
                self.host.subscribe(loaded, &subscription.binding, topic, subscription.options()).await;
            subscribed.at(|| format!("actors[{number}].subscriptions[{at}]"))?;
        }
        for (at, events) in actor.events.iter().enumerate() {
            let EventsManifest { binding, stream, .. } = events;
            let subscribed = self.host.subscribe_events(loaded, binding, stream, events.options()).await;
            subscribed.at(|| format!("actors[{number}].events[{at}]"))?;
        }
        if let Some(http) = &actor.http {
            let place = || format!("actors[{number}].http");
            let listener = listen(&http.listen).await.at(place)?;
            let server = self.host.serve_http(loaded, listener, http.options()).at(place)?;
            self.servers.push((loaded.clone(), server));
        }
        Ok(())
    }
}

// === impl Prepared ===

impl<'a> Prepared<'a> {
    pub(super) async fn of(
        manifest: &'a Manifest,
        base: &Path,
        purpose: Purpose,
    ) -> Result<Self, StartError> {
        let metrics = manifest.metrics.is_some().then(Arc::<Metrics>::default);
        let layers = metrics.iter().map(|metrics| Arc::clone(metrics) as Arc<dyn Middleware>);
        let tracing = manifest.tracing.as_ref().map(|tracing| tracing.start(purpose));
        let host = Host::new(HostConfig {
            trust: trust(manifest, base)?,
            limits: Limits::default(),
            cache: cache(manifest, base, purpose).at(|| "cache".to_owned())?,
            authorizer: authorizer(manifest, base).at(|| "policies".to_owned())?,
            labels: manifest.labels.clone(),
            anti_forgery: manifest.anti_forgery.into(),
            middleware: layers.collect(),
            tracing: tracing.transpose().at(|| "tracing".to_owned())?.flatten(),
        })
        .at(|| "the host".to_owned())?;
        let (providers, stand_ins) = providers(manifest, base, purpose).await?;
        let mut actors = Vec::new();
        for (number, actor) in manifest.actors.iter().enumerate() {
            let place = |of: &str| format!("actors[{number}]{of}");
            let path = base.join(&actor.module);
            let wasm = tokio::fs::read(&path).await.map_err(|error| Cause::Io(path, error));
            let wasm = wasm.at(|| place(".module"))?;
            let limits = actor.limits.over(Limits::default());
            let loaded = host.load_with(&wasm, limits).at(|| place(".module"))?;
            for (at, binding) in actor.bindings.iter().enumerate() {
                let place = || place(&format!(".bindings[{at}]"));
                let provider = providers.get(binding.provider.as_str()).cloned().ok_or_else(|| {
                    Cause::Wrong(format!(
                        "there is no provider {:?}; there are {:?}",
                        binding.provider,
                        providers.keys().collect::<Vec<_>>()
                    ))
                });
                let provider = provider.at(place)?;
                host.bind_with(&loaded, &binding.name, provider, &binding.values).at(place)?;
            }
            actors.push((number, actor, loaded));
        }
        // Calls go both ways, and nobody is asked for anything before all are there.
        for (number, actor, loaded) in &actors {
            for (at, name) in actor.calls.iter().enumerate() {
                let place = || format!("actors[{number}].calls[{at}]");
                let wrong = || Cause::Wrong(format!("there is no actor of the key or alias {name:?}"));
                let target = host.actor(name).ok_or_else(wrong).at(place)?;
                host.link(loaded, &target).at(place)?;
            }
        }
        Ok(Self { host, metrics, actors, stand_ins })
    }
}

// === impl SubscriptionManifest ===

impl SubscriptionManifest {
    pub(super) fn options(&self) -> SubscribeOptions {
        let defaults = SubscribeOptions::default();
        SubscribeOptions {
            group: self.group.clone(),
            max_deliveries: self.max_deliveries.unwrap_or(defaults.max_deliveries),
            dead_letter: self.dead_letter.clone(),
            ..defaults
        }
    }
}

// === impl EventsManifest ===

impl EventsManifest {
    pub(super) fn options(&self) -> EventOptions {
        let defaults = EventOptions::default();
        EventOptions {
            group: self.group.clone(),
            start: match self.start {
                StartManifest::New => Start::New,
                StartManifest::Eldest => Start::Eldest,
            },
            max_deliveries: self.max_deliveries.unwrap_or(defaults.max_deliveries),
            concurrency: self.concurrency.unwrap_or(defaults.concurrency),
            ..defaults
        }
    }
}

// === impl HttpManifest ===

impl HttpManifest {
    fn options(&self) -> HttpOptions {
        let mut options = HttpOptions::default();
        options.body = self.body.unwrap_or(options.body);
        options.bodies = self.bodies.unwrap_or(options.bodies);
        options.connections = self.connections.unwrap_or(options.connections);
        options
    }
}

// === impl AntiForgery ===

impl From<AntiForgeryManifest> for AntiForgery {
    fn from(switch: AntiForgeryManifest) -> Self {
        match switch {
            AntiForgeryManifest::Off => Self::Off,
            AntiForgeryManifest::Mint => Self::Mint,
            AntiForgeryManifest::MintAndVerify => Self::MintAndVerify,
        }
    }
}

async fn listen(address: &str) -> Result<TcpListener, Cause> {
    TcpListener::bind(address).await.map_err(|error| Cause::Wrong(format!("{address}: {error}")))
}

/// The cache of a host that runs. A check leaves no entries in it.
fn cache(manifest: &Manifest, base: &Path, purpose: Purpose) -> Result<Option<PathBuf>, Cause> {
    let Some(path) = manifest.cache.as_ref().map(|path| base.join(path)) else { return Ok(None) };
    match purpose {
        Purpose::Run => Ok(Some(path)),
        Purpose::Check if path.exists() && !path.is_dir() => {
            Err(Cause::Wrong(format!("{} is no folder", path.display())))
        }
        Purpose::Check => Ok(None),
    }
}

fn trust(manifest: &Manifest, base: &Path) -> Result<Trust, StartError> {
    let mut trust = Trust::from(manifest.trusted_issuers.iter().cloned().collect::<TrustedIssuers>());
    trust.operators.extend(manifest.trusted_operators.iter().cloned());
    for (number, path) in manifest.tokens.iter().enumerate() {
        let place = || format!("tokens[{number}]");
        let path = base.join(path);
        let token = std::fs::read(&path).map_err(|error| Cause::Io(path, error)).at(place)?;
        trust.add(token.trim_ascii()).map_err(HostError::from).at(place)?;
    }
    Ok(trust)
}

#[cfg(feature = "opa")]
fn authorizer(manifest: &Manifest, base: &Path) -> Result<Option<Arc<dyn Authorizer>>, Cause> {
    if manifest.policies.is_empty() {
        return Ok(None);
    }
    let paths: Vec<_> = manifest.policies.iter().map(|path| base.join(path)).collect();
    let opa = Opa::from_paths(&paths).map_err(|error| Cause::Wrong(error.to_string()))?;
    Ok(Some(Arc::new(opa)))
}

#[cfg(not(feature = "opa"))]
fn authorizer(manifest: &Manifest, _: &Path) -> Result<Option<Arc<dyn Authorizer>>, Cause> {
    if manifest.policies.is_empty() {
        return Ok(None);
    }
    Err(Cause::Wrong("this program was built without the feature `opa`".to_owned()))
}

async fn providers<'a>(
    manifest: &'a Manifest,
    base: &Path,
    purpose: Purpose,
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
        providers.insert(provider.name.as_str(), connect(provider, base, purpose).await.at(place)?);
        stand_ins.extend(stand_in);
    }
    Ok((providers, stand_ins))
}

// === impl ProviderKind ===

impl ProviderKind {
    /// Whether its file is read and not written to.
    fn is_read(self) -> bool {
        matches!(self, Self::SecretsFile | Self::ConfigurationFile)
    }
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

impl<T, E: Into<Cause>> At<T> for Result<T, E> {
    fn at(self, place: impl FnOnce() -> String) -> Result<T, StartError> {
        self.map_err(|error| StartError { place: place(), cause: error.into() })
    }
}
