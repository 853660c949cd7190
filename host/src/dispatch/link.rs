//! Calls from actor to actor.

use std::fmt;
use std::sync::Arc;

use crate::engine::{Call, CallFailure, DEPTH, Dispatched, Guest, HostCall, Reply};

/// The way from one actor to another. Clones lead to the same actor.
#[derive(Clone)]
pub(crate) struct Link {
    inner: Arc<Target>,
}

struct Target {
    /// Its public key, `M…`.
    key: Box<str>,
    /// The other name that its claims give it.
    alias: Option<Box<str>>,
    guest: Guest,
}

// === impl Link ===

impl Link {
    pub(crate) fn new(key: &str, alias: Option<&str>, guest: &Guest) -> Self {
        let target = Target { key: key.into(), alias: alias.map(Into::into), guest: guest.clone() };
        Self { inner: Arc::new(target) }
    }

    /// The target's public key.
    pub(crate) fn key(&self) -> &str {
        &self.inner.key
    }

    /// The other name under which it can be called.
    pub(crate) fn alias(&self) -> Option<&str> {
        self.inner.alias.as_deref()
    }

    /// The names under which it can be called.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        [Some(&self.inner.key), self.inner.alias.as_ref()].into_iter().flatten().map(|name| &**name)
    }

    /// Calls the target, on this thread where it is always ready. The response is written straight into the reply.
    pub(super) fn dispatch(&self, call: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        let depth = call.depth + 1;
        if depth > DEPTH {
            self.too_deep(reply);
            return Dispatched::Done;
        }
        // The engine looks at a call's names when the call failed. A name that is not text is known to no actor.
        let Ok(operation) = std::str::from_utf8(call.operation) else {
            reply.fail("the operation's name is not UTF-8");
            return Dispatched::Done;
        };
        match self.inner.guest.call_into_at(depth, operation, call.payload, reply.respond()) {
            Ok(()) => {}
            Err(CallFailure::Waits) => return self.wait(depth, operation, call.payload, reply),
            Err(failure) => self.fail(&failure, reply),
        }
        Dispatched::Done
    }

    fn wait(&self, depth: u32, operation: &str, payload: &[u8], reply: &mut Reply) -> Dispatched {
        reply.reset();
        match self.inner.guest.call_at(depth, operation, payload) {
            Call::Ready(Ok(response)) => reply.insert(0, response),
            Call::Ready(Err(failure)) => self.fail(&failure, reply),
            Call::Pending(pending) => {
                let link = self.clone();
                return Dispatched::Pending(Box::pin(async move {
                    let mut reply = Reply::default();
                    match pending.await {
                        Ok(response) => reply.insert(0, response),
                        Err(failure) => link.fail(&failure, &mut reply),
                    }
                    reply
                }));
            }
        }
        Dispatched::Done
    }

    /// What the called actor itself said stays as it is; anything else names the actor it befell.
    #[cold]
    fn fail(&self, failure: &CallFailure, reply: &mut Reply) {
        match failure {
            CallFailure::Guest(text) => reply.fail(text),
            other => reply.fail(format_args!("actor {}: {other}", self.inner.key)),
        }
    }

    #[cold]
    fn too_deep(&self, reply: &mut Reply) {
        reply.fail(format_args!(
            "the call of actor {} is within {DEPTH} others already, which is the limit: do the actors call each other \
             without end?",
            self.inner.key
        ));
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link to {}", self.inner.key)
    }
}
