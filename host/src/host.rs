//! The host: it believes no module unchecked, and grants nothing by itself.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use pillion_capabilities::KeyValue;

use crate::dispatch::{BindError, Bindings};
use crate::engine::{Call, CallFailure, Engine, EngineConfig, EngineError, Guest, Limits};
use crate::identity::{self, Claims, IdentityError, TrustedIssuers};

/// What a host is told. The default trusts nobody, so that it loads nothing.
#[derive(Clone, Debug, Default)]
pub struct HostConfig {
    /// The accounts (`A…`) whose modules are loaded.
    pub trusted_issuers: TrustedIssuers,
    /// What each actor may use.
    pub limits: Limits,
    /// A directory for compiled modules, of this user alone; it is made when missing. `None` compiles each time.
    pub cache: Option<PathBuf>,
}

/// Loads actors, binds them to providers, and calls them.
pub struct Host {
    engine: Engine,
    trusted: TrustedIssuers,
}

/// A loaded actor. Clones are the same actor.
#[derive(Clone)]
pub struct ActorRef {
    inner: Arc<Actor>,
}

struct Actor {
    claims: Claims,
    guest: Guest,
    bindings: Mutex<Bindings>,
}

/// Why a host could not be set up, or an actor not loaded or bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The module's identity is not believed.
    #[error("the module is refused: {0}")]
    Identity(#[from] IdentityError),
    /// The module is a capability provider.
    #[error("the module {0} is a capability provider, not an actor")]
    Provider(String),
    /// The module cannot be run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The provider cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
}

// === impl Host ===

impl Host {
    /// Sets up a host.
    ///
    /// # Errors
    /// When the engine or its cache cannot be set up.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        let engine = Engine::new(EngineConfig { limits: config.limits, cache: config.cache })?;
        Ok(Self { engine, trusted: config.trusted_issuers })
    }

    /// Loads a signed module. Nothing of it is looked at further before its identity is verified.
    ///
    /// # Errors
    /// When it is not properly signed by a trusted account, or cannot be run.
    pub fn load(&self, wasm: &[u8]) -> Result<ActorRef, HostError> {
        let verified = identity::verify(wasm, &self.trusted, SystemTime::now())?;
        if verified.claims.wascap.prov {
            return Err(HostError::Provider(verified.claims.sub));
        }
        let program = self.engine.compile(&verified.module)?;
        let bindings = Bindings::new(verified.claims.wascap.caps.clone());
        let guest = Guest::new(program, Arc::new(bindings.clone()));
        let actor = Actor { claims: verified.claims, guest, bindings: Mutex::new(bindings) };
        Ok(ActorRef { inner: Arc::new(actor) })
    }

    /// Binds a key-value provider to an actor under a name, as `default`. Later calls see it.
    ///
    /// # Errors
    /// When the actor's claims do not grant the contract, or the name is taken.
    #[expect(clippy::needless_pass_by_value, reason = "a host keeps what it is given")]
    pub fn bind(
        &self,
        actor: &ActorRef,
        binding: &str,
        provider: Arc<dyn KeyValue>,
    ) -> Result<(), HostError> {
        let mut bindings = actor.inner.bindings.lock().unwrap_or_else(PoisonError::into_inner);
        bindings.bind(binding, &provider)?;
        actor.inner.guest.rewire(Arc::new(bindings.clone()));
        Ok(())
    }

    /// Calls an operation of an actor: at once on this thread when all its providers answer at once, else as a future
    /// that is to be awaited.
    pub fn call(&self, actor: &ActorRef, operation: &str, payload: &[u8]) -> Call {
        actor.inner.guest.call(operation, payload)
    }

    /// As [`Host::call`] for an actor that is always ready; the response replaces what is in `response`, whose room is
    /// used again.
    ///
    /// # Errors
    /// When the call failed, and with [`CallFailure::Waits`] when the actor may have to wait.
    #[inline]
    pub fn call_into(
        &self,
        actor: &ActorRef,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        actor.inner.guest.call_into(operation, payload, response)
    }
}

// === impl ActorRef ===

impl ActorRef {
    /// The verified claims.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.inner.claims
    }

    /// Whether every call is done when it returns.
    #[must_use]
    pub fn always_ready(&self) -> bool {
        self.inner.guest.always_ready()
    }
}
