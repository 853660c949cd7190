//! The actor that makes a call.

use std::fmt;
use std::sync::Arc;

use crate::engine::Guest;

/// The actor on whose behalf a provider is called.
#[derive(Default)]
pub(crate) struct Caller {
    key: Arc<str>,
    /// What a provider calls back; not there for a guest that is wired to bindings without a host. Only the actor's own
    /// bindings have it: a copy, which instances hold, would keep it alive with the one that a thread may keep.
    pub(super) guest: Option<Guest>,
    /// How a copy finds it.
    found: Option<Find>,
}

type Find = Arc<dyn Fn() -> Option<Guest> + Send + Sync>;

// === impl Caller ===

impl Caller {
    pub(super) fn new(key: &str) -> Self {
        Self { key: key.into(), ..Self::default() }
    }

    /// Its public key.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// What a provider calls back, if there is such, and still.
    pub(super) fn guest(&self) -> Option<Guest> {
        self.guest.clone().or_else(|| self.found.as_ref().and_then(|find| find()))
    }
}

impl Clone for Caller {
    /// The same actor, whose guest ends without regard to the copy.
    fn clone(&self) -> Self {
        let found = match &self.guest {
            Some(guest) => {
                let weak = guest.downgrade();
                Some(Arc::new(move || weak.upgrade()) as Find)
            }
            None => self.found.clone(),
        };
        Self { key: Arc::clone(&self.key), guest: None, found }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "actor {}", self.key)
    }
}
