//! The actors of a host, and who of them has to wait.

use std::collections::{BTreeMap, BTreeSet};

use crate::actor::ActorRef;
use crate::error::HostError;
use crate::host::OnProbation;
use crate::identity::Claims;

/// The actors of a host by their public keys. Whoever changes an actor's state holds it.
#[derive(Default)]
pub(crate) struct Registry {
    actors: BTreeMap<String, ActorRef>,
    /// Those that are on the host no more, but may be reached by calls under way of others.
    retired: Vec<ActorRef>,
}

// === impl Registry ===

impl Registry {
    pub(crate) fn insert(&mut self, actor: &ActorRef) -> Result<(), HostError> {
        if self.actors.contains_key(actor.key()) {
            return Err(HostError::Loaded(actor.key().to_owned()));
        }
        self.check_alias(&actor.claims())?;
        self.put(actor);
        Ok(())
    }

    /// Takes an actor in whose key and alias are known to be free.
    pub(crate) fn put(&mut self, actor: &ActorRef) {
        self.actors.insert(actor.key().to_owned(), actor.clone());
    }

    pub(crate) fn remove(&mut self, actor: &ActorRef) -> Result<(), HostError> {
        self.check(actor)?;
        self.actors.remove(actor.key());
        Ok(())
    }

    /// Takes an actor off the host that calls under way may still reach, until [`Registry::release`].
    pub(crate) fn retire(&mut self, actor: &ActorRef) -> Result<(), HostError> {
        self.remove(actor)?;
        self.retired.push(actor.clone());
        Ok(())
    }

    /// Lets go of a retired actor; answers whether it was there.
    pub(crate) fn release(&mut self, actor: &ActorRef) -> bool {
        let before = self.retired.len();
        self.retired.retain(|retired| !retired.is(actor));
        self.retired.len() < before
    }

    /// Whether the actor is on this host.
    pub(crate) fn check(&self, actor: &ActorRef) -> Result<(), HostError> {
        match self.actors.get(actor.key()) {
            Some(here) if here.is(actor) => Ok(()),
            _ => Err(HostError::NotHere(actor.key().to_owned())),
        }
    }

    /// Whether nobody else has the alias in these claims. The other way round there is nothing to look for: what looks
    /// like a public key is no alias of anybody's, by its admission.
    pub(crate) fn check_alias(&self, claims: &Claims) -> Result<(), HostError> {
        let Some(alias) = &claims.wascap.call_alias else { return Ok(()) };
        match self.holder(alias) {
            Some(holder) if holder.key() != claims.sub => Err(HostError::AliasTaken {
                module: claims.sub.clone(),
                alias: alias.clone(),
                holder: holder.key().to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The actors, and those that are retired.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ActorRef> {
        self.actors.values().chain(&self.retired)
    }

    pub(crate) fn actors(&self) -> impl Iterator<Item = &ActorRef> {
        self.actors.values()
    }

    /// By public key or alias.
    pub(crate) fn find(&self, name: &str) -> Option<&ActorRef> {
        let aliased = |actor: &&ActorRef| actor.claims().wascap.call_alias.as_deref() == Some(name);
        self.actors.get(name).or_else(|| self.actors().find(aliased))
    }

    /// Who has that name, or will have it again if its revision does not prove itself.
    fn holder(&self, name: &str) -> Option<&ActorRef> {
        let kept = |actor: &&ActorRef| {
            let state = actor.state();
            state.probation.as_ref().and_then(OnProbation::alias) == Some(name)
        };
        self.find(name).or_else(|| self.actors().find(kept))
    }

    /// Works out whose links lead to actors that may have to wait, after a change of one of them. Answers whose links do
    /// so now and did not before, in the order of the way from the changed one outwards, and whose do no longer.
    pub(crate) fn settle(&self, changed: &ActorRef, changed_waits: bool) -> (Vec<ActorRef>, Vec<ActorRef>) {
        let mut waits: BTreeSet<&str> = BTreeSet::new();
        for actor in self.all() {
            let always = if actor.is(changed) { changed_waits } else { actor.guest().always_waits() };
            if always || !actor.state().bindings.providers_ready() {
                waits.insert(actor.key());
            }
        }
        let mut links_wait = Vec::new();
        loop {
            let before = links_wait.len();
            for actor in self.all() {
                let known = links_wait.iter().any(|other: &&ActorRef| other.is(actor));
                if !known && actor.state().bindings.linked().any(|key| waits.contains(key)) {
                    waits.insert(actor.key());
                    links_wait.push(actor);
                }
            }
            if links_wait.len() == before {
                break;
            }
        }
        let (mut waiting, mut ready) = (Vec::new(), Vec::new());
        let others = self.all().filter(|actor| !links_wait.iter().any(|other| other.is(actor)));
        for actor in others {
            if actor.state().bindings.set_links_wait(false) {
                ready.push(actor.clone());
            }
        }
        for actor in links_wait {
            if actor.state().bindings.set_links_wait(true) {
                waiting.push(actor.clone());
            }
        }
        (waiting, ready)
    }

    /// Renews the links to an actor, whose alias may have changed; `rewire` is called for each that has one.
    pub(crate) fn relink(&self, target: &ActorRef, rewire: impl Fn(&ActorRef)) {
        let link = target.link();
        for actor in self.actors() {
            let mut state = actor.state();
            let linked = state.bindings.linked().any(|key| key == target.key());
            if linked {
                // An error takes the link away: the claims grant neither key nor the new alias.
                let _ = state.bindings.link(&link);
                drop(state);
                rewire(actor);
            }
        }
    }
}
