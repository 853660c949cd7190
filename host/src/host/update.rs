//! A newer revision in an actor's place.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

use super::probation::{OnProbation, Previous, Watching};
use super::wire::Replacement;
use super::{Host, Inner, Probation, Settings, Trial, Verdict};
use crate::actor::ActorRef;
use crate::dispatch::Bindings;
use crate::engine::{EngineError, Guest, Program, Watch};
use crate::error::HostError;
use crate::identity::Claims;
use crate::registry::Registry;

/// How a new revision is asked whether it is well, before it takes its predecessor's place, and on probation.
#[derive(Clone, Copy, Debug)]
pub struct HealthCheck<'a> {
    /// The operation, as waSCC's `HealthRequest`.
    pub operation: &'a str,
    /// The request.
    pub payload: &'a [u8],
    /// How long it may take to answer, waiting for its providers counted; in steps of 10 ms.
    pub patience: Duration,
}

/// A [`HealthCheck`] that can be made later, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HealthRequest {
    pub(crate) operation: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) patience: Duration,
}

/// A revision that is checked and may be published.
pub(super) struct Revision {
    pub(super) claims: Arc<Claims>,
    pub(super) program: Program,
    /// What it is to reach.
    pub(super) bindings: Bindings,
}

// === impl HealthCheck ===

impl Default for HealthCheck<'_> {
    /// An empty `HealthRequest`, to be answered within 10 s.
    fn default() -> Self {
        Self { operation: "HealthRequest", payload: &[], patience: Duration::from_secs(10) }
    }
}

// === impl HealthRequest ===

impl HealthRequest {
    pub(crate) fn check(&self) -> HealthCheck<'_> {
        HealthCheck { operation: &self.operation, payload: &self.payload, patience: self.patience }
    }
}

impl From<HealthCheck<'_>> for HealthRequest {
    fn from(check: HealthCheck<'_>) -> Self {
        let HealthCheck { operation, payload, patience } = check;
        Self { operation: operation.to_owned(), payload: payload.to_owned(), patience }
    }
}

// === impl Host ===

impl Host {
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
        self.publish(actor, wasm, health, None).await.map(drop)
    }

    /// As [`Host::update`], and watches the new revision once it runs. Unless it proves itself as the [`Probation`] asks
    /// for, the actor goes back to the revision before it: at once, on the thread whose call was one failure too many, so
    /// that the next call runs the old code. Calls under way end on the code they began with. That its revision is not
    /// newer does not matter here.
    ///
    /// The earlier revision's code is kept until the new one is confirmed, and then freed; a new one that is dropped is
    /// freed with the last of its calls. Going back brings bindings and links back that the new claims did not grant, but
    /// not the subscriptions that ended with them; what was bound and linked meanwhile stays as far as the old claims
    /// grant it. When an update takes the place of a revision on probation, going back leads to the last one that was
    /// confirmed.
    ///
    /// With [`Probation::asks`] to be called within a tokio runtime, on which the actor is then asked by the health check,
    /// or the default one.
    ///
    /// # Errors
    /// As [`Host::update`]; and outside of a tokio runtime, if there is to be asked.
    pub async fn update_on_probation(
        &self,
        actor: &ActorRef,
        wasm: &[u8],
        health: Option<HealthCheck<'_>>,
        probation: Probation,
    ) -> Result<Trial, HostError> {
        if probation.asks > 0 && tokio::runtime::Handle::try_current().is_err() {
            return Err(HostError::NoRuntime);
        }
        let request = HealthRequest::from(health.unwrap_or_default());
        let trial = self.publish(actor, wasm, health, Some((probation, request))).await?;
        Ok(trial.unwrap_or_else(|| Trial::ended(Verdict::Confirmed)))
    }

    async fn publish(
        &self,
        actor: &ActorRef,
        wasm: &[u8],
        health: Option<HealthCheck<'_>>,
        probation: Option<(Probation, HealthRequest)>,
    ) -> Result<Option<Trial>, HostError> {
        loop {
            let settings = self.inner.settings.read().clone();
            let limits = actor.guest().limits();
            let (claims, program) = settings.admission.admit_aside(wasm, limits).await?;
            check_update(actor, &claims)?;
            let claims = Arc::new(claims);
            let caps = || claims.wascap.caps.clone();
            if let Some(health) = health {
                let bindings = actor.state().bindings.regranted(caps());
                let revision = Revision { claims: Arc::clone(&claims), program: program.clone(), bindings };
                self.inner.probe(actor, &revision, &settings, health).await?;
            }
            let registry = self.inner.registry();
            registry.check(actor)?;
            // Another update may have been faster.
            check_update(actor, &claims)?;
            registry.check_alias(&claims)?;
            // Nothing gets in by a trust and policies that are no more, nor by limits.
            if Arc::ptr_eq(&settings.admission, &self.inner.admission()) && actor.guest().limits() == limits {
                let bindings = actor.state().bindings.regranted(caps());
                let revision = Revision { claims, program, bindings };
                return Ok(self.inner.publish(&registry, actor, revision, probation));
            }
        }
    }
}

