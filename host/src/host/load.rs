//! Actors come and go.

use std::sync::Arc;

use super::{Host, Inner};
use crate::actor::ActorRef;
use crate::dispatch::Bindings;
use crate::engine::{Guest, Limits, Program};
use crate::error::HostError;
use crate::identity::Claims;
use crate::registry::Registry;

impl Host {
    /// Loads a signed module. Nothing of it is looked at further before its identity is verified.
    ///
    /// # Errors
    /// When it is not properly signed by an account that is trusted or vouched for, denied by the authorizer, loaded
    /// already, or cannot be run.
    pub fn load(&self, wasm: &[u8]) -> Result<ActorRef, HostError> {
        self.load_with(wasm, self.inner.limits)
    }

    /// As [`Host::load`], with limits of its own.
    ///
    /// # Errors
    /// As [`Host::load`].
    pub fn load_with(&self, wasm: &[u8], limits: Limits) -> Result<ActorRef, HostError> {
        loop {
            let admission = self.inner.admission();
            let (claims, program) = admission.admit(wasm, limits)?;
            let mut registry = self.inner.registry();
            // Nothing gets in by a trust and policies that are no more.
            if Arc::ptr_eq(&admission, &self.inner.admission()) {
                let actor = self.inner.assemble(claims, program);
                registry.insert(&actor)?;
                return Ok(actor);
            }
        }
    }

    /// Removes an actor. Calls under way end as they would have; later ones are refused. Nobody is linked to it any more.
    ///
    /// # Errors
    /// When it is not on this host.
    pub fn remove(&self, actor: &ActorRef) -> Result<(), HostError> {
        let mut registry = self.inner.registry();
        registry.remove(actor)?;
        self.inner.forget(&registry, actor);
        Ok(())
    }
}

impl Inner {
    /// An actor that is bound to nothing, and not on the host yet.
    pub(super) fn assemble(&self, claims: Claims, program: Program) -> ActorRef {
        let mut bindings = Bindings::new(&claims.sub, claims.wascap.caps.clone());
        let dispatch = self.dispatch(&bindings, &Arc::new(claims.clone()));
        let guest = Guest::gated(program, dispatch, self.entry(&claims.sub));
        bindings.set_guest(&guest);
        let actor = ActorRef::new(claims, guest, bindings);
        {
            let state = actor.state();
            state.bindings.set_claims(&state.claims);
        }
        actor.guest().set_end(actor.claims().exp);
        actor
    }

    /// Undoes what ties a removed actor to others, in both directions: actors that call each other would never end.
    pub(super) fn forget(&self, registry: &Registry, removed: &ActorRef) {
        for actor in registry.actors() {
            let unlinked = actor.state().bindings.unlink(removed.key());
            if unlinked {
                self.settle(registry, actor, None);
            }
        }
        let on_probation = {
            let mut state = removed.state();
            state.bindings = Bindings::default();
            state.probation.take()
        };
        drop(on_probation);
        removed.end_deliveries();
        removed.guest().rewire(Arc::new(Bindings::default()));
        removed.guest().close();
    }
}
