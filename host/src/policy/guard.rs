//! Asks the authorizer about each call that claims and bindings grant, before it is made.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;

use super::{Authorizer, Decision, Invocation};
use crate::dispatch::Bindings;
use crate::engine::{Dispatch, Dispatched, HostCall, Reply};
use crate::identity::Claims;

/// The bindings of one actor behind an authorizer.
pub(crate) struct Guard {
    bindings: Bindings,
    claims: Arc<Claims>,
    authorizer: Arc<dyn Authorizer>,
    hasher: DefaultHashBuilder,
    decided: RwLock<HashTable<Decided>>,
}

struct Decided {
    binding: Box<[u8]>,
    namespace: Box<[u8]>,
    operation: Box<[u8]>,
    decision: Decision,
}

/// So many decisions are remembered: a guest may make up any number of names.
const REMEMBERED: usize = 1_024;

// === impl Guard ===

impl Guard {
    pub(crate) fn new(bindings: Bindings, claims: Arc<Claims>, authorizer: Arc<dyn Authorizer>) -> Self {
        Self {
            bindings,
            claims,
            authorizer,
            hasher: DefaultHashBuilder::default(),
            decided: RwLock::default(),
        }
    }

    fn decide(&self, call: &HostCall<'_>) -> Decision {
        if !self.authorizer.cacheable() {
            return self.ask(call);
        }
        let hash = self.hash(call);
        if let Some(decided) = self.decided.read().find(hash, |decided| decided.is(call)) {
            return decided.decision.clone();
        }
        let decision = self.ask(call);
        let mut table = self.decided.write();
        if table.len() < REMEMBERED && table.find(hash, |decided| decided.is(call)).is_none() {
            let decided = Decided {
                binding: call.binding.into(),
                namespace: call.namespace.into(),
                operation: call.operation.into(),
                decision: decision.clone(),
            };
            table.insert_unique(hash, decided, |decided| self.hash(&decided.call()));
        }
        decision
    }

    #[cold]
    fn ask(&self, call: &HostCall<'_>) -> Decision {
        let text = std::str::from_utf8;
        let (Ok(binding), Ok(namespace), Ok(operation)) =
            (text(call.binding), text(call.namespace), text(call.operation))
        else {
            // The engine makes it a trap.
            return Decision::Deny("a name in the call is not UTF-8".into());
        };
        let decision =
            self.authorizer.can_invoke(&self.claims, &Invocation { binding, namespace, operation });
        let actor = self.claims.sub.as_str();
        match &decision {
            Decision::Allow => {
                tracing::debug!(target: "pillion::policy", actor, binding, namespace, operation, "allowed");
            }
            Decision::Deny(reason) => tracing::warn!(
                target: "pillion::policy", actor, binding, namespace, operation, %reason, "denied"
            ),
        }
        decision
    }

    fn hash(&self, call: &HostCall<'_>) -> u64 {
        self.hasher.hash_one((call.binding, call.namespace, call.operation))
    }
}

impl Dispatch for Guard {
    fn always_ready(&self) -> bool {
        self.bindings.always_ready()
    }

    fn dispatch(&self, call: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        let Some(target) = self.bindings.find(call) else { return self.bindings.deny(call, reply) };
        match self.decide(call) {
            Decision::Allow => target.dispatch(call, reply),
            Decision::Deny(reason) => {
                reply.fail(format_args!("denied by policy: {reason}"));
                Dispatched::Done
            }
        }
    }

    fn log(&self, line: &str) {
        self.bindings.log(line);
    }
}

// === impl Decided ===

impl Decided {
    fn is(&self, call: &HostCall<'_>) -> bool {
        *self.operation == *call.operation
            && *self.namespace == *call.namespace
            && *self.binding == *call.binding
    }

    fn call(&self) -> HostCall<'_> {
        let Self { binding, namespace, operation, .. } = self;
        HostCall { binding, namespace, operation, payload: &[], depth: 0 }
    }
}