// === impl Inner ===

impl Inner {
    /// Asks a revision whether it is well before it is published.
    pub(super) async fn probe(
        &self,
        actor: &ActorRef,
        revision: &Revision,
        settings: &Settings,
        health: HealthCheck<'_>,
    ) -> Result<(), HostError> {
        let Revision { claims, program, bindings } = revision;
        // A probe that is always ready is done when its call returns, so that only its deadline can end it.
        let dispatch = self.dispatch_by(settings, bindings, claims);
        ask(actor, &Guest::new(program.clone().within(health.patience), dispatch), health).await
    }

    /// Puts a revision in its predecessor's place. Whoever calls this has checked it, with the registry locked.
    pub(super) fn publish(
        self: &Arc<Self>,
        registry: &Registry,
        actor: &ActorRef,
        revision: Revision,
        probation: Option<(Probation, HealthRequest)>,
    ) -> Option<Trial> {
        let Revision { claims, program, bindings } = revision;
        let (earlier, _) = actor.guest().wired();
        let (mut watch, mut asking) = (None, None);
        if let Some((probation, health)) = probation.filter(|(probation, _)| !probation.is_none()) {
            let (watching, trial) = Watching::begin(self, actor, probation);
            asking = Some((Arc::clone(&watching), health, trial));
            watch = Some(watching);
        }
        let superseded = {
            let mut state = actor.state();
            let mut superseded = state.probation.take();
            if let Some(watching) = &watch {
                // Of two in a row that have not proved themselves, neither is what to go back to.
                let confirmed = superseded.as_mut().and_then(|it| it.previous.take());
                let previous = confirmed.unwrap_or_else(|| Previous {
                    claims: Arc::clone(&state.claims),
                    program: earlier,
                    before: state.bindings.clone(),
                    after: Bindings::default(),
                });
                let previous = Some(Previous { after: bindings.clone(), ..previous });
                state.probation = Some(OnProbation { watching: Arc::clone(watching), previous });
            }
            state.bindings = bindings;
            state.claims = claims;
            state.rolled_back = None;
            state.bindings.set_claims(&state.claims);
            superseded
        };
        drop(superseded);
        let watch = watch.map(|watching| watching as Arc<dyn Watch>);
        self.replace(registry, actor, Replacement { program, watch });
        asking.map(|(watching, health, trial)| {
            watching.ask(health);
            trial
        })
    }

    /// Wires an actor to another program, by its state.
    pub(super) fn replace(&self, registry: &Registry, actor: &ActorRef, replacement: Replacement) {
        actor.end_deliveries();
        // First, so that whoever lost its link does not wait for this actor any more.
        registry.relink(actor, |other| self.rewire(other, None));
        self.settle(registry, actor, Some(replacement));
        actor.guest().set_end(actor.claims().exp);
    }
}

// === free functions ===

/// Whether it is of the same module, and newer.
pub(crate) fn check_update(actor: &ActorRef, update: &Claims) -> Result<(), HostError> {
    if update.sub != actor.key() {
        return Err(HostError::OtherModule { actor: actor.key().to_owned(), module: update.sub.clone() });
    }
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
