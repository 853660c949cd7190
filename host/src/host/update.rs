//! A newer revision in an actor's place.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Host;
use crate::actor::ActorRef;
use crate::engine::{EngineError, Guest};
use crate::error::HostError;
use crate::identity::Claims;

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
            let probe = Guest::new(
                program.clone().within(health.patience),
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
        actor.guest().set_end(actor.claims().exp);
        Ok(())
    }
}

// === free functions ===

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
