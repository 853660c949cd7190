//! A loaded actor.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde::Serialize;

use crate::delivery::Deliveries;
use crate::dispatch::{Bindings, Contract, Link};
use crate::engine::Guest;
use crate::host::{OnProbation, ProbationInfo, RolledBackInfo};
use crate::identity::Claims;

/// A loaded actor. Clones are the same actor.
#[derive(Clone)]
pub struct ActorRef {
    inner: Arc<Actor>,
}

/// An actor that ends without regard to this.
#[derive(Clone)]
pub(crate) struct WeakActor {
    inner: Weak<Actor>,
}

struct Actor {
    key: String,
    guest: Guest,
    state: Mutex<State>,
}

/// What changes by update and by binding. Whoever changes it holds the host's registry too.
pub(crate) struct State {
    pub(crate) claims: Arc<Claims>,
    pub(crate) bindings: Bindings,
    pub(crate) deliveries: Vec<Deliveries>,
    /// Whether its revision has to prove itself yet.
    pub(crate) probation: Option<OnProbation>,
    /// The revision that did not, if that was its last update.
    pub(crate) rolled_back: Option<RolledBackInfo>,
}

/// What there is to know about an actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ActorInfo {
    /// Its public key, `M…`.
    pub key: String,
    /// Its name, for people.
    pub name: Option<String>,
    /// The other name under which actors may call it.
    pub call_alias: Option<String>,
    /// The public key of the account that signed it, `A…`.
    pub issuer: String,
    /// Its revision.
    pub revision: Option<i32>,
    /// Its version, for people.
    pub version: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// What its claims grant.
    pub capabilities: Vec<String>,
    /// What it is bound to.
    pub bindings: Vec<BindingInfo>,
    /// The topics that it is subscribed to.
    pub subscriptions: Vec<String>,
    /// The streams of events that it is subscribed to.
    pub event_streams: Vec<String>,
    /// The public keys of the actors that it may call.
    pub links: Vec<String>,
    /// When its token expires, in Unix seconds.
    pub expires: Option<u64>,
    /// Whether its token has expired, so that it is given no request, no message and no capability.
    pub expired: bool,
    /// Whether every call of it is done when it returns, unless it has to wait for its turn.
    pub always_ready: bool,
    /// How its revision does on probation, if it is on one.
    pub probation: Option<ProbationInfo>,
    /// The revision that it went back from, if that was its last update.
    pub rolled_back: Option<RolledBackInfo>,
    /// How many instances of it there are, idle ones included.
    pub instances: usize,
    /// How many calls of it wait for their turn.
    pub queued: usize,
}

/// One binding of an actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BindingInfo {
    /// The binding's name, as `default`.
    pub binding: String,
    /// The contract, as `wascc:keyvalue`.
    pub contract: &'static str,
    /// The provider, as `redis`.
    pub provider: &'static str,
}

// === impl State ===

impl State {
    /// What it is subscribed to by providers of that contract.
    fn subscribed(&self, contract: Contract) -> Vec<String> {
        let all = self.deliveries.iter().filter(|it| it.contract() == contract);
        all.map(|it| it.topic.to_string()).collect()
    }
}

// === impl ActorRef ===

impl ActorRef {
    pub(crate) fn new(claims: Claims, guest: Guest, bindings: Bindings) -> Self {
        let key = claims.sub.clone();
        let state = State {
            claims: Arc::new(claims),
            bindings,
            deliveries: Vec::new(),
            probation: None,
            rolled_back: None,
        };
        let state = Mutex::new(state);
        Self { inner: Arc::new(Actor { key, guest, state }) }
    }

    /// Its public key, `M…`: who it is, whatever its revision.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.inner.key
    }

    /// The verified claims of its present revision.
    #[must_use]
    pub fn claims(&self) -> Arc<Claims> {
        Arc::clone(&self.state().claims)
    }

    /// Whether every call is done when it returns.
    #[must_use]
    pub fn always_ready(&self) -> bool {
        self.inner.guest.always_ready()
    }

    /// What there is to know about it now.
    #[must_use]
    pub fn info(&self) -> ActorInfo {
        let state = self.state();
        let wascap = &state.claims.wascap;
        let binding = |(binding, provider): (&str, &crate::dispatch::Provider)| BindingInfo {
            binding: binding.to_owned(),
            contract: provider.contract().name(),
            provider: provider.name(),
        };
        ActorInfo {
            key: self.inner.key.clone(),
            name: wascap.name.clone(),
            call_alias: wascap.call_alias.clone(),
            issuer: state.claims.iss.clone(),
            revision: wascap.rev,
            version: wascap.ver.clone(),
            tags: wascap.tags.clone(),
            capabilities: wascap.caps.clone(),
            bindings: state.bindings.bound().map(binding).collect(),
            subscriptions: state.subscribed(Contract::Messaging),
            event_streams: state.subscribed(Contract::EventStreams),
            links: state.bindings.linked().map(str::to_owned).collect(),
            expires: state.claims.exp,
            expired: state.claims.expired().is_some(),
            always_ready: self.inner.guest.always_ready(),
            probation: state.probation.as_ref().map(OnProbation::info),
            rolled_back: state.rolled_back.clone(),
            instances: self.inner.guest.instances(),
            queued: self.inner.guest.queued(),
        }
    }

    pub(crate) fn downgrade(&self) -> WeakActor {
        WeakActor { inner: Arc::downgrade(&self.inner) }
    }

    pub(crate) fn guest(&self) -> &Guest {
        &self.inner.guest
    }

    pub(crate) fn link(&self) -> Link {
        Link::new(&self.inner.key, self.state().claims.wascap.call_alias.as_deref(), &self.inner.guest)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // It is whole at all times: nothing panics half way through a change.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the subscriptions whose bindings are not there any more.
    pub(crate) fn end_deliveries(&self) {
        let state = &mut *self.state();
        state.deliveries.retain(|it| state.bindings.provider(&it.binding, it.contract()).is_some());
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

// === impl WeakActor ===

impl WeakActor {
    /// The actor, unless it has ended.
    pub(crate) fn upgrade(&self) -> Option<ActorRef> {
        self.inner.upgrade().map(|inner| ActorRef { inner })
    }
}

impl fmt::Debug for ActorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "actor {}", self.inner.key)
    }
}
