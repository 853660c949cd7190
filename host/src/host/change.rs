//! Many changes at once: all of them, or none.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use pillion_capabilities::binding::Values;

use super::update::{Revision, check_update};
use super::wire::Replacement;
use super::{HealthCheck, HealthRequest, Host, Inner, Probation, Settings, Subscribed, Trial};
use crate::actor::ActorRef;
use crate::delivery::Deliveries;
use crate::dispatch::{BindError, Bindings, Contract, Link, Provider};
use crate::engine::{Dispatch, Program};
use crate::error::HostError;
use crate::identity::Claims;
use crate::registry::Registry;

/// What becomes of an actor. All of it was prepared, so that nothing has to be waited for.
pub(crate) struct Change {
    pub(crate) actor: ActorRef,
    /// Whether it is not on the host yet.
    pub(crate) added: bool,
    /// The claims of its new revision, if it has one.
    pub(crate) revision: Option<Arc<Claims>>,
    /// Its new program, of a new revision or with other limits.
    pub(crate) program: Option<Program>,
    pub(crate) edit: Edit,
    /// The subscriptions that end, by contract, binding and topic.
    pub(crate) ends: Vec<(Contract, Box<str>, Box<str>)>,
    /// Those that begin.
    pub(crate) begins: Vec<Subscribed>,
    pub(crate) probation: Option<(Probation, HealthRequest)>,
}

/// What changes of what an actor may reach.
#[derive(Default)]
pub(crate) struct Edit {
    pub(crate) unbind: Vec<(String, Contract)>,
    pub(crate) unlink: Vec<String>,
    /// With their numbers in the manifest, as the links.
    pub(crate) bind: Vec<(usize, String, Provider, Values)>,
    pub(crate) link: Vec<(usize, Link)>,
}

/// Which part of an [`Edit`] cannot be made true.
#[derive(Debug)]
pub(crate) enum Misfit {
    Binding(usize, BindError),
    Link(usize, BindError),
}

/// What is left to do after all was changed.
pub(crate) struct Committed {
    /// What calls under way may still reach, until they end.
    pub(crate) wirings: Vec<Weak<dyn Dispatch>>,
    /// Subscriptions that take no messages any more once they are drained.
    pub(crate) ended: Vec<Deliveries>,
    /// By the actor's public key.
    pub(crate) trials: Vec<(String, Trial)>,
}

// === impl Edit ===

impl Edit {
    pub(crate) fn is_empty(&self) -> bool {
        self.unbind.is_empty() && self.unlink.is_empty() && self.bind.is_empty() && self.link.is_empty()
    }

    /// What an actor may reach afterwards, by claims that grant these capabilities.
    pub(crate) fn apply(&self, bindings: &Bindings, granted: &[String]) -> Result<Bindings, Misfit> {
        let mut edited = bindings.regranted(granted.to_vec());
        for (binding, contract) in &self.unbind {
            // The new claims may not grant it any more.
            let _ = edited.unbind(binding, *contract);
        }
        for key in &self.unlink {
            edited.unlink(key);
        }
        for (number, binding, provider, values) in &self.bind {
            edited
                .bind_with(binding, provider.clone(), values)
                .map_err(|error| Misfit::Binding(*number, error))?;
        }
        for (number, link) in &self.link {
            edited.link(link).map_err(|error| Misfit::Link(*number, error))?;
        }
        Ok(edited)
    }
}

// === impl Host ===

impl Host {
    pub(crate) fn settings(&self) -> Settings {
        self.inner.settings.read().clone()
    }

    /// Whether the actor is on this host.
    pub(crate) fn has(&self, actor: &ActorRef) -> bool {
        self.inner.registry().check(actor).is_ok()
    }

    /// An actor that is bound to nothing, and not on this host yet.
    pub(crate) fn assemble(&self, claims: Claims, program: Program) -> ActorRef {
        self.inner.assemble(claims, program)
    }

    /// Asks a revision whether it is well, before it is published by these settings.
    pub(crate) async fn probe(
        &self,
        actor: &ActorRef,
        (claims, program): (&Arc<Claims>, &Program),
        bindings: Bindings,
        settings: &Settings,
        health: HealthCheck<'_>,
    ) -> Result<(), HostError> {
        let revision = Revision { claims: Arc::clone(claims), program: program.clone(), bindings };
        self.inner.probe(actor, &revision, settings, health).await
    }

