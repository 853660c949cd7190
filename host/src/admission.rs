//! What a module has to pass before it becomes an actor.

use std::sync::Arc;
use std::time::SystemTime;

use crate::engine::{Engine, Limits, Program};
use crate::error::HostError;
use crate::identity::{Claims, KeyKind, Trust};
use crate::policy::Authorizer;

/// Checks modules and compiles them. Shared, so that it can be done on a thread of its own.
pub(crate) struct Admission {
    pub(crate) engine: Engine,
    pub(crate) trust: Trust,
    pub(crate) authorizer: Option<Arc<dyn Authorizer>>,
}

// === impl Admission ===

impl Admission {
    /// Checks all there is to check about a module, and compiles it for those limits.
    pub(crate) fn admit(&self, wasm: &[u8], limits: Limits) -> Result<(Claims, Program), HostError> {
        let verified = self.trust.verify(wasm, SystemTime::now())?;
        let claims = verified.claims;
        if claims.wascap.prov {
            return Err(HostError::Provider(claims.sub));
        }
        check_alias(&claims)?;
        self.authorize(&claims)?;
        let program = self.engine.compile_with(&verified.module, limits)?;
        Ok((claims, program))
    }

    /// Whether a module that runs already would be let in again: by whom it is signed, and by the authorizer. That its
    /// token has expired takes its capabilities away, and is no reason to have nothing changed.
    #[cfg(feature = "manifest")]
    pub(crate) fn readmit(&self, claims: &Claims) -> Result<(), HostError> {
        self.trust.believe(claims, SystemTime::now())?;
        self.authorize(claims)
    }

    fn authorize(&self, claims: &Claims) -> Result<(), HostError> {
        let decision = self.authorizer.as_ref().map(|it| it.can_load(claims));
        if let Some(reason) = decision.as_ref().and_then(|it| it.refusal()) {
            tracing::warn!(target: "pillion::policy", module = claims.sub, %reason, "not loaded");
            return Err(HostError::Denied { module: claims.sub.clone(), reason: Arc::clone(reason) });
        }
        Ok(())
    }

    /// As [`Admission::admit`], on a thread where it is in nobody's way. Outside of a tokio runtime,
    /// on this one.
    pub(crate) async fn admit_aside(
        self: &Arc<Self>,
        wasm: &[u8],
        limits: Limits,
    ) -> Result<(Claims, Program), HostError> {
        match tokio::runtime::Handle::try_current() {
            Err(_) => self.admit(wasm, limits),
            Ok(runtime) => {
                let (admission, wasm) = (Arc::clone(self), wasm.to_vec());
                match runtime.spawn_blocking(move || admission.admit(&wasm, limits)).await {
                    Ok(admitted) => admitted,
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(_) => Err(HostError::Interrupted),
                    },
                }
            }
        }
    }
}

/// An alias that another actor's key or a contract could be taken for would have its actor called in their place.
fn check_alias(claims: &Claims) -> Result<(), HostError> {
    let Some(alias) = &claims.wascap.call_alias else { return Ok(()) };
    let like = if alias.contains(':') {
        "the name of a contract, of which the colon is the mark"
    } else if KeyKind::of(alias).is_some() {
        "a public key"
    } else {
        return Ok(());
    };
    Err(HostError::Alias { module: claims.sub.clone(), alias: alias.clone(), like })
}
