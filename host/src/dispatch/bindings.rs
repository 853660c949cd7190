//! What an actor may reach: the part of its claims that a binding made real.

use std::sync::Arc;

use pillion_capabilities::KeyValue;

use super::keyvalue;
use crate::engine::{Dispatch, Dispatched, HostCall, Reply};

/// The names of the key-value contract: waSCC's own, and that of the generation after it.
const KEYVALUE: [&str; 2] = ["wascc:keyvalue", "wasmcloud:keyvalue"];

/// What the empty binding of AssemblyScript actors means.
const DEFAULT: &[u8] = b"default";

/// What an actor may reach. Everything else is denied.
///
/// Whether the claims grant a contract is decided when it is bound: there is a route only for what was granted, so
/// that a call pays for no more than finding its route.
#[derive(Clone, Default)]
pub struct Bindings {
    /// The contracts that the claims grant.
    granted: Vec<String>,
    routes: Vec<Route>,
}

#[derive(Clone)]
struct Route {
    binding: Box<[u8]>,
    namespace: &'static str,
    provider: Arc<dyn KeyValue>,
}

/// Why a provider cannot be bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The claims grant no contract of that kind.
    #[error(
        "the actor's claims do not grant wascc:keyvalue; they grant {granted:?}. Sign the module with that capability"
    )]
    NotGranted {
        /// What they do grant.
        granted: Vec<String>,
    },
    /// There is a provider under that binding already.
    #[error("the actor has a key-value provider under the binding {0:?} already; bind under another name")]
    Taken(String),
}

// === impl Bindings ===

impl Bindings {
    /// No bindings yet, for an actor whose claims grant these capabilities.
    #[must_use]
    pub fn new(granted: Vec<String>) -> Self {
        Self { granted, routes: Vec::new() }
    }

    /// Binds a key-value provider under a name; the empty name is `default`.
    ///
    /// # Errors
    /// When the claims do not grant the contract, or the name is taken.
    pub fn bind(&mut self, binding: &str, provider: &Arc<dyn KeyValue>) -> Result<(), BindError> {
        let binding = or_default(binding.as_bytes());
        if self.routes.iter().any(|route| *route.binding == *binding) {
            return Err(BindError::Taken(String::from_utf8_lossy(binding).into_owned()));
        }
        let granted = KEYVALUE.into_iter().filter(|name| self.granted.iter().any(|granted| granted == name));
        let before = self.routes.len();
        self.routes.extend(granted.map(|namespace| Route {
            binding: binding.into(),
            namespace,
            provider: Arc::clone(provider),
        }));
        if self.routes.len() == before {
            return Err(BindError::NotGranted { granted: self.granted.clone() });
        }
        Ok(())
    }

    #[cold]
    fn deny(&self, call: &HostCall<'_>, reply: &mut Reply) {
        let binding = String::from_utf8_lossy(or_default(call.binding));
        let namespace = String::from_utf8_lossy(call.namespace);
        if self.granted.iter().any(|granted| granted.as_bytes() == call.namespace) {
            reply.fail(format_args!(
                "no provider is bound for {namespace} under the binding {binding:?}; bind one before the call"
            ));
        } else {
            reply.fail(format_args!(
                "the actor's claims do not grant {namespace} (called under the binding {binding:?})"
            ));
        }
    }
}

impl Dispatch for Bindings {
    fn always_ready(&self) -> bool {
        self.routes.iter().all(|route| route.provider.always_ready())
    }

    #[inline]
    fn dispatch(&self, call: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        let binding = or_default(call.binding);
        for route in &self.routes {
            if *route.binding == *binding && route.namespace.as_bytes() == call.namespace {
                return keyvalue::dispatch(&*route.provider, call.operation, call.payload, reply);
            }
        }
        self.deny(call, reply);
        Dispatched::Done
    }
}

fn or_default(binding: &[u8]) -> &[u8] {
    if binding.is_empty() { DEFAULT } else { binding }
}
