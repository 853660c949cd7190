//! The policies that a manifest names.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::Manifest;
use super::error::{At as _, Cause, StartError};
use crate::policy::Authorizer;
#[cfg(feature = "opa")]
use crate::policy::{Opa, OpaError, PolicyKey};

/// Who has a say beside claims and bindings.
#[derive(Clone, Default)]
pub(super) struct Policies {
    #[cfg(feature = "opa")]
    opa: Option<Arc<Opa>>,
}

// === impl Policies ===

impl Policies {
    #[cfg(feature = "opa")]
    pub(super) fn of(manifest: &Manifest, base: &Path) -> Result<Self, StartError> {
        let wrong = |error: OpaError| Cause::Wrong(error.to_string());
        let mut keys = Vec::new();
        for (number, key) in manifest.policy_keys.iter().enumerate() {
            let place = || format!("policyKeys[{number}]");
            let path = base.join(&key.file);
            let bytes = std::fs::read(&path).map_err(|error| Cause::Io(path, error)).at(place)?;
            let known = PolicyKey::new(&key.id, key.algorithm, &bytes, &key.scope);
            keys.push(known.map_err(wrong).at(place)?);
        }
        if manifest.policies.is_empty() {
            return Ok(Self::default());
        }
        let paths: Vec<_> = manifest.policies.iter().map(|path| base.join(path)).collect();
        let opa = Opa::from_signed_paths(&paths, &keys).map_err(wrong).at(|| "policies".to_owned())?;
        Ok(Self { opa: Some(Arc::new(opa)) })
    }

    #[cfg(not(feature = "opa"))]
    pub(super) fn of(manifest: &Manifest, _: &Path) -> Result<Self, StartError> {
        if manifest.policies.is_empty() {
            return Ok(Self::default());
        }
        let text = "this program was built without the feature `opa`".to_owned();
        Err(Cause::Wrong(text)).at(|| "policies".to_owned())
    }

    #[cfg(feature = "opa")]
    pub(super) fn authorizer(&self) -> Option<Arc<dyn Authorizer>> {
        self.opa.clone().map(|opa| opa as _)
    }

    #[cfg(not(feature = "opa"))]
    pub(super) fn authorizer(&self) -> Option<Arc<dyn Authorizer>> {
        None
    }

    /// Whether both decide by the same.
    #[cfg(feature = "opa")]
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (&self.opa, &other.opa) {
            (None, None) => true,
            (Some(one), Some(other)) => one.is_like(other),
            _ => false,
        }
    }

    #[cfg(not(feature = "opa"))]
    pub(super) fn is_like(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("some", &self.authorizer().is_some()).finish()
    }
}
