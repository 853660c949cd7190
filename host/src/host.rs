//! The host: it believes no module unchecked, and grants nothing by itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use pillion_capabilities::messaging::{DeliveryGuarantee, SubscribeOptions};
use pillion_capabilities::trace::Tracing;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::actor::{ActorInfo, ActorRef};
use crate::admission::Admission;
use crate::delivery::{Deliveries, Times, Traced};
use crate::dispatch::{BindError, Bindings, Contract, Provider};
use crate::engine::{
    Call, CallFailure, Dispatch, Engine, EngineConfig, EngineError, Gate, Guest, Limits, Program,
};
use crate::error::HostError;
use crate::expiry::Expiring;
use crate::http_server::{self, HttpOptions, HttpServer};
use crate::identity::{Claims, Notary, Trust};
use crate::middleware::{Entry, Exit, Layers, Middleware};
use crate::policy::{AntiForgery, Authorizer, Guard, Notarized};
use crate::registry::Registry;
use crate::traced::{Entrance, Way};

/// What a host is told. The default trusts nobody, so that it loads nothing.
#[derive(Clone, Default)]
pub struct HostConfig {
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
    admission: Arc<Admission>,
    limits: Limits,
    labels: BTreeMap<String, String>,
    anti_forgery: AntiForgery,
    notary: Arc<Notary>,
    layers: Layers,
    tracing: Option<Tracing>,
    registry: Mutex<Registry>,
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

/// How a new revision is asked whether it is well, before it takes its predecessor's place.
#[derive(Clone, Copy, Debug)]
pub struct HealthCheck<'a> {
    /// The operation, as waSCC's `HealthRequest`.
    pub operation: &'a str,
    /// The request.
    pub payload: &'a [u8],
    /// How long it may take to answer, waiting for its providers counted; in steps of 10 ms.
    pub patience: Duration,
}

// === impl HealthCheck ===

impl Default for HealthCheck<'_> {
    /// An empty `HealthRequest`, to be answered within 10 s.
    fn default() -> Self {
        Self { operation: "HealthRequest", payload: &[], patience: Duration::from_secs(10) }
    }
}

// === impl Host ===

