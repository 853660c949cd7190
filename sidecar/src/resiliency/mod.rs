//! Dapr's `Resiliency`: how long calls of apps and components may take, how often they are tried again, and when they are
//! given up for a while.
//!
//! Where there is no such resource, nothing of it is on the way of any call.

mod breaker;
pub(crate) mod duration;
mod policy;
mod provider;
mod read;
mod replay;
mod retry;
mod spec;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use policy::{Judged, Policy, Stopped};
pub(crate) use provider::{called, judged};
pub(crate) use read::read;
pub(crate) use replay::Replay;

use crate::metrics::Tallies;
use breaker::{Breaker, Trip};
pub(crate) use retry::{Attempts, Retry};

/// What the resources of a sidecar say.
#[derive(Debug, Default)]
pub(crate) struct Resiliency {
    apps: HashMap<String, AppTarget>,
    /// By component: outbound, inbound.
    components: HashMap<String, (Named, Named)>,
    timeouts: HashMap<String, Duration>,
    retries: HashMap<String, Retry>,
    breakers: HashMap<String, Trip>,
    /// The breakers of calls that no target names, by what is called.
    others: Mutex<Bounded>,
    /// The names of the resources, in the order in which they were read.
    pub(crate) names: Vec<String>,
    /// What is counted of each target.
    pub(crate) tallies: Tallies,
}

/// Names of policies; empty is none.
#[derive(Clone, Debug, Default)]
struct Named {
    timeout: String,
    retry: String,
    breaker: String,
    /// A component has one breaker for all of its calls.
    own: Option<Arc<Breaker>>,
}

/// What is said of an app.
#[derive(Debug, Default)]
struct AppTarget {
    named: Named,
    /// Each method of an app has a breaker of its own.
    breakers: Mutex<Bounded>,
}

/// Breakers by what is called; the eldest go first, as there is no end of what may be called.
#[derive(Debug, Default)]
struct Bounded {
    most: usize,
    order: VecDeque<String>,
    by_name: HashMap<String, Arc<Breaker>>,
}

/// As many breakers as Dapr has for an app by default.
const BREAKERS: usize = 100;

/// Which way a component is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The component is called.
    Outbound,
    /// The app is called with what came from it.
    Inbound,
}

// === impl Resiliency ===

impl Resiliency {
    /// The policy for calls of an app's method; nothing if none is said. What an app's target does not say, Dapr's default
    /// policies do, if there are any of those names.
    pub(crate) fn app(&self, id: &str, method: &str) -> Option<Policy> {
        let none = Named::default();
        let target = self.apps.get(id);
        let named = target.map_or(&none, |target| &target.named);
        let timeout = self.timeout(&named.timeout, &["DefaultAppTimeoutPolicy", "DefaultTimeoutPolicy"]);
        let retry = self.retry(&named.retry, &["DefaultAppRetryPolicy", "DefaultRetryPolicy"]);
        let trip =
            self.trip(&named.breaker, &["DefaultAppCircuitBreakerPolicy", "DefaultCircuitBreakerPolicy"]);
        let breakers = target.map_or(&self.others, |target| &target.breakers);
        let breaker = trip.map(|trip| {
            let mut breakers = breakers.lock().unwrap_or_else(PoisonError::into_inner);
            breakers.get(&format!("{id}:{method}"), trip)
        });
        Policy::of(timeout, retry, breaker, || self.tallies.of_app(id))
    }

    /// Whether something is said of an app: then what is built in is not done.
    pub(crate) fn names_app(&self, id: &str) -> bool {
        self.apps.contains_key(id)
    }

    /// What is done where a sidecar cannot be reached, if it is not what is built in.
    pub(crate) fn built_in_retries(&self) -> Option<&Retry> {
        self.retries.get("DaprBuiltInServiceRetries")
    }

    /// The policy for a component, of a type as `Statestore` or `Pubsub`; nothing if none is said.
    pub(crate) fn component(&self, name: &str, kind: &str, direction: Direction) -> Option<Policy> {
        let none = Named::default();
        let named = self.components.get(name).map_or(&none, |(outbound, inbound)| match direction {
            Direction::Outbound => outbound,
            Direction::Inbound => inbound,
        });
        let way = match direction {
            Direction::Outbound => "Outbound",
            Direction::Inbound => "Inbound",
        };
        let names = |what: &str| {
            [
                format!("Default{kind}Component{way}{what}Policy"),
                format!("DefaultComponent{way}{what}Policy"),
                format!("Default{what}Policy"),
            ]
        };
        let (timeouts, retries, breakers) = (names("Timeout"), names("Retry"), names("CircuitBreaker"));
        let breaker = named.own.clone().or_else(|| {
            let trip = self.trip(&named.breaker, &breakers.each_ref().map(String::as_str))?;
            let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
            Some(others.get(&format!("{name}-{way}"), trip))
        });
        let timeout = self.timeout(&named.timeout, &timeouts.each_ref().map(String::as_str));
        let retry = self.retry(&named.retry, &retries.each_ref().map(String::as_str));
        let direction = match direction {
            Direction::Outbound => "outbound",
            Direction::Inbound => "inbound",
        };
        Policy::of(timeout, retry, breaker, || self.tallies.of_component(direction, kind, name))
    }

    fn timeout(&self, name: &str, defaults: &[&str]) -> Option<Duration> {
        let found = named(&self.timeouts, name, defaults).copied();
        // As with Dapr, none at all.
        found.filter(|timeout| !timeout.is_zero())
    }

    fn retry(&self, name: &str, defaults: &[&str]) -> Option<Retry> {
        named(&self.retries, name, defaults).cloned()
    }

    fn trip(&self, name: &str, defaults: &[&str]) -> Option<&Trip> {
        named(&self.breakers, name, defaults)
    }
}

/// The policy of a name, or the first of the default ones that is there.
fn named<'a, T>(policies: &'a HashMap<String, T>, name: &str, defaults: &[&str]) -> Option<&'a T> {
    if name.is_empty() { defaults.iter().find_map(|name| policies.get(*name)) } else { policies.get(name) }
}

// === impl Bounded ===

impl Bounded {
    fn get(&mut self, name: &str, trip: &Trip) -> Arc<Breaker> {
        if let Some(breaker) = self.by_name.get(name) {
            return Arc::clone(breaker);
        }
        let most = if self.most == 0 { BREAKERS } else { self.most };
        while self.by_name.len() >= most {
            let Some(eldest) = self.order.pop_front() else { break };
            self.by_name.remove(&eldest);
        }
        let breaker = Arc::new(Breaker::new(name.to_owned(), trip.clone()));
        self.order.push_back(name.to_owned());
        self.by_name.insert(name.to_owned(), Arc::clone(&breaker));
        breaker
    }
}
