//! The actor that makes a call.

use std::fmt;
use std::sync::Arc;

use crate::engine::Guest;

/// The actor on whose behalf a provider is called.
#[derive(Clone, Default)]
pub(crate) struct Caller {
    key: Arc<str>,
    /// What a provider calls back; not there for a guest that is wired to bindings without a host.
    pub(super) guest: Option<Guest>,
}

// === impl Caller ===

impl Caller {
    pub(super) fn new(key: &str) -> Self {
        Self { key: key.into(), guest: None }
    }

    /// Its public key.
    pub(super) fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "actor {}", self.key)
    }
}
