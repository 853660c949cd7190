//! One guest on the published engine.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use pillion_capabilities::KeyValue;
use pillion_host::dispatch::{BindError, Bindings};
use pillion_host::engine::{Dispatch, Dispatched, HostCall, Reply};
use pillion_host::identity::{self, IdentityError, TrustedIssuers};
use wapc::WapcHost;
use wasmtime_provider::{WasmtimeEngineProviderBuilder, WasmtimeEngineProviderPre};

use crate::block_on::block_on;

/// One guest on the published engine, compiled once, with an instance for each thread that calls it.
///
/// The engine's own host serves one call at a time and cannot leave its thread; an instance a thread is what serves
/// many without a queue. Instances stay until their thread ends.
///
/// A provider's pending answer blocks the thread until it is there, since the synchronous engine cannot suspend a
/// guest; the thread must therefore not be one that the provider needs to get on. The asynchronous form of the engine
/// would suspend, but it too serves one call at a time, and costs two to three times as much per call.
pub struct PublishedHost {
    /// Tells this guest's instances from others' on the same thread.
    number: usize,
    compiled: WasmtimeEngineProviderPre,
    dispatch: Arc<dyn Dispatch>,
}

thread_local! {
    /// This thread's instances, by the number of their guest. There are few.
    static INSTANCES: RefCell<Vec<(usize, Rc<WapcHost>)>> = const { RefCell::new(Vec::new()) };
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
        let mut bindings = Bindings::new(&verified.claims.sub, verified.claims.wascap.caps);
        bindings.bind("default", Arc::clone(provider))?;
        Self::unverified(&verified.module, Arc::new(bindings))
    }

    /// Runs a module as it is over any dispatch: the engine alone.
    ///
    /// # Errors
    /// When the engine does not take it.
    pub fn unverified(wasm: &[u8], dispatch: Arc<dyn Dispatch>) -> Result<Self, PublishedError> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let compiled = WasmtimeEngineProviderBuilder::new()
            .module_bytes(wasm)
            .build_pre()
            .map_err(|error| PublishedError::Setup(error.to_string()))?;
        let host = Self { number: NEXT.fetch_add(1, Ordering::Relaxed), compiled, dispatch };
        // What does not run is told now, not at the first call.
        host.instance()?;
        Ok(host)
    }

    /// Calls an operation of the guest.
    ///
    /// # Errors
    /// When the call failed.
    pub fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, PublishedError> {
        self.instance()?.call(operation, payload).map_err(|error| PublishedError::Call(error.to_string()))
    }

    /// This thread's instance.
    fn instance(&self) -> Result<Rc<WapcHost>, PublishedError> {
        let known = INSTANCES.with_borrow(|instances| {
            instances.iter().find(|(number, _)| *number == self.number).map(|(_, host)| Rc::clone(host))
        });
        match known {
            Some(host) => Ok(host),
            None => self.instantiate(),
        }
    }

    #[cold]
    fn instantiate(&self) -> Result<Rc<WapcHost>, PublishedError> {
        let setup = |error: String| PublishedError::Setup(error);
        let provider = self.compiled.rehydrate(None).map_err(|error| setup(error.to_string()))?;
        let dispatch = Arc::clone(&self.dispatch);
        let answer = move |_: u64, binding: &str, namespace: &str, operation: &str, payload: &[u8]| {
            let call = HostCall {
                binding: binding.as_bytes(),
                namespace: namespace.as_bytes(),
                operation: operation.as_bytes(),
                payload,
                depth: 0,
            };
            let mut reply = Reply::default();
            if let Dispatched::Pending(pending) = dispatch.dispatch(&call, &mut reply) {
                reply = block_on(pending);
            }
            reply.into_result().map_err(Into::into)
        };
        let host = WapcHost::new(Box::new(provider), Some(Box::new(answer)));
        let host = Rc::new(host.map_err(|error| setup(error.to_string()))?);
        INSTANCES.with_borrow_mut(|instances| instances.push((self.number, Rc::clone(&host))));
        Ok(host)
    }
}
