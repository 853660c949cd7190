//! What an actor may reach: the part of its claims that a binding or a link made real.

use std::fmt;
use std::sync::Arc;

use pillion_capabilities::binding::{Binding, Told, Values};
use pillion_capabilities::logging::{LONGEST_TEXT, plain};
use pillion_capabilities::{EventStreams, Messaging};

use super::caller::Caller;
use super::link::Link;
use super::provider::{Contract, Provider};
use crate::engine::{Dispatch, Dispatched, Guest, HostCall, Reply};
use crate::identity::Claims;

/// What the empty binding of AssemblyScript actors means.
const DEFAULT: &str = "default";

/// What an actor may reach. Everything else is denied.
///
/// Whether the claims grant a contract is decided when it is bound: there is a route only for what was granted, so
/// that a call pays for no more than finding its route.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    /// The actor, for providers that tell actors apart or call back.
    caller: Caller,
    /// The contracts and actors that the claims grant.
    granted: Vec<String>,
    routes: Vec<Route>,
    /// The names under which other actors may be called.
    links: Vec<(Box<str>, Link)>,
    /// Whether an actor that is linked to may have to wait.
    links_wait: bool,
}

#[derive(Clone, Debug)]
struct Route {
    binding: Box<str>,
    namespace: &'static str,
    /// What serves it.
    provider: Provider,
    held: Arc<Held>,
}

/// A binding, for as long as anything may still call by it.
struct Held {
    /// What was bound.
    provider: Provider,
    values: Values,
    /// Wants to know what becomes of it.
    told: Option<Arc<dyn Told>>,
}

/// Where a call goes.
pub(crate) enum Target<'a> {
    /// On behalf of that actor.
    Provider(&'a Provider, &'a Caller),
    Actor(&'a Link),
}

/// Why a provider cannot be bound, or an actor linked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The claims grant no contract of that kind.
    #[error(
        "the actor's claims do not grant {contract}; they grant {granted:?}. Sign the module with that capability"
    )]
    NotGranted {
        /// What was to be bound.
        contract: Contract,
        /// What they do grant.
        granted: Vec<String>,
    },
    /// There is a provider under that binding already.
    #[error(
        "the actor has a {contract} provider under the binding {binding:?} already; bind under another name"
    )]
    Taken {
        /// The contract.
        contract: Contract,
        /// The binding's name.
        binding: String,
    },
    /// The provider does not take the binding as it is.
    #[error("the provider refuses the actor's binding {binding:?} for {contract}: {reason}")]
    Refused {
        /// The contract.
        contract: Contract,
        /// The binding's name.
        binding: String,
        /// What it says.
        reason: pillion_capabilities::Error,
    },
    /// There is nothing to unbind.
    #[error("the actor has no {contract} provider under the binding {binding:?}")]
    NotBound {
        /// The contract.
        contract: Contract,
        /// The binding's name.
        binding: String,
    },
    /// The claims do not grant calls of that actor.
    #[error(
        "the actor's claims do not grant calls of {target}; they grant {granted:?}. Sign the module with the other's \
         public key or alias among its capabilities"
    )]
    CallNotGranted {
        /// The public key of the actor that was to be linked to.
        target: String,
        /// What they do grant.
        granted: Vec<String>,
    },
}

// === impl Bindings ===

impl Bindings {
    /// No bindings yet, for the actor of that public key, whose claims grant these capabilities.
    #[must_use]
    pub fn new(actor: &str, granted: Vec<String>) -> Self {
        Self { caller: Caller::new(actor), granted, ..Self::default() }
    }

    /// Lets providers call the actor back, which is that guest.
    pub(crate) fn set_guest(&mut self, guest: &Guest) {
        self.caller.guest = Some(guest.downgrade());
    }

    /// Says by which claims the actor is granted what it is, to all copies of these bindings, and to its providers.
    pub(crate) fn set_claims(&self, claims: &Arc<Claims>) {
        self.caller.set_claims(claims);
        let told = |route: &Route| route.held.told.clone();
        let all: Vec<_> = self.distinct().filter_map(told).collect();
        if !all.is_empty() {
            let actor = self.caller.actor(&self.granted);
            all.iter().for_each(|told| told.update(&actor));
        }
    }

    /// Binds a provider under a name; the empty name is `default`. One contract can be bound under several names.
    ///
    /// # Errors
    /// When the claims do not grant the contract, it has a provider under that name, or the provider refuses.
    pub fn bind(&mut self, binding: &str, provider: impl Into<Provider>) -> Result<(), BindError> {
        self.bind_with(binding, provider, &Values::new())
    }

