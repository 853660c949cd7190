//! Asks the authorizer about each call that claims and bindings grant, before it is made.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;

use super::notices::Notices;
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
    /// The first decisions, without gaps: most actors make few different calls. All others are in the table.
    first: [OnceLock<Decided>; FIRST],
    decided: RwLock<HashTable<Decided>>,
    notices: Notices,
}

struct Decided {
    binding: Box<[u8]>,
    namespace: Box<[u8]>,
    operation: Box<[u8]>,
    decision: Decision,
}

/// So many decisions are found without a hash and a lock.
const FIRST: usize = 8;

/// So many decisions are remembered: a guest may make up any number of names.
const REMEMBERED: usize = 1_024;

/// Only decisions about names of so many bytes together are remembered: a guest may make up names of any length.
const NAMES: usize = 256;

// === impl Guard ===

impl Guard {
    pub(crate) fn new(bindings: Bindings, claims: Arc<Claims>, authorizer: Arc<dyn Authorizer>) -> Self {
        Self {
            bindings,
            claims,
            authorizer,
            hasher: DefaultHashBuilder::default(),
            first: Default::default(),
            decided: RwLock::default(),
            notices: Notices::default(),
        }
    }

    fn decide(&self, call: &HostCall<'_>) -> Decision {
        let names = call.binding.len() + call.namespace.len() + call.operation.len();
        if names > NAMES || !self.authorizer.cacheable() {
            return self.ask_once(call);
        }
        for decided in self.first.iter().map_while(OnceLock::get) {
            if decided.is(call) {
                return decided.decision.clone();
            }
        }
        let hash = self.hash(call);
        {
            let table = self.decided.read();
            if let Some(decided) = table.find(hash, |decided| decided.is(call)) {
                return decided.decision.clone();
            }
            if FIRST + table.len() >= REMEMBERED {
                drop(table);
                return self.ask_once(call);
            }
        }
        let decision = self.ask(call);
        if matches!(decision, Decision::Fail(_)) {
            self.notices.bounded(|passed_over| self.notice(call, &decision, passed_over));
            return decision;
        }
        if self.remember(hash, call, &decision) {
            // Each of these once, and there is only so much room for them.
            self.notice(call, &decision, 0);
        }
        decision
    }

    /// Keeps a decision, if it is new and there is room. Whoever does so has the table to himself.
    #[cold]
    fn remember(&self, hash: u64, call: &HostCall<'_>, decision: &Decision) -> bool {
        let mut table = self.decided.write();
        let known = self.first.iter().map_while(OnceLock::get).any(|decided| decided.is(call))
            || table.find(hash, |decided| decided.is(call)).is_some();
        if known || FIRST + table.len() >= REMEMBERED {
            return false;
        }
        let mut decided = Decided {
            binding: call.binding.into(),
            namespace: call.namespace.into(),
            operation: call.operation.into(),
            decision: decision.clone(),
        };
        for place in &self.first {
            match place.set(decided) {
                Ok(()) => return true,
                Err(back) => decided = back,
            }
        }
        table.insert_unique(hash, decided, |decided| self.hash(&decided.call()));
        true
    }

    /// Asks about a call of which nothing is remembered.
    #[cold]
    fn ask_once(&self, call: &HostCall<'_>) -> Decision {
        let decision = self.ask(call);
        match decision {
            Decision::Allow => self.notice(call, &decision, 0),
            _ => self.notices.bounded(|passed_over| self.notice(call, &decision, passed_over)),
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
        self.authorizer.can_invoke(&self.claims, &Invocation { binding, namespace, operation })
    }

    /// Logs a decision, and how many refusals before it were not logged.
    #[cold]
    fn notice(&self, call: &HostCall<'_>, decision: &Decision, passed_over: u64) {
        let (actor, binding) = (self.claims.sub.as_str(), clipped(call.binding));
        let (namespace, operation) = (clipped(call.namespace), clipped(call.operation));
        let Some(reason) = decision.refusal() else {
            tracing::debug!(target: "pillion::policy", actor, %binding, %namespace, %operation, "allowed");
            return;
        };
        let reason = clipped(reason.as_bytes());
        let failed = matches!(decision, Decision::Fail(_));
        tracing::warn!(
            target: "pillion::policy",
            actor, %binding, %namespace, %operation, %reason, failed, passed_over, "denied"
        );
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
            Decision::Deny(reason) | Decision::Fail(reason) => {
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

/// As much of a name as a log needs.
fn clipped(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&name[..name.len().min(NAMES)])
}
