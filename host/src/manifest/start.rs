//! From a manifest to a running host.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Debug};
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
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::reload::{Draining, LAST};
use super::{
    ActorManifest, AntiForgeryManifest, BindingManifest, EventsManifest, HttpManifest, Manifest,
    ProviderKind, ProviderManifest, StartManifest, SubscriptionManifest,
};
use crate::dispatch::{Contract, Provider, or_default};
use crate::identity::{Trust, TrustedIssuers};
use crate::metrics::{Metrics, MetricsServer};
use crate::middleware::Middleware;
use crate::policy::{AntiForgery, Authorizer};
#[cfg(feature = "opa")]
use crate::policy::{Opa, OpaError, PolicyKey};
use crate::{ActorRef, Host, HostConfig, HostError, HttpOptions, HttpServer, Limits, Trial};

/// A host that runs as its manifest says.
#[derive(Debug)]
pub struct Running {
    pub(super) host: Host,
    /// What it runs by now.
    pub(super) manifest: Manifest,
    pub(super) providers: BTreeMap<String, Provider>,
    pub(super) policies: Policies,
    /// In the order of the manifest.
    pub(super) actors: Vec<Known>,
    pub(super) servers: Vec<Serving>,
    /// What counts, if it was wanted when the host was started.
    pub(super) counters: Option<Arc<Metrics>>,
    pub(super) metrics: Option<MetricsServer>,
    /// Whether all is there that the manifest says.
    pub(super) ready: Arc<AtomicBool>,
    pub(super) draining: Draining,
}

/// An actor of the manifest.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) actor: ActorRef,
    /// The SHA-256 of its module, as the file was when it was read last.
    pub(super) hash: [u8; 32],
    /// What any of the manifests bound it to, by name and contract.
    pub(super) bound: HashSet<(String, Contract)>,
    /// The public keys of the actors that any of them linked it to.
    pub(super) linked: HashSet<String>,
    /// What any of them subscribed it to, by contract, binding and topic.
    pub(super) subscribed: HashSet<(Contract, String, String)>,
    /// Its revision's time on probation, and the module before it.
    pub(super) trial: Option<(Trial, [u8; 32])>,
    /// The module that was rolled back: it is not tried again.
    pub(super) refused: Option<[u8; 32]>,
}

/// A server of an actor.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) actor: ActorRef,
    pub(super) http: HttpManifest,
    pub(super) server: HttpServer,
}