    /// As [`Bindings::bind`], and gives the binding values, which its provider has to know.
    ///
    /// # Errors
    /// As [`Bindings::bind`].
    pub fn bind_with(
        &mut self,
        binding: &str,
        provider: impl Into<Provider>,
        values: &Values,
    ) -> Result<(), BindError> {
        let (name, provider) = (or_default(binding), provider.into());
        let contract = provider.contract();
        if self.routes.iter().any(|route| route.is(name, contract)) {
            return Err(BindError::Taken { contract, binding: name.to_owned() });
        }
        if !contract.names().iter().any(|namespace| self.grants(namespace)) {
            return Err(BindError::NotGranted { contract, granted: self.granted.clone() });
        }
        let actor = self.caller.actor(&self.granted);
        let opened = provider.open(&Binding { name, actor: &actor, values });
        let (serving, told) =
            opened.map_err(|reason| BindError::Refused { contract, binding: name.to_owned(), reason })?;
        self.add(name, &serving, &Arc::new(Held { provider, values: values.clone(), told }));
        Ok(())
    }

    /// Adds what the claims grant of a binding.
    fn add(&mut self, binding: &str, provider: &Provider, held: &Arc<Held>) {
        for &namespace in provider.contract().names() {
            if self.grants(namespace) {
                let (provider, held) = (provider.clone(), Arc::clone(held));
                self.routes.push(Route { binding: binding.into(), namespace, provider, held });
            }
        }
    }

    /// Takes the provider of a contract under a name away.
    ///
    /// # Errors
    /// When there is none.
    pub fn unbind(&mut self, binding: &str, contract: Contract) -> Result<(), BindError> {
        let binding = or_default(binding);
        let before = self.routes.len();
        self.routes.retain(|route| !route.is(binding, contract));
        if self.routes.len() == before {
            return Err(BindError::NotBound { contract, binding: binding.to_owned() });
        }
        Ok(())
    }

    /// What is bound: each binding's name with its provider.
    pub fn bound(&self) -> impl Iterator<Item = (&str, &Provider)> {
        self.distinct().map(|route| (&*route.binding, &route.held.provider))
    }

    /// One route of each binding: a contract that is granted by both of its names has two.
    fn distinct(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().enumerate().filter_map(|(at, route)| {
            let contract = route.provider.contract();
            let first = self.routes.iter().position(|other| other.is(&route.binding, contract)) == Some(at);
            first.then_some(route)
        })
    }

    /// The provider of a contract under a name.
    pub(crate) fn provider(&self, binding: &str, contract: Contract) -> Option<&Provider> {
        let route = self.routes.iter().find(|route| route.is(or_default(binding), contract));
        route.map(|route| &route.held.provider)
    }

    /// Whether a contract is bound under a name as it is in others: to the same provider, with the same values.
    pub(crate) fn same(&self, others: &Self, binding: &str, contract: Contract) -> bool {
        let held = |bindings: &Self| {
            let route = bindings.routes.iter().find(|route| route.is(or_default(binding), contract));
            route.map(|route| Arc::clone(&route.held))
        };
        match (held(self), held(others)) {
            (Some(one), Some(other)) => one.provider.is(&other.provider) && one.values == other.values,
            _ => false,
        }
    }

    /// Whether a contract is bound under a name to that provider, with those values.
    pub(crate) fn is_bound(&self, binding: &str, provider: &Provider, values: &Values) -> bool {
        let mut routes =
            self.routes.iter().filter(|route| route.is(or_default(binding), provider.contract()));
        routes.next().is_some_and(|route| route.held.provider.is(provider) && route.held.values == *values)
    }

    /// Binds what others have bound under a name, with all that is kept of it, as far as the claims grant it.
    pub(crate) fn keep(&mut self, others: &Self, binding: &str, contract: Contract) {
        let route = others.routes.iter().find(|route| route.is(or_default(binding), contract));
        if let Some(Route { binding, provider, held, .. }) = route
            && !self.routes.iter().any(|route| route.is(binding, contract))
        {
            self.add(binding, provider, held);
        }
    }