impl Host {
    /// Sets up a host.
    ///
    /// # Errors
    /// When the engine or its cache cannot be set up.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        let HostConfig { trust, limits, cache, authorizer, labels, anti_forgery, middleware, tracing } =
            config;
        let engine = Engine::new(EngineConfig { limits, cache })?;
        let admission = Arc::new(Admission { engine, trust, authorizer });
        let (notary, layers) = (Arc::default(), middleware.into());
        Ok(Self {
            admission,
            limits,
            labels,
            anti_forgery,
            notary,
            layers,
            tracing,
            registry: Mutex::default(),
        })
    }

    /// Loads a signed module. Nothing of it is looked at further before its identity is verified.
    ///
    /// # Errors
    /// When it is not properly signed by an account that is trusted or vouched for, denied by the authorizer, loaded
    /// already, or cannot be run.
    pub fn load(&self, wasm: &[u8]) -> Result<ActorRef, HostError> {
        self.load_with(wasm, self.limits)
    }

    /// As [`Host::load`], with limits of its own.
    ///
    /// # Errors
    /// As [`Host::load`].
    pub fn load_with(&self, wasm: &[u8], limits: Limits) -> Result<ActorRef, HostError> {
        let (claims, program) = self.admission.admit(wasm)?;
        let mut bindings = Bindings::new(&claims.sub, claims.wascap.caps.clone());
        let dispatch = self.dispatch(&bindings, &Arc::new(claims.clone()));
        let guest = Guest::gated(program.with_limits(limits), dispatch, self.entry(&claims.sub));
        bindings.set_guest(&guest);
        let actor = ActorRef::new(claims, guest, bindings);
        {
            let state = actor.state();
            state.bindings.set_claims(&state.claims);
        }
        self.registry().insert(&actor)?;
        Ok(actor)
    }

    /// Puts a newer revision of an actor's module in its place. Calls under way end on the old one, later calls run the
    /// new. Its bindings and links stay, but for those that the new claims no longer grant; its limits stay.
    ///
    /// With a health check, the new revision is first asked, with the same bindings; unless it answers without an error,
    /// everything stays as it is. Within a tokio runtime the module is checked and compiled on a thread of its own.
    ///
    /// # Errors
    /// As [`Host::load`]; and when the module is another one or not newer, or does not answer the health check.
    pub async fn update(
        &self,
        actor: &ActorRef,
        wasm: &[u8],
        health: Option<HealthCheck<'_>>,
    ) -> Result<(), HostError> {
        let (claims, program) = self.admission.admit_aside(wasm, actor.guest().limits()).await?;
        if claims.sub != actor.key() {
            return Err(HostError::OtherModule { actor: actor.key().to_owned(), module: claims.sub });
        }
        check_newer(actor, &claims)?;
        if let Some(health) = health {
            let bindings = actor.state().bindings.regranted(claims.wascap.caps.clone());
            // A probe that is always ready is done when its call returns, so that only its deadline can end it.
            let limits = actor.guest().limits();
            let limits = Limits { deadline: limits.deadline.min(health.patience), ..limits };
            let probe = Guest::new(
                program.clone().with_limits(limits),
                self.dispatch(&bindings, &Arc::new(claims.clone())),
            );
            ask(actor, &probe, health).await?;
        }
        let registry = self.registry();
        registry.check(actor)?;
        // Another update may have been faster.
        check_newer(actor, &claims)?;
        registry.check_alias(&claims)?;
        {
            let mut state = actor.state();
            state.bindings = state.bindings.regranted(claims.wascap.caps.clone());
            state.claims = Arc::new(claims);
            state.bindings.set_claims(&state.claims);
        }
        actor.end_deliveries();
        // First, so that whoever lost its link does not wait for this actor any more.
        registry.relink(actor, |other| self.rewire(other, None));
        self.settle(&registry, actor, Some(program));
        Ok(())
    }

    /// Removes an actor. Calls under way end as they would have; later ones are refused. Nobody is linked to it any more.
    ///
    /// # Errors
    /// When it is not on this host.
    pub fn remove(&self, actor: &ActorRef) -> Result<(), HostError> {
        let mut registry = self.registry();
        registry.remove(actor)?;
        self.forget(&registry, actor);
        Ok(())
    }

    /// Binds a provider to an actor under a name, as `default`. Later calls see it.
    ///
    /// # Errors
    /// When the actor's claims do not grant the contract, the name is taken, or the actor is not on this host.
    pub fn bind(
        &self,
        actor: &ActorRef,
        binding: &str,
        provider: impl Into<Provider>,
    ) -> Result<(), HostError> {
        self.change(actor, |bindings| bindings.bind(binding, provider))
    }

    /// Takes the provider of a contract under a name away from an actor. Calls under way keep it.
    ///
    /// # Errors
    /// When there is none, or the actor is not on this host.
    pub fn unbind(&self, actor: &ActorRef, binding: &str, contract: Contract) -> Result<(), HostError> {
        let registry = self.registry();
        self.change_in(&registry, actor, |bindings| bindings.unbind(binding, contract))?;
        // Before anybody can bind another provider under that name.
        actor.end_deliveries();
        Ok(())
    }

    /// Has the messages on a topic delivered to an actor, by its operation `DeliverMessage`, through the messaging
    /// provider that it is bound to under that name. What it fails to deal with is delivered again as the options say.
    /// To be called within a tokio runtime, on which the deliveries then run.
    ///
    /// Where the provider delivers at least once, a call that has not ended shortly before the options' `ack_wait` is
    /// given up, however long [`Limits::patience`] is, and counts as one that failed: the provider would deliver the
    /// message beside it. So `ack_wait` has to be longer than the actor takes. An actor that is always ready ends by its
    /// [`Limits::deadline`] alone; an `ack_wait` that is not longer than that is warned of in the log.
    ///
    /// # Errors
    /// When it has no messaging provider under that name, is subscribed to the topic already, the provider does not
    /// subscribe, or the actor is not on this host.
    pub async fn subscribe(
        &self,
        actor: &ActorRef,
        binding: &str,
        topic: &str,
        options: SubscribeOptions,
    ) -> Result<(), HostError> {
        let (binding, provider) = {
            let registry = self.registry();
            registry.check(actor)?;
            actor.state().bindings.messaging(binding)?
        };
        let guarantee = provider.guarantees().delivery;
        let (times, ack_wait) = (Times::of(&options, guarantee), options.ack_wait);
        let deadline = actor.guest().limits().deadline;
        if ack_wait <= deadline && guarantee == DeliveryGuarantee::AtLeastOnce {
            let remedy = "set ack_wait above the actor's deadline";
            tracing::warn!(
                target: "pillion::delivery", actor = actor.key(), topic, ?ack_wait, ?deadline, remedy,
                "messages may be delivered again while the actor still deals with them"
            );
        }
        let subscription = provider.subscribe(topic, options).wait().await?;
        let registry = self.registry();
        registry.check(actor)?;
        let mut state = actor.state();
        // It may have been unbound meanwhile, and another bound in its place.
        let (_, now) = state.bindings.messaging(&binding)?;
        if !Arc::ptr_eq(&now, &provider) {
            return Err(HostError::Rebound { actor: actor.key().to_owned(), binding: binding.into() });
        }
        if state.deliveries.iter().any(|it| *it.binding == *binding && *it.topic == *topic) {
            return Err(HostError::Subscribed { actor: actor.key().to_owned(), topic: topic.to_owned() });
        }
        let traced = self.tracing.clone().map(|tracing| Traced { tracing, provider: provider.name() });
        state.deliveries.push(Deliveries::start(&binding, topic, subscription, times, actor, traced));
        Ok(())
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// When there is none to that topic under that name, or the actor is not on this host.
    pub fn unsubscribe(&self, actor: &ActorRef, binding: &str, topic: &str) -> Result<(), HostError> {
        let registry = self.registry();
        registry.check(actor)?;
        let (binding, _) = actor.state().bindings.messaging(binding)?;
        let mut state = actor.state();
        let before = state.deliveries.len();
        state.deliveries.retain(|it| *it.binding != *binding || *it.topic != *topic);
        if state.deliveries.len() == before {
            return Err(HostError::NotSubscribed { actor: actor.key().to_owned(), topic: topic.to_owned() });
        }
        Ok(())
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
        self.registry().check(actor)?;
        let claims = actor.claims();
        if !http_server::granted(&claims) {
            return Err(HostError::HttpNotGranted { granted: claims.wascap.caps.clone() });
        }
        let tracing = self.tracing.clone();
        HttpServer::start(actor.clone(), listener, options, tracing).map_err(HostError::Listen)
    }

    /// Lets an actor call another, or itself, by those of the other's public key and call alias that stand among the
    /// first one's capabilities.
    ///
    /// # Errors
    /// When the claims grant neither, or one of the actors is not on this host.
    pub fn link(&self, from: &ActorRef, to: &ActorRef) -> Result<(), HostError> {
        // Under one lock: a link to an actor that is removed meanwhile would stay for ever, in the way of its next one.
        let registry = self.registry();
        registry.check(to)?;
        // Its state is locked for this, and during a change that of the first is: they may be the same.
        let link = to.link();
        self.change_in(&registry, from, |bindings| bindings.link(&link))
    }

    /// Takes away what [`Host::link`] gave. Calls under way end as they would have.
    ///
    /// # Errors
    /// When the first is not linked to the other, or not on this host.
    pub fn unlink(&self, from: &ActorRef, to: &ActorRef) -> Result<(), HostError> {
        let registry = self.registry();
        registry.check(from)?;
        let unlinked = from.state().bindings.unlink(to.key());
        if !unlinked {
            return Err(HostError::NotLinked { actor: from.key().to_owned(), target: to.key().to_owned() });
        }
        self.settle(&registry, from, None);
        Ok(())
    }

    /// The actors, by their public keys.
    #[must_use]
    pub fn actors(&self) -> Vec<ActorRef> {
        self.registry().actors().cloned().collect()
    }

    /// The actor of that public key or call alias.
    #[must_use]
    pub fn actor(&self, name: &str) -> Option<ActorRef> {
        self.registry().find(name).cloned()
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
        let actors = self.registry().actors().map(ActorRef::info).collect();
        Inventory { labels: self.labels.clone(), actors }
    }

    /// Who signs for calls, if they are signed for.
    #[must_use]
    pub fn notary(&self) -> &Notary {
        &self.notary
    }

    /// What makes spans, if anything does.
    #[must_use]
    pub fn tracing(&self) -> Option<&Tracing> {
        self.tracing.as_ref()
    }

    /// Calls an operation of an actor: at once on this thread when all its providers answer at once, else as a future
    /// that is to be awaited.
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

    /// Changes what an actor may reach.
    fn change(
        &self,
        actor: &ActorRef,
        change: impl FnOnce(&mut Bindings) -> Result<(), BindError>,
    ) -> Result<(), HostError> {
        self.change_in(&self.registry(), actor, change)
    }

    fn change_in(
        &self,
        registry: &Registry,
        actor: &ActorRef,
        change: impl FnOnce(&mut Bindings) -> Result<(), BindError>,
    ) -> Result<(), HostError> {
        registry.check(actor)?;
        change(&mut actor.state().bindings)?;
        self.settle(registry, actor, None);
        Ok(())
    }

    /// Wires an actor as its state says, and with it those who call it and have to wait if it has to. Whoever is to wait
    /// from now on does so before the one it waits for.
    fn settle(&self, registry: &Registry, changed: &ActorRef, program: Option<Program>) {
        let always_waits =
            program.as_ref().map_or_else(|| changed.guest().always_waits(), Program::always_waits);
        let (waiting, ready) = registry.settle(changed, always_waits);
        for actor in waiting.iter().rev().filter(|actor| !actor.is(changed)) {
            self.rewire(actor, None);
        }
        self.rewire(changed, program);
        for actor in ready.iter().filter(|actor| !actor.is(changed)) {
            self.rewire(actor, None);
        }
    }

    fn rewire(&self, actor: &ActorRef, program: Option<Program>) {
        let (bindings, claims) = {
            let state = actor.state();
            (state.bindings.clone(), Arc::clone(&state.claims))
        };
        let dispatch = self.dispatch(&bindings, &claims);
        match program {
            Some(program) => actor.guest().replace(program, dispatch),
            None => actor.guest().rewire(dispatch),
        }
    }

    fn dispatch(&self, bindings: &Bindings, claims: &Arc<Claims>) -> Arc<dyn Dispatch> {
        let granted: Arc<dyn Dispatch> = match &self.admission.authorizer {
            None => Arc::new(bindings.clone()),
            Some(authorizer) => {
                Arc::new(Guard::new(bindings.clone(), Arc::clone(claims), Arc::clone(authorizer)))
            }
        };
        let actor: Arc<str> = claims.sub.as_str().into();
        let signed: Arc<dyn Dispatch> = match self.anti_forgery {
            AntiForgery::Off => granted,
            switch => Arc::new(Notarized {
                inner: granted,
                notary: Arc::clone(&self.notary),
                verify: switch == AntiForgery::MintAndVerify,
                actor: Arc::clone(&actor),
            }),
        };
        let mut inner = Expiring::wire(signed, claims);
        if !self.layers.is_empty() {
            inner = Arc::new(Exit { layers: Arc::clone(&self.layers), actor, inner });
        }
        match &self.tracing {
            None => inner,
            Some(tracing) => Arc::new(Way { tracing: tracing.clone(), bindings: bindings.clone(), inner }),
        }
    }

    /// What stands at the entry of an actor, if anything does.
    fn entry(&self, actor: &str) -> Option<Arc<dyn Gate>> {
        let actor: Arc<str> = actor.into();
        let layers = || Entry { layers: Arc::clone(&self.layers), actor: Arc::clone(&actor) };
        let inner = (!self.layers.is_empty()).then(|| Arc::new(layers()) as Arc<dyn Gate>);
        match &self.tracing {
            None => inner,
            Some(tracing) => Some(Arc::new(Entrance { tracing: tracing.clone(), actor, inner })),
        }
    }

    /// Undoes what ties a removed actor to others, in both directions: actors that call each other would never end.
    fn forget(&self, registry: &Registry, removed: &ActorRef) {
        for actor in registry.actors() {
            let unlinked = actor.state().bindings.unlink(removed.key());
            if unlinked {
                self.settle(registry, actor, None);
            }
        }
        removed.state().bindings = Bindings::default();
        removed.end_deliveries();
        removed.guest().rewire(Arc::new(Bindings::default()));
        removed.guest().close();
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // It is whole at all times: nothing panics half way through a change.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("labels", &self.labels)
            .field("actors", &self.actors())
            .finish_non_exhaustive()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let actors = std::mem::take(&mut *self.registry());
        let nobody = Registry::default();
        for actor in actors.actors() {
            self.forget(&nobody, actor);
        }
    }
}

