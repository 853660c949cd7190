//! The host: it believes no module unchecked, and grants nothing by itself. One file per verb.

mod bind;
#[cfg(feature = "manifest")]
mod change;
mod events;
mod link;
mod load;
mod probation;
mod subscribe;
mod update;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parking_lot::RwLock;
use pillion_capabilities::trace::Tracing;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::actor::{ActorInfo, ActorRef};
use crate::admission::Admission;
use crate::engine::{Call, CallFailure, Compiler, Engine, EngineConfig, Limits};
use crate::error::HostError;
use crate::http_server::{self, HttpOptions, HttpServer};
use crate::identity::{Notary, Trust};
use crate::middleware::{Layers, Middleware};
use crate::policy::{AntiForgery, Authorizer};
use crate::registry::Registry;

#[cfg(feature = "manifest")]
pub(crate) use change::{Change, Edit, Misfit, Place};
pub(crate) use probation::OnProbation;
pub use probation::{Probation, ProbationInfo, RolledBackInfo, Trial, Verdict};
#[cfg(feature = "manifest")]
pub(crate) use subscribe::{Feed, Subscribed};
pub use update::HealthCheck;
pub(crate) use update::HealthRequest;
#[cfg(feature = "manifest")]
pub(crate) use update::check_update;

/// What a host is told. The default trusts nobody, so that it loads nothing.
#[derive(Clone, Default)]
pub struct HostConfig {
    /// What makes modules run.
    pub compiler: Compiler,
    /// Whose modules are loaded: those of trusted accounts, and of accounts that trusted operators vouch for.
    pub trust: Trust,
    /// What each actor may use, unless it is loaded with limits of its own.
    pub limits: Limits,
    /// A directory for compiled modules, of this user alone; it is made when missing. `None` compiles each time.
    pub cache: Option<PathBuf>,
    /// Has a say in what is loaded and called, beside claims and bindings. `None` takes nothing away.
    pub authorizer: Option<Arc<dyn Authorizer>>,
    /// What tells this host from others, as `region: north`.
    pub labels: BTreeMap<String, String>,
    /// Whether calls that actors make are signed for.
    pub anti_forgery: AntiForgery,
    /// Layers around all calls, from the outermost.
    pub middleware: Vec<Arc<dyn Middleware>>,
    /// What makes a span of each request, message and call, outside of the layers. `None` only passes on the traces that
    /// requests and messages are of.
    pub tracing: Option<Tracing>,
}

/// Loads actors, binds them to providers and to each other, and calls them.
///
/// Calls take no lock of the host's. Changes are made one at a time: each is whole before the next call sees it, and
/// calls under way end as they began.
pub struct Host {
    inner: Arc<Inner>,
}

/// What revisions on probation need of a host as well.
pub(crate) struct Inner {
    limits: Limits,
    notary: Arc<Notary>,
    layers: Layers,
    /// Written to with the registry locked.
    settings: RwLock<Settings>,
    tracing: Option<Tracing>,
    registry: Mutex<Registry>,
}

/// What is set for all actors, and may be set anew.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) admission: Arc<Admission>,
    pub(crate) anti_forgery: AntiForgery,
    pub(crate) labels: BTreeMap<String, String>,
}

/// What runs on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Inventory {
    /// What tells this host from others.
    pub labels: BTreeMap<String, String>,
    /// Its actors, by their public keys.
    pub actors: Vec<ActorInfo>,
}

// === impl Host ===

impl Host {
    /// Sets up a host.
    ///
    /// # Errors
    /// When the engine or its cache cannot be set up.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        let HostConfig {
            compiler,
            trust,
            limits,
            cache,
            authorizer,
            labels,
            anti_forgery,
            middleware,
            tracing,
        } = config;
        let engine = Engine::new(EngineConfig { compiler, limits, cache, ..EngineConfig::default() })?;
        let admission = Arc::new(Admission { engine, trust, authorizer });
        let (notary, layers) = (Arc::default(), middleware.into());
        let settings = RwLock::new(Settings { admission, anti_forgery, labels });
        let registry = Mutex::default();
        let inner = Inner { limits, notary, layers, settings, tracing, registry };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Serves an actor's HTTP requests, by its operation `HandleRequest`, on a listener. Bodies are taken whole. To be
    /// called within a tokio runtime, on which it then runs. A removed actor answers 503 until the server is stopped.
    ///
    /// # Errors
    /// When the actor's claims do not grant `wascc:http_server`, the listener is of no use, or the actor is not on this
    /// host.
    pub fn serve_http(
        &self,
        actor: &ActorRef,
        listener: TcpListener,
        options: HttpOptions,
    ) -> Result<HttpServer, HostError> {
        self.inner.registry().check(actor)?;
        let claims = actor.claims();
        if !http_server::granted(&claims) {
            return Err(HostError::HttpNotGranted { granted: claims.wascap.caps.clone() });
        }
        self.serve(actor, listener, options).map_err(HostError::Listen)
    }

    /// As [`Host::serve_http`], for an actor of which all that was checked.
    pub(crate) fn serve(
        &self,
        actor: &ActorRef,
        listener: TcpListener,
        options: HttpOptions,
    ) -> std::io::Result<HttpServer> {
        HttpServer::start(actor.clone(), listener, options, self.inner.tracing.clone())
    }

    /// The actors, by their public keys.
    #[must_use]
    pub fn actors(&self) -> Vec<ActorRef> {
        self.inner.registry().actors().cloned().collect()
    }

    /// The actor of that public key or call alias.
    #[must_use]
    pub fn actor(&self, name: &str) -> Option<ActorRef> {
        self.inner.registry().find(name).cloned()
    }

    /// The actors with that tag.
    #[must_use]
    pub fn actors_by_tag(&self, tag: &str) -> Vec<ActorRef> {
        let mut actors = self.actors();
        actors.retain(|actor| actor.claims().wascap.tags.iter().any(|it| it == tag));
        actors
    }

    /// What runs here now.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let actors = self.inner.registry().actors().map(ActorRef::info).collect();
        Inventory { labels: self.inner.settings.read().labels.clone(), actors }
    }

    /// Who signs for calls, if they are signed for.
    #[must_use]
    pub fn notary(&self) -> &Notary {
        &self.inner.notary
    }

    /// What makes spans, if anything does.
    #[must_use]
    pub fn tracing(&self) -> Option<&Tracing> {
        self.inner.tracing.as_ref()
    }

    /// Calls an operation of an actor: at once on this thread when all its providers answer at once and it has room for
    /// the call, else as a future that is to be awaited.
    pub fn call(&self, actor: &ActorRef, operation: &str, payload: &[u8]) -> Call {
        actor.guest().call(operation, payload)
    }

    /// As [`Host::call`] for an actor that is always ready; the response replaces what is in `response`, whose room is
    /// used again.
    ///
    /// # Errors
    /// When the call failed, and with [`CallFailure::Waits`] when the actor may have to wait.
    #[inline]
    pub fn call_into(
        &self,
        actor: &ActorRef,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        actor.guest().call_into(operation, payload, response)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("labels", &self.inner.settings.read().labels)
            .field("actors", &self.actors())
            .finish_non_exhaustive()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let registry = std::mem::take(&mut *self.inner.registry());
        let nobody = Registry::default();
        for actor in registry.all() {
            self.inner.forget(&nobody, actor);
        }
    }
}

// === impl Inner ===

impl Inner {
    pub(crate) fn admission(&self) -> Arc<Admission> {
        Arc::clone(&self.settings.read().admission)
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        // It is whole at all times: nothing panics half way through a change.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
