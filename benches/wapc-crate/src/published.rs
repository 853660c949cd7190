//! One guest on the published engine.

use std::sync::Arc;
use std::time::SystemTime;

use pillion_capabilities::KeyValue;
use pillion_host::dispatch::{BindError, Bindings};
use pillion_host::engine::{Dispatch, Dispatched, HostCall, Reply};
use pillion_host::identity::{self, IdentityError, TrustedIssuers};
use wapc::WapcHost;
use wasmtime_provider::WasmtimeEngineProviderBuilder;

use crate::block_on::block_on;

/// One guest on the published engine, with one instance: it serves one call at a time, on the thread it was made on.
/// Who wants more at a time makes more of them.
///
/// A provider's pending answer blocks that thread until it is there, since the synchronous engine cannot suspend a
/// guest; the thread must therefore not be one that the provider needs to get on. The asynchronous form of the engine
/// would suspend, but it too serves one call at a time, and costs two to three times as much per call.
pub struct PublishedHost {
    engine: WapcHost,
}

/// Why a guest could not be set up or called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishedError {
    /// The module's identity is not believed.
    #[error("the module is refused: {0}")]
    Identity(#[from] IdentityError),
    /// The provider cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The engine cannot run the module.
    #[error("the published engine cannot run the module: {0}")]
    Setup(String),
    /// The call failed; this is the engine's text.
    #[error("{0}")]
    Call(String),
}

// === impl PublishedHost ===

impl PublishedHost {
    /// Verifies a signed module, binds the provider to it as `default`, and makes an instance.
    ///
    /// # Errors
    /// When the module is not believed, not granted the contract, or does not run.
    pub fn new(
        signed: &[u8],
        trusted: &TrustedIssuers,
        provider: &Arc<dyn KeyValue>,
    ) -> Result<Self, PublishedError> {
        let verified = identity::verify(signed, trusted, SystemTime::now())?;
        let mut bindings = Bindings::new(verified.claims.wascap.caps);
        bindings.bind("default", provider)?;
        Self::unverified(&verified.module, Arc::new(bindings))
    }

    /// Runs a module as it is over any dispatch: the engine alone.
    ///
    /// # Errors
    /// When the engine does not take it.
    pub fn unverified(wasm: &[u8], dispatch: Arc<dyn Dispatch>) -> Result<Self, PublishedError> {
        let provider = WasmtimeEngineProviderBuilder::new()
            .module_bytes(wasm)
            .build()
            .map_err(|error| PublishedError::Setup(error.to_string()))?;
        let answer = move |_: u64, binding: &str, namespace: &str, operation: &str, payload: &[u8]| {
            let call = HostCall {
                binding: binding.as_bytes(),
                namespace: namespace.as_bytes(),
                operation: operation.as_bytes(),
                payload,
            };
            let mut reply = Reply::default();
            if let Dispatched::Pending(pending) = dispatch.dispatch(call, &mut reply) {
                reply = block_on(pending);
            }
            reply.into_result().map_err(Into::into)
        };
        WapcHost::new(Box::new(provider), Some(Box::new(answer)))
            .map(|engine| Self { engine })
            .map_err(|error| PublishedError::Setup(error.to_string()))
    }

    /// Calls an operation of the guest.
    ///
    /// # Errors
    /// When the call failed.
    pub fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, PublishedError> {
        self.engine.call(operation, payload).map_err(|error| PublishedError::Call(error.to_string()))
    }
}
