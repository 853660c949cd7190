//! From a manifest to a running host.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pillion_capabilities::eventstreams::{Start, SubscribeOptions as EventOptions};
use pillion_capabilities::messaging::SubscribeOptions;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::error::{At as _, Cause, StartError};
use super::policies::Policies;
use super::providers::{provider, providers};
use super::reload::{Draining, LAST};
use super::{
    ActorManifest, AntiForgeryManifest, EventsManifest, HttpManifest, Manifest, StartManifest,
    SubscriptionManifest,
};
use crate::delivery::Wish;
use crate::dispatch::{Contract, Provider, or_default};
use crate::host::Place;
use crate::identity::{Trust, TrustedIssuers};
use crate::metrics::{Metrics, MetricsServer};
use crate::middleware::Middleware;
use crate::policy::AntiForgery;
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
    /// What any of them subscribed it to.
    pub(super) subscribed: HashSet<Place>,
    /// Its revision's time on probation, and the module before it.
    pub(super) trial: Option<(Trial, [u8; 32])>,
    /// The module that was rolled back: it is not tried again.
    pub(super) refused: Option<[u8; 32]>,
}

/// What an actor is subscribed to.
pub(super) struct Wished<'a> {
    /// Where it stands in the actor's manifest.
    pub(super) place: String,
    pub(super) binding: &'a str,
    /// The topic or stream.
    pub(super) topic: &'a str,
    pub(super) wish: Wish,
}

/// A server of an actor.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) actor: ActorRef,
    pub(super) http: HttpManifest,
    pub(super) server: HttpServer,
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

/// How long the export of the last spans may take.
const LAST_SPANS: Duration = Duration::from_secs(3);

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
            compiler: manifest.compiler,
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
        for wished in manifest.wishes() {
            let Wished { binding, topic, wish, .. } = wished;
            let (contract, binding) = (wish.contract(), or_default(binding));
            if state.deliveries.iter().any(|it| it.is(contract, binding, topic)) {
                self.subscribed.insert((contract, binding.into(), topic.into()));
            }
        }
    }
}

// === impl ActorManifest ===

impl ActorManifest {
    /// All that it is subscribed to.
    pub(super) fn wishes(&self) -> impl Iterator<Item = Wished<'_>> {
        let messages = self.subscriptions.iter().enumerate().map(|(at, it)| Wished {
            place: format!("subscriptions[{at}]"),
            binding: &it.binding,
            topic: &it.topic,
            wish: Wish::Messages(it.options()),
        });
        let events = self.events.iter().enumerate().map(|(at, it)| Wished {
            place: format!("events[{at}]"),
            binding: &it.binding,
            topic: &it.stream,
            wish: Wish::Events(it.options()),
        });
        messages.chain(events)
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
