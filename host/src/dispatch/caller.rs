//! The actor that makes a call.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use pillion_capabilities::binding::Actor;

use crate::engine::{Guest, WeakGuest};
use crate::identity::Claims;

/// The actor on whose behalf a provider is called.
#[derive(Clone, Default)]
pub(crate) struct Caller {
    key: Arc<str>,
    /// What a provider calls back; not there for a guest that is wired to bindings without a host. Instances have it,
    /// and it would be kept alive with the one that a thread may keep.
    pub(super) guest: Option<WeakGuest>,
    /// Its claims now, the same in all copies.
    claims: Arc<Mutex<Option<Arc<Claims>>>>,
}

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
        self.guest.as_ref().and_then(WeakGuest::upgrade)
    }

    pub(super) fn set_claims(&self, claims: &Arc<Claims>) {
        *self.claims.lock() = Some(Arc::clone(claims));
    }

    /// Who it is, as its providers are told. Without a host nobody verified more than its key and what it is granted.
    pub(super) fn actor(&self, granted: &[String]) -> Actor {
        let claims = self.claims.lock().clone();
        let unverified =
            || Actor { key: (*self.key).to_owned(), capabilities: granted.to_vec(), ..Actor::default() };
        claims.map_or_else(unverified, |claims| Actor {
            key: (*self.key).to_owned(),
            issuer: claims.iss.clone(),
            name: claims.wascap.name.clone(),
            capabilities: claims.wascap.caps.clone(),
            tags: claims.wascap.tags.clone(),
            expires: claims.exp,
        })
    }

    /// Since when its token is not valid any more, in Unix seconds.
    pub(super) fn expired(&self) -> Option<u64> {
        self.claims.lock().as_ref().and_then(|claims| claims.expired())
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "actor {}", self.key)
    }
}