    /// Changes settings and actors, and takes actors off the host. Each actor changes at once, one after the other; those
    /// that are removed are still reached by calls under way, until [`Host::release`]. To be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// With the number of the change that cannot be made; then none is.
    pub(crate) fn commit(
        &self,
        settings: &Settings,
        changes: Vec<Change>,
        removed: &[ActorRef],
    ) -> Result<Committed, (usize, HostError)> {
        let inner = &self.inner;
        let mut registry = inner.registry();
        let mut all_bindings = Vec::new();
        for (number, change) in changes.iter().enumerate() {
            all_bindings.push(check(&registry, change).map_err(|error| (number, error))?);
        }
        check_aliases(&registry, &changes, removed)?;

        // From here on nothing fails.
        let mut committed = Committed { wirings: Vec::new(), ended: Vec::new(), trials: Vec::new() };
        let rewired = {
            let mut present = inner.settings.write();
            let same = Arc::ptr_eq(&present.admission, &settings.admission)
                && present.anti_forgery == settings.anti_forgery;
            *present = settings.clone();
            !same
        };
        for actor in removed {
            // Somebody else may have removed it.
            if registry.retire(actor).is_ok() {
                committed.ended.append(&mut actor.state().deliveries);
            }
        }
        for change in changes.iter().filter(|change| change.added) {
            registry.put(&change.actor);
        }
        let mut changed = Vec::new();
        for (change, bindings) in changes.into_iter().zip(all_bindings) {
            changed.push(change.actor.clone());
            inner.commit(&registry, change, bindings, &mut committed);
        }
        if rewired {
            for actor in registry.actors().filter(|actor| !changed.iter().any(|other| other.is(actor))) {
                inner.rewire(actor, None);
            }
        }
        Ok(committed)
    }

    /// Lets go of an actor that was taken off this host. Answers what its calls under way may still reach.
    pub(crate) fn release(&self, actor: &ActorRef) -> Weak<dyn Dispatch> {
        let mut registry = self.inner.registry();
        let (_, wired) = actor.guest().wired();
        let wired = Arc::downgrade(&wired);
        if registry.release(actor) {
            self.inner.forget(&registry, actor);
        }
        wired
    }
}

// === impl Inner ===

impl Inner {
    fn commit(
        self: &Arc<Self>,
        registry: &Registry,
        change: Change,
        bindings: Bindings,
        committed: &mut Committed,
    ) {
        let Change { actor, added, revision, program, edit, ends, begins, probation } = change;
        let (_, wired) = actor.guest().wired();
        if !added {
            committed.wirings.push(Arc::downgrade(&wired));
        }
        drop(wired);
        {
            let mut state = actor.state();
            let ended = state.deliveries.extract_if(.., |it| {
                let unbound = |(binding, contract): &(String, Contract)| {
                    **binding == *it.binding && *contract == Contract::Messaging
                };
                let ends = ends.iter().any(|(contract, binding, topic)| it.is(*contract, binding, topic));
                ends || edit.unbind.iter().any(unbound)
            });
            committed.ended.extend(ended);
        }
        match (revision, program) {
            (Some(claims), Some(program)) => {
                let revision = Revision { claims, program, bindings };
                if let Some(trial) = self.publish(registry, &actor, revision, probation) {
                    committed.trials.push((actor.key().to_owned(), trial));
                }
            }
            (_, program) => {
                let watch = {
                    let mut state = actor.state();
                    state.bindings = bindings;
                    state.probation.as_ref().map(super::OnProbation::watch)
                };
                self.settle(registry, &actor, program.map(|program| Replacement { program, watch }));
            }
        }
        let mut state = actor.state();
        state.deliveries.extend(begins.into_iter().map(|begun| begun.start(&actor, self.tracing.as_ref())));
    }
}

// === free functions ===

/// What an actor may reach after its change, if it can be made.
fn check(registry: &Registry, change: &Change) -> Result<Bindings, HostError> {
    let Change { actor, added, revision, edit, .. } = change;
    if *added {
        if registry.find(actor.key()).is_some() {
            return Err(HostError::Loaded(actor.key().to_owned()));
        }
    } else {
        registry.check(actor)?;
        if let Some(claims) = revision {
            check_update(actor, claims)?;
        }
    }
    let state = actor.state();
    let claims = revision.as_ref().unwrap_or(&state.claims);
    edit.apply(&state.bindings, &claims.wascap.caps).map_err(|misfit| match misfit {
        Misfit::Binding(_, error) | Misfit::Link(_, error) => error.into(),
    })
}

/// Whether no two have the same alias after all changes, whichever of them goes back to its earlier revision. An alias
/// may well pass from one to the other.
fn check_aliases(
    registry: &Registry,
    changes: &[Change],
    removed: &[ActorRef],
) -> Result<(), (usize, HostError)> {
    let mut holders: BTreeMap<String, &str> = BTreeMap::new();
    for actor in registry.actors() {
        let changes = changes.iter().any(|change| change.actor.is(actor));
        if !changes && !removed.iter().any(|it| it.is(actor)) {
            let state = actor.state();
            let kept = state.probation.as_ref().and_then(super::OnProbation::alias);
            let aliases = [state.claims.wascap.call_alias.as_deref(), kept];
            holders.extend(aliases.into_iter().flatten().map(|alias| (alias.to_owned(), actor.key())));
        }
    }
    for (number, change) in changes.iter().enumerate() {
        let present = change.actor.claims();
        let alias = |claims: &Claims| claims.wascap.call_alias.clone();
        let aliases = match &change.revision {
            None => [alias(&present), None],
            Some(claims) => [alias(claims), change.probation.as_ref().and_then(|_| alias(&present))],
        };
        for alias in aliases.into_iter().flatten() {
            let key = change.actor.key();
            match holders.insert(alias.clone(), key) {
                Some(holder) if holder != key => {
                    let (module, holder) = (key.to_owned(), holder.to_owned());
                    return Err((number, HostError::AliasTaken { module, alias, holder }));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
