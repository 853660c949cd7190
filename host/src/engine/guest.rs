//! A program wired to a dispatch: what can be called.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::instance::{Instance, Permit};
use super::pool::Pool;
use super::{CallFailure, Dispatch, Program};

/// A program wired to a dispatch. Clones are the same guest.
#[derive(Clone)]
pub struct Guest {
    inner: Arc<Inner>,
}

struct Inner {
    program: Program,
    /// The stamp of the current wiring, where calls can see it at no cost.
    stamp: AtomicU64,
    wiring: Mutex<Wiring>,
    pool: Pool,
    live: Arc<AtomicUsize>,
}

/// Which dispatch new instances get. Older instances are told by their stamp, and not used again.
#[derive(Clone)]
struct Wiring {
    /// Counts up by two; the lowest bit says whether calls may wait.
    stamp: u64,
    dispatch: Arc<dyn Dispatch>,
}

/// A call's outcome: there already, or to come.
#[must_use = "a pending call does nothing until it is awaited"]
pub enum Call {
    /// The call is done.
    Ready(Result<Bytes, CallFailure>),
    /// The call is under way. Dropping it stops the guest and drops its instance.
    Pending(Pin<Box<dyn Future<Output = Result<Bytes, CallFailure>> + Send>>),
}

/// What there is for a call that found no instance.
enum Obtained {
    /// An idle one of the current wiring.
    Idle(Box<Instance>),
    /// Leave to make one.
    Leave(Wiring, Permit),
}

const WAITS: u64 = 1;

// === impl Call ===

impl Call {
    /// The outcome, waiting for it if need be.
    ///
    /// # Errors
    /// When the call failed.
    pub async fn wait(self) -> Result<Bytes, CallFailure> {
        match self {
            Self::Ready(result) => result,
            Self::Pending(future) => future.await,
        }
    }
}

// === impl Guest ===

impl Guest {
    /// Wires a program to a dispatch. Instances are made when they are first needed.
    #[must_use]
    pub fn new(program: Program, dispatch: Arc<dyn Dispatch>) -> Self {
        let wiring = Wiring { stamp: waits(&program, &*dispatch), dispatch };
        let inner = Inner {
            program,
            stamp: AtomicU64::new(wiring.stamp),
            wiring: Mutex::new(wiring),
            pool: Pool::default(),
            live: Arc::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Wires it to another dispatch. Calls under way keep theirs; later calls run on fresh instances.
    pub fn rewire(&self, dispatch: Arc<dyn Dispatch>) {
        let waits = waits(&self.inner.program, &*dispatch);
        let mut wiring = self.inner.wiring.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = ((wiring.stamp | WAITS) + 1) | waits;
        *wiring = Wiring { stamp, dispatch };
        self.inner.stamp.store(stamp, Ordering::Release);
    }

    /// Whether every call is done when it returns.
    #[must_use]
    #[inline]
    pub fn always_ready(&self) -> bool {
        self.stamp() & WAITS == 0
    }

    /// Calls an operation of the guest: at once on this thread when the guest is always ready, else as a future that
    /// is to be awaited.
    pub fn call(&self, operation: &str, payload: &[u8]) -> Call {
        if self.always_ready() {
            let mut response = Vec::new();
            match self.call_into(operation, payload, &mut response) {
                // Its wiring was changed just now.
                Err(CallFailure::Waits) => {}
                result => return Call::Ready(result.map(|()| Bytes::from(response))),
            }
        }
        let (guest, operation, payload) = (self.clone(), operation.to_owned(), payload.to_vec());
        Call::Pending(Box::pin(async move { guest.call_waiting(operation, payload).await.map(Bytes::from) }))
    }

    /// Calls an operation of an always ready guest; the response replaces what is in `response`, whose room is used
    /// again.
    ///
    /// # Errors
    /// When the call failed, and with [`CallFailure::Waits`] when the guest may have to wait.
    #[inline]
    pub fn call_into(
        &self,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        let stamp = self.stamp();
        if stamp & WAITS != 0 {
            return Err(CallFailure::Waits);
        }
        let result = self.inner.pool.with(stamp, |slot| {
            let instance = match slot {
                Some(instance) if instance.stamp == stamp => instance,
                _ => {
                    // One of an older wiring makes room first.
                    *slot = None;
                    slot.insert(self.instantiate().map_err(Box::new)?)
                }
            };
            let result = instance.call(operation, payload, response);
            if result.as_ref().is_err_and(|failure| failure.spoils_instance()) {
                *slot = None;
            }
            result
        });
        result.map_err(|failure| *failure)
    }

    async fn call_waiting(&self, operation: String, payload: Vec<u8>) -> Result<Vec<u8>, CallFailure> {
        let mut instance = match self.inner.pool.take(self.stamp()) {
            Some(instance) => instance,
            None => match self.obtain()? {
                Obtained::Idle(instance) => instance,
                Obtained::Leave(wiring, permit) => {
                    Instance::waiting(&self.inner.program, wiring.dispatch, wiring.stamp, permit).await?
                }
            },
        };
        let result = instance.call_waiting(operation, payload).await;
        if !result.as_ref().is_err_and(|failure| failure.spoils_instance()) && instance.stamp == self.stamp()
        {
            self.inner.pool.keep(instance);
        }
        result.map_err(|failure| *failure)
    }

    #[cold]
    fn instantiate(&self) -> Result<Box<Instance>, CallFailure> {
        match self.obtain()? {
            Obtained::Idle(instance) => Ok(instance),
            Obtained::Leave(wiring, _) if wiring.stamp & WAITS != 0 => Err(CallFailure::Waits),
            Obtained::Leave(wiring, permit) => {
                Instance::ready(&self.inner.program, wiring.dispatch, wiring.stamp, permit)
            }
        }
    }

    /// Leave to make an instance. Where there may be no more, one that is idle elsewhere is used, or gives way if it is
    /// of an older wiring.
    fn obtain(&self) -> Result<Obtained, CallFailure> {
        loop {
            let wiring = self.inner.wiring.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match Permit::acquire(&self.inner.live, self.inner.program.limits.instances) {
                Ok(permit) => return Ok(Obtained::Leave(wiring, permit)),
                Err(busy) => match self.inner.pool.take_any() {
                    Some(instance) if instance.stamp == wiring.stamp => return Ok(Obtained::Idle(instance)),
                    Some(older) => drop(older),
                    None => return Err(busy),
                },
            }
        }
    }

    #[inline]
    fn stamp(&self) -> u64 {
        self.inner.stamp.load(Ordering::Acquire)
    }
}

fn waits(program: &Program, dispatch: &dyn Dispatch) -> u64 {
    if dispatch.always_ready() && program.ready.is_some() { 0 } else { WAITS }
}