/// Who has a say beside claims and bindings.
#[derive(Clone, Default)]
pub(super) struct Policies {
    #[cfg(feature = "opa")]
    opa: Option<Arc<Opa>>,
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
    policies: Policies,
    providers: BTreeMap<&'a str, Provider>,
    /// With their numbers in the manifest.
    pub(super) actors: Vec<(usize, &'a ActorManifest, ActorRef)>,
    /// The SHA-256 of their modules.
    hashes: Vec<[u8; 32]>,
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
    pub(super) fn new(place: String, cause: Cause) -> Self {
        Self { place, cause }
    }

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
        let prepared = Prepared::of(manifest, base, Purpose::Run).await?;
        let Prepared { host, metrics, policies, providers, actors, hashes, .. } = prepared;
        let providers = providers.into_iter().map(|(name, provider)| (name.to_owned(), provider));
        let mut running = Self {
            host,
            manifest: manifest.clone(),
            providers: providers.collect(),
            policies,
            actors: Vec::new(),
            servers: Vec::new(),
            counters: metrics,
            metrics: None,
            ready: Arc::default(),
            draining: Draining::default(),
        };
        if let (Some(metrics), Some(at)) = (&running.counters, &manifest.metrics) {
            let listener = listen(&at.listen).await.at(|| "metrics".to_owned())?;
            running.metrics = Some(running.serve_metrics(metrics, listener)?);
        }
        for ((number, actor, loaded), hash) in actors.into_iter().zip(hashes) {
            running.open(number, actor, &loaded).await?;
            let mut known = Known::new(loaded, hash);
            known.remember(actor, &running.providers);
            running.actors.push(known);
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
        self.servers.iter().map(|serving| (&serving.actor, serving.server.address()))
    }

    /// Takes no more requests, and waits for those under way, and for their spans to be exported.
    pub async fn stop(mut self) {
        self.ready.store(false, Ordering::Release);
        // All at once: those that end last let nothing in meanwhile.
        let mut ends = JoinSet::new();
        for serving in self.servers {
            ends.spawn(serving.server.stop());
        }
        while ends.join_next().await.is_some() {}
        self.draining.end(&self.host, LAST).await;
        for actor in self.host.actors() {
            // Nobody else can have removed it.
            let _ = self.host.remove(&actor);
        }
        if let Some(tracing) = self.host.tracing() {
            tracing.clone().close(LAST_SPANS).await;
        }
    }

    pub(super) fn serve_metrics(
        &self,
        metrics: &Arc<Metrics>,
        listener: TcpListener,
    ) -> Result<MetricsServer, StartError> {
        let ready = Arc::clone(&self.ready);
        let server =
            MetricsServer::start(Arc::clone(metrics), listener, move || ready.load(Ordering::Acquire));
        server.map_err(HostError::Listen).at(|| "metrics".to_owned())
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
            self.servers.push(Serving { actor: loaded.clone(), http: http.clone(), server });
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
        let policies = Policies::of(manifest, base)?;
        let tracing = manifest.tracing.as_ref().map(|tracing| tracing.start(purpose));
        let host = Host::new(HostConfig {
            trust: trust(manifest, base)?,
            limits: Limits::default(),
            cache: cache(manifest, base, purpose).at(|| "cache".to_owned())?,
            authorizer: policies.authorizer(),
            labels: manifest.labels.clone(),
            anti_forgery: manifest.anti_forgery.into(),
            middleware: layers.collect(),
            tracing: tracing.transpose().at(|| "tracing".to_owned())?.flatten(),
        })
        .at(|| "the host".to_owned())?;
        let (providers, stand_ins) = providers(manifest, base, purpose, |_| None).await?;
        let (mut actors, mut hashes) = (Vec::new(), Vec::new());
        for (number, actor) in manifest.actors.iter().enumerate() {
            let place = |of: &str| format!("actors[{number}]{of}");
            let wasm = module(base, actor).await.at(|| place(".module"))?;
            let limits = actor.limits.over(Limits::default());
            let loaded = host.load_with(&wasm, limits).at(|| place(".module"))?;
            for (at, binding) in actor.bindings.iter().enumerate() {
                let place = || place(&format!(".bindings[{at}]"));
                let provider = provider(&providers, binding).at(place)?;
                host.bind_with(&loaded, &binding.name, provider, &binding.values).at(place)?;
            }
            actors.push((number, actor, loaded));
            hashes.push(Sha256::digest(&wasm).into());
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
        Ok(Self { host, metrics, policies, providers, actors, hashes, stand_ins })
    }
}

// === impl Known ===

impl Known {
    pub(super) fn new(actor: ActorRef, hash: [u8; 32]) -> Self {
        let (bound, linked, subscribed) = Default::default();
        Self { actor, hash, bound, linked, subscribed, trial: None, refused: None }
    }

    /// Notes what is there because a manifest, with those providers, says so.
    pub(super) fn remember(&mut self, manifest: &ActorManifest, providers: &BTreeMap<String, Provider>) {
        let state = self.actor.state();
        for binding in &manifest.bindings {
            if let Some(provider) = providers.get(&binding.provider) {
                self.bound.insert((or_default(&binding.name).to_owned(), provider.contract()));
            }
        }
        for link in state.bindings.links() {
            if manifest.calls.iter().any(|name| name == link.key() || link.alias() == Some(name)) {
                self.linked.insert(link.key().to_owned());
            }
        }
        for deliveries in &state.deliveries {
            let (binding, topic) = (&*deliveries.binding, &*deliveries.topic);
            let wanted = match deliveries.contract() {
                Contract::EventStreams => {
                    manifest.events.iter().any(|it| or_default(&it.binding) == binding && it.stream == topic)
                }
                _ => manifest
                    .subscriptions
                    .iter()
                    .any(|it| or_default(&it.binding) == binding && it.topic == topic),
            };
            if wanted {
                self.subscribed.insert((deliveries.contract(), binding.to_owned(), topic.to_owned()));
            }
        }
    }
}

// === impl Policies ===

impl Policies {
    #[cfg(feature = "opa")]
    pub(super) fn of(manifest: &Manifest, base: &Path) -> Result<Self, StartError> {
        let wrong = |error: OpaError| Cause::Wrong(error.to_string());
        let mut keys = Vec::new();
        for (number, key) in manifest.policy_keys.iter().enumerate() {
            let place = || format!("policyKeys[{number}]");
            let path = base.join(&key.file);
            let bytes = std::fs::read(&path).map_err(|error| Cause::Io(path, error)).at(place)?;
            let known = PolicyKey::new(&key.id, key.algorithm, &bytes, &key.scope);
            keys.push(known.map_err(wrong).at(place)?);
        }
        if manifest.policies.is_empty() {
            return Ok(Self::default());
        }
        let paths: Vec<_> = manifest.policies.iter().map(|path| base.join(path)).collect();
        let opa = Opa::from_signed_paths(&paths, &keys).map_err(wrong).at(|| "policies".to_owned())?;
        Ok(Self { opa: Some(Arc::new(opa)) })
    }

    #[cfg(not(feature = "opa"))]
    pub(super) fn of(manifest: &Manifest, _: &Path) -> Result<Self, StartError> {
        if manifest.policies.is_empty() {
            return Ok(Self::default());
        }
        let text = "this program was built without the feature `opa`".to_owned();
        Err(Cause::Wrong(text)).at(|| "policies".to_owned())
    }

    #[cfg(feature = "opa")]
    pub(super) fn authorizer(&self) -> Option<Arc<dyn Authorizer>> {
        self.opa.clone().map(|opa| opa as _)
    }

    #[cfg(not(feature = "opa"))]
    pub(super) fn authorizer(&self) -> Option<Arc<dyn Authorizer>> {
        None
    }

    /// Whether both decide by the same.
    #[cfg(feature = "opa")]
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (&self.opa, &other.opa) {
            (None, None) => true,
            (Some(one), Some(other)) => one.is_like(other),
            _ => false,
        }
    }

    #[cfg(not(feature = "opa"))]
    pub(super) fn is_like(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("some", &self.authorizer().is_some()).finish()
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
    pub(super) fn options(&self) -> HttpOptions {
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

pub(super) async fn listen(address: &str) -> Result<TcpListener, Cause> {
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

pub(super) fn trust(manifest: &Manifest, base: &Path) -> Result<Trust, StartError> {
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

/// The bytes of an actor's module.
pub(super) async fn module(base: &Path, actor: &ActorManifest) -> Result<Vec<u8>, Cause> {
    let path = base.join(&actor.module);
    tokio::fs::read(&path).await.map_err(|error| Cause::Io(path, error))
}

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
