//! Tokens that expire while their actors run.

use std::sync::Arc;
use std::time::SystemTime;

use crate::engine::{Dispatch, Dispatched, HostCall, Reply};
use crate::identity::{Claims, Validity};

/// Denies everything once the token has expired by which it was granted.
pub(crate) struct Expiring {
    granted: Arc<dyn Dispatch>,
    claims: Arc<Claims>,
}

// === impl Claims ===

impl Claims {
    /// Since when they are not valid any more, in Unix seconds. Looks at the clock only if they have an end.
    pub(crate) fn expired(&self) -> Option<u64> {
        self.exp?;
        match self.validity(SystemTime::now()) {
            Validity::Expired { expired } => Some(expired),
            Validity::Valid | Validity::NotYet { .. } => None,
        }
    }
}

// === impl Expiring ===

impl Expiring {
    /// What was granted, for as long as the claims are valid.
    pub(crate) fn wire(granted: Arc<dyn Dispatch>, claims: &Arc<Claims>) -> Arc<dyn Dispatch> {
        match claims.exp {
            None => granted,
            Some(_) => Arc::new(Self { granted, claims: Arc::clone(claims) }),
        }
    }
}

impl Dispatch for Expiring {
    fn always_ready(&self) -> bool {
        self.granted.always_ready()
    }

    fn dispatch(&self, call: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        let Some(expired) = self.claims.expired() else { return self.granted.dispatch(call, reply) };
        reply.fail(format_args!(
            "the token of the actor expired at {expired} (Unix seconds); update it with a module signed anew"
        ));
        Dispatched::Done
    }

    fn log(&self, line: &str) {
        self.granted.log(line);
    }
}
