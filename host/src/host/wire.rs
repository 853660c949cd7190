//! An actor is wired as its state says: what stands between its guest and what it may reach.

use std::sync::Arc;

use super::{Inner, Settings};
use crate::actor::ActorRef;
use crate::dispatch::{BindError, Bindings};
use crate::engine::{Dispatch, Gate, Program, Watch};
use crate::error::HostError;
use crate::expiry::Expiring;
use crate::identity::Claims;
use crate::middleware::{Entry, Exit};
use crate::policy::{AntiForgery, Guard, Notarized};
use crate::registry::Registry;
use crate::traced::{Entrance, Way};

/// A program that is to take the place of the present one.
pub(super) struct Replacement {
    pub(super) program: Program,
    /// Who is told how its calls end.
    pub(super) watch: Option<Arc<dyn Watch>>,
}

impl Inner {
    /// Changes what an actor may reach.
    pub(super) fn change(
        &self,
        actor: &ActorRef,
        change: impl FnOnce(&mut Bindings) -> Result<(), BindError>,
    ) -> Result<(), HostError> {
        self.change_in(&self.registry(), actor, change)
    }

    pub(super) fn change_in(
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
    pub(super) fn settle(&self, registry: &Registry, changed: &ActorRef, program: Option<Replacement>) {
        let always_waits =
            program.as_ref().map_or_else(|| changed.guest().always_waits(), |it| it.program.always_waits());
        let (waiting, ready) = registry.settle(changed, always_waits);
        for actor in waiting.iter().rev().filter(|actor| !actor.is(changed)) {
            self.rewire(actor, None);
        }
        self.rewire(changed, program);
        for actor in ready.iter().filter(|actor| !actor.is(changed)) {
            self.rewire(actor, None);
        }
    }

    pub(super) fn rewire(&self, actor: &ActorRef, program: Option<Replacement>) {
        let (bindings, claims) = {
            let state = actor.state();
            (state.bindings.clone(), Arc::clone(&state.claims))
        };
        let dispatch = self.dispatch(&bindings, &claims);
        match program {
            Some(Replacement { program, watch: Some(watch) }) => {
                actor.guest().replace_watched(program, dispatch, watch);
            }
            Some(Replacement { program, watch: None }) => actor.guest().replace(program, dispatch),
            None => actor.guest().rewire(dispatch),
        }
    }

    pub(super) fn dispatch(&self, bindings: &Bindings, claims: &Arc<Claims>) -> Arc<dyn Dispatch> {
        let settings = self.settings.read().clone();
        self.dispatch_by(&settings, bindings, claims)
    }

    pub(super) fn dispatch_by(
        &self,
        settings: &Settings,
        bindings: &Bindings,
        claims: &Arc<Claims>,
    ) -> Arc<dyn Dispatch> {
        let authorizer = settings.admission.authorizer.clone();
        let granted: Arc<dyn Dispatch> = match authorizer {
            None => Arc::new(bindings.clone()),
            Some(authorizer) => Arc::new(Guard::new(bindings.clone(), Arc::clone(claims), authorizer)),
        };
        let actor: Arc<str> = claims.sub.as_str().into();
        let signed: Arc<dyn Dispatch> = match settings.anti_forgery {
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
    pub(super) fn entry(&self, actor: &str) -> Option<Arc<dyn Gate>> {
        let actor: Arc<str> = actor.into();
        let layers = || Entry { layers: Arc::clone(&self.layers), actor: Arc::clone(&actor) };
        let inner = (!self.layers.is_empty()).then(|| Arc::new(layers()) as Arc<dyn Gate>);
        match &self.tracing {
            None => inner,
            Some(tracing) => Some(Arc::new(Entrance { tracing: tracing.clone(), actor, inner })),
        }
    }
}