fn check_newer(actor: &ActorRef, update: &Claims) -> Result<(), HostError> {
    let present = actor.state().claims.wascap.rev.unwrap_or(0);
    let update = update.wascap.rev.unwrap_or(0);
    if update > present {
        Ok(())
    } else {
        Err(HostError::Revision { actor: actor.key().to_owned(), present, update })
    }
}

/// Asks a new revision whether it is well.
async fn ask(actor: &ActorRef, probe: &Guest, health: HealthCheck<'_>) -> Result<(), HostError> {
    let HealthCheck { operation, payload, patience } = health;
    // Not tokio's clock: an update may be made in any runtime. The thread ends with the answer.
    let (answered, waits) = mpsc::channel::<()>();
    let (late, is_late) = oneshot::channel::<()>();
    let timer = std::thread::Builder::new().spawn(move || {
        if waits.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Nobody waits any more if it has been answered just now.
            let _ = late.send(());
        }
    });
    timer.map_err(|error| EngineError::Setup(format!("no thread can be started: {error}")))?;
    let answer = tokio::select! {
        biased;
        answer = probe.call(operation, payload).wait() => answer,
        Ok(()) = is_late => {
            let (actor, operation) = (actor.key().to_owned(), operation.to_owned());
            return Err(HostError::NoAnswer { actor, operation, patience });
        }
    };
    drop(answered);
    answer.map(drop).map_err(|failure| HostError::Unhealthy { actor: actor.key().to_owned(), failure })
}