    /// The ways to other actors, each once.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().enumerate().filter_map(|(at, (_, link))| {
            let first = self.links.iter().position(|(_, other)| other.key() == link.key()) == Some(at);
            first.then_some(link)
        })
    }

    /// The messaging provider under a name, with that name.
    pub(crate) fn messaging(&self, binding: &str) -> Result<(Box<str>, Arc<dyn Messaging>), BindError> {
        self.serving(binding, Contract::Messaging, |provider| match provider {
            Provider::Messaging(provider) => Some(Arc::clone(provider)),
            _ => None,
        })
    }

    /// The provider of event streams under a name, with that name.
    pub(crate) fn event_streams(
        &self,
        binding: &str,
    ) -> Result<(Box<str>, Arc<dyn EventStreams>), BindError> {
        self.serving(binding, Contract::EventStreams, |provider| match provider {
            Provider::EventStreams(provider) => Some(Arc::clone(provider)),
            _ => None,
        })
    }

    fn serving<P>(
        &self,
        binding: &str,
        contract: Contract,
        of: impl Fn(&Provider) -> Option<P>,
    ) -> Result<(Box<str>, P), BindError> {
        let binding = or_default(binding);
        let mut routes = self.routes.iter().filter(|route| *route.binding == *binding);
        match routes.find_map(|route| of(&route.provider)) {
            Some(provider) => Ok((binding.into(), provider)),
            None => Err(BindError::NotBound { contract, binding: binding.to_owned() }),
        }
    }

    /// The public keys of the actors that it may call.
    pub fn linked(&self) -> impl Iterator<Item = &str> {
        let mut keys: Vec<_> = self.links.iter().map(|(_, link)| link.key()).collect();
        keys.dedup();
        keys.into_iter()
    }

    /// The same bindings for claims that grant other capabilities: what these do not grant is not there any more.
    #[must_use]
    pub(crate) fn regranted(&self, granted: Vec<String>) -> Self {
        let caller = self.caller.clone();
        let mut new = Self { caller, granted, links_wait: self.links_wait, ..Self::default() };
        for Route { binding, provider, held, .. } in self.distinct() {
            new.add(binding, provider, held);
        }
        for (_, link) in &self.links {
            let _ = new.link(link);
        }
        new
    }

    /// Lets the actor call another by the names that its claims grant, of key and alias. An earlier link to it is
    /// replaced.
    pub(crate) fn link(&mut self, link: &Link) -> Result<(), BindError> {
        self.unlink(link.key());
        let before = self.links.len();
        for name in link.names() {
            if self.grants(name) {
                self.links.push((name.into(), link.clone()));
            }
        }
        if self.links.len() == before {
            return Err(BindError::CallNotGranted {
                target: link.key().to_owned(),
                granted: self.granted.clone(),
            });
        }
        Ok(())
    }

    /// Takes a link away; answers whether it was there.
    pub(crate) fn unlink(&mut self, key: &str) -> bool {
        let before = self.links.len();
        self.links.retain(|(_, link)| link.key() != key);
        self.links.len() < before
    }

    /// Whether one of the linked actors may have to wait is known to the host alone. Answers whether that changed.
    pub(crate) fn set_links_wait(&mut self, wait: bool) -> bool {
        std::mem::replace(&mut self.links_wait, wait) != wait
    }

    /// Whether all providers answer at once.
    pub(crate) fn providers_ready(&self) -> bool {
        self.routes.iter().all(|route| route.provider.always_ready())
    }

    fn grants(&self, name: &str) -> bool {
        self.granted.iter().any(|granted| granted == name)
    }

    /// Where a call goes, if it may.
    #[inline]
    pub(crate) fn find(&self, call: &HostCall<'_>) -> Option<Target<'_>> {
        let binding = or_default_bytes(call.binding);
        for route in &self.routes {
            if route.binding.as_bytes() == binding && route.namespace.as_bytes() == call.namespace {
                return Some(Target::Provider(&route.provider, &self.caller));
            }
        }
        // The binding of a call from actor to actor says nothing.
        self.links
            .iter()
            .find(|(name, _)| name.as_bytes() == call.namespace)
            .map(|(_, link)| Target::Actor(link))
    }

    /// Says why a call goes nowhere.
    #[cold]
    pub(crate) fn deny(&self, call: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        let binding = String::from_utf8_lossy(or_default_bytes(call.binding));
        let namespace = String::from_utf8_lossy(call.namespace);
        if self.grants(&namespace) {
            reply.fail(format_args!(
                "no provider is bound for {namespace} under the binding {binding:?}; bind one before the call"
            ));
        } else {
            reply.fail(format_args!(
                "the actor's claims do not grant {namespace} (called under the binding {binding:?})"
            ));
        }
        Dispatched::Done
    }
}

impl Dispatch for Bindings {
    fn always_ready(&self) -> bool {
        !self.links_wait && self.providers_ready()
    }

    #[inline]
    fn dispatch(&self, call: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        match self.find(call) {
            Some(target) => target.dispatch(call, reply),
            None => self.deny(call, reply),
        }
    }

    fn log(&self, line: &str) {
        let (source, line) = (self.caller.key(), plain(line, LONGEST_TEXT));
        tracing::info!(target: "pillion::guest", source, "{line}");
    }
}

// === impl Target ===

impl Target<'_> {
    #[inline]
    pub(crate) fn dispatch(&self, call: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        match self {
            Self::Provider(provider, caller) => {
                provider.dispatch(caller, call.operation, call.payload, reply)
            }
            Self::Actor(link) => link.dispatch(call, reply),
        }
    }
}

// === impl Route ===

impl Route {
    fn is(&self, binding: &str, contract: Contract) -> bool {
        *self.binding == *binding && self.provider.contract() == contract
    }
}

// === impl Held ===

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(told) = &self.told {
            told.end();
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.provider.fmt(f)
    }
}

/// The name that the empty one means.
pub(crate) fn or_default(binding: &str) -> &str {
    if binding.is_empty() { DEFAULT } else { binding }
}

fn or_default_bytes(binding: &[u8]) -> &[u8] {
    if binding.is_empty() { DEFAULT.as_bytes() } else { binding }
}
