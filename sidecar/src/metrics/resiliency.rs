//! What is counted of policies.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::series::Series;
use super::shard::Sharded;

/// The policies for one target: how often each was there for a call, and how often it did something about one.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    applied: Sharded<{ Kind::ALL.len() }>,
    activated: Sharded<{ Kind::ALL.len() }>,
}

/// A policy; a circuit breaker in one of its states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Timeout,
    Retry,
    Closed,
    HalfOpen,
    Open,
}

/// The tallies of all targets.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    apps: Series<(), Tally>,
    components: RwLock<BTreeMap<(&'static str, String), Arc<Tally>>>,
}

/// A target as it is told: which way it is called, what it is, and what was counted.
pub(super) type Told = (&'static str, String, Arc<Tally>);

/// An app is called from here.
const OUTBOUND: &str = "outbound";

// === impl Tally ===

impl Tally {
    /// A policy is there for a call.
    pub(crate) fn applied(&self, kind: Kind) {
        self.applied.add(&[(kind as usize, 1)]);
    }

    /// A policy did something: a call was given up or tried again, or a circuit breaker came into this state.
    pub(crate) fn activated(&self, kind: Kind) {
        self.activated.add(&[(kind as usize, 1)]);
    }

    /// How often each was there, and did something.
    pub(super) fn all(&self) -> impl Iterator<Item = (Kind, u64, u64)> {
        let numbers = self.applied.sum().into_iter().zip(self.activated.sum());
        Kind::ALL.into_iter().zip(numbers).map(|(kind, (applied, activated))| (kind, applied, activated))
    }
}

// === impl Kind ===

impl Kind {
    const ALL: [Self; 5] = [Self::Timeout, Self::Retry, Self::Closed, Self::HalfOpen, Self::Open];

    /// The policy, and the state of one that has any.
    pub(super) const fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Timeout => ("timeout", ""),
            Self::Retry => ("retry", ""),
            Self::Closed => ("circuitbreaker", "closed"),
            Self::HalfOpen => ("circuitbreaker", "half-open"),
            Self::Open => ("circuitbreaker", "open"),
        }
    }
}

// === impl Tallies ===

impl Tallies {
    /// That of an app. Default policies are for all, whatever callers call them.
    pub(crate) fn of_app(&self, id: &str) -> Arc<Tally> {
        self.apps.with(id, (), Arc::clone)
    }

    /// That of a component of a kind, called this way.
    pub(crate) fn of_component(&self, way: &'static str, kind: &str, name: &str) -> Arc<Tally> {
        let mut components = self.components.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(components.entry((way, format!("{kind}_{name}"))).or_default())
    }

    /// All of them, with Dapr's names for targets.
    pub(super) fn all(&self) -> Vec<Told> {
        let apps = self.apps.all().into_iter().map(|(id, (), tally)| (OUTBOUND, format!("app_{id}"), tally));
        let components = self.components.read().unwrap_or_else(PoisonError::into_inner);
        let told = components.iter().map(|((way, target), tally)| (*way, target.clone(), Arc::clone(tally)));
        apps.chain(told).collect()
    }
}
