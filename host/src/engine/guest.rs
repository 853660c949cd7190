//! A program wired to a dispatch: what can be called.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;

use super::gate::{self, Gate};
use super::instance::{Instance, Permit};
use super::pool::Pool;
use super::{CallFailure, Dispatch, Limits, Program};

/// A program wired to a dispatch. Clones are the same guest.
#[derive(Clone)]
pub struct Guest {
    inner: Arc<Inner>,
}

/// A guest as seen by what it holds itself: it does not keep the guest alive.
#[derive(Clone)]
pub(crate) struct WeakGuest {
    inner: Weak<Inner>,
}

struct Inner {
    /// The stamp of the current wiring, where calls can see it at no cost.
    stamp: AtomicU64,
    wiring: Mutex<Wiring>,
    pool: Pool,
    live: Arc<AtomicUsize>,
    gate: Option<Arc<dyn Gate>>,
}

/// Is told how the calls of a program ended that has to prove itself yet.
pub(crate) trait Watch: Send + Sync + 'static {
    /// A call ended, on an instance of that program or in making one. Calls that are given up, their futures dropped,
    /// are not told of.
    fn ended(&self, outcome: Result<(), &CallFailure>);
}

/// What new instances are made of. Older instances are told by their stamp, and not used again.
#[derive(Clone)]
struct Wiring {
    /// Counts up by four; the lowest bit says whether calls may wait, the next whether somebody is told how they end.
    stamp: u64,
    program: Program,
    dispatch: Arc<dyn Dispatch>,
    /// Who is told how calls end, of those on instances from that stamp on.
    watch: Option<(u64, Arc<dyn Watch>)>,
    /// Whether it is to be called no more.
    closed: bool,
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
const WATCHED: u64 = 2;
const FLAGS: u64 = WAITS | WATCHED;

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
        Self::gated(program, dispatch, None)
    }

    /// As [`Guest::new`], with somebody at its entry.
    #[must_use]
    pub fn gated(program: Program, dispatch: Arc<dyn Dispatch>, gate: Option<Arc<dyn Gate>>) -> Self {
        let stamp = waits(&program, &*dispatch);
        let wiring = Wiring { stamp, program, dispatch, watch: None, closed: false };
        let inner = Inner {
            stamp: AtomicU64::new(wiring.stamp),
            wiring: Mutex::new(wiring),
            pool: Pool::default(),
            live: Arc::default(),
            gate,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Wires it to another dispatch. Calls under way keep theirs; later calls run on fresh instances.
    pub fn rewire(&self, dispatch: Arc<dyn Dispatch>) {
        self.wire(|now| Wiring { dispatch, ..now });
    }

    /// Puts another program in this one's place, with its dispatch. Calls under way end on the old one; later calls run
    /// the new. What the old one used is freed with the last of its calls; a thread whose call ends at the very moment of
    /// the change may keep one instance until it calls again.
    pub fn replace(&self, program: Program, dispatch: Arc<dyn Dispatch>) {
        self.wire(|now| Wiring { program, dispatch, watch: None, ..now });
    }

    /// As [`Guest::replace`], and has somebody told how the calls of the new program end, until it is replaced in its
    /// turn or [`Guest::unwatch`] is called.
    pub(crate) fn replace_watched(
        &self,
        program: Program,
        dispatch: Arc<dyn Dispatch>,
        watch: Arc<dyn Watch>,
    ) {
        self.wire(|now| Wiring { program, dispatch, watch: Some((now.stamp, watch)), ..now });
    }

    /// Has nobody told any more how calls end.
    pub(crate) fn unwatch(&self) {
        self.wire(|now| Wiring { watch: None, ..now });
    }

    /// The program and what it is wired to now.
    pub(crate) fn wired(&self) -> (Program, Arc<dyn Dispatch>) {
        let wiring = self.wiring();
        (wiring.program.clone(), Arc::clone(&wiring.dispatch))
    }

    /// Refuses all later calls. Those under way end as they would have.
    pub fn close(&self) {
        let mut wiring = self.wiring();
        // Whoever may have to wait takes the way that looks.
        wiring.stamp = (wiring.stamp | FLAGS) + 1 + WAITS;
        wiring.closed = true;
        let stamp = wiring.stamp;
        self.inner.stamp.store(stamp, Ordering::Release);
        drop(wiring);
        self.inner.pool.retain(stamp);
    }

    /// Changes the wiring; the change is handed the stamp that the new one will have, but for its flags.
    fn wire(&self, change: impl FnOnce(Wiring) -> Wiring) {
        let mut wiring = self.wiring();
        if wiring.closed {
            return;
        }
        let stamp = (wiring.stamp | FLAGS) + 1;
        let mut new = change(Wiring { stamp, ..wiring.clone() });
        let watched = if new.watch.is_some() { WATCHED } else { 0 };
        new.stamp = stamp | watched | waits(&new.program, &*new.dispatch);
        let stamp = new.stamp;
        let old = std::mem::replace(&mut *wiring, new);
        self.inner.stamp.store(stamp, Ordering::Release);
        drop(wiring);
        // Outside the lock: instances and dispatches of others' making end here.
        self.inner.pool.retain(stamp);
        drop(old);
    }

    /// The same guest for what it holds itself, as its dispatch and its instances: it ends without regard to this.
    pub(crate) fn downgrade(&self) -> WeakGuest {
        WeakGuest { inner: Arc::downgrade(&self.inner) }
    }

    /// What it may use.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.wiring().program.limits
    }

    /// Whether calls may have to wait whatever the dispatch says, as those of a module that imports WASI may.
    #[must_use]
    pub fn always_waits(&self) -> bool {
        self.wiring().program.always_waits()
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
        self.call_at(0, operation, payload)
    }

    /// As [`Guest::call`], for a call that another guest makes: `depth` is one more than that of its own call.
    pub fn call_at(&self, depth: u32, operation: &str, payload: &[u8]) -> Call {
        match &self.inner.gate {
            None => self.enter(depth, operation, payload),
            Some(gate) => gate::pass(gate, operation, payload, || self.enter(depth, operation, payload)),
        }
    }

    fn enter(&self, depth: u32, operation: &str, payload: &[u8]) -> Call {
        if self.always_ready() {
            let mut response = Vec::new();
            match self.enter_into(depth, operation, payload, &mut response) {
                // Its wiring was changed just now.
                Err(CallFailure::Waits) => {}
                result => return Call::Ready(result.map(|()| Bytes::from(response))),
            }
        }
        let (guest, operation, payload) = (self.clone(), operation.to_owned(), payload.to_vec());
        Call::Pending(Box::pin(async move {
            guest.call_waiting(depth, operation, payload).await.map(Bytes::from)
        }))
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
        self.call_into_at(0, operation, payload, response)
    }

    /// As [`Guest::call_into`], for a call that another guest makes: `depth` is one more than that of its own call.
    ///
    /// # Errors
    /// As [`Guest::call_into`].
    #[inline]
    pub fn call_into_at(
        &self,
        depth: u32,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        match &self.inner.gate {
            None => self.enter_into(depth, operation, payload, response),
            Some(gate) => self.pass_into(&**gate, depth, operation, payload, response),
        }
    }

    /// A call that turns out to have to wait is as good as not made: whoever makes it anew passes the gate again.
    #[cold]
    fn pass_into(
        &self,
        gate: &dyn Gate,
        depth: u32,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        if !self.always_ready() {
            return Err(self.refusal());
        }
        gate.before(operation, payload)?;
        let begun = Instant::now();
        let result = self.enter_into(depth, operation, payload, response);
        gate.after(operation, result.as_ref().map(|()| &response[..]), begun.elapsed());
        result
    }

    #[inline]
    fn enter_into(
        &self,
        depth: u32,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        let stamp = self.stamp();
        if stamp & WAITS != 0 {
            return Err(self.refusal());
        }
        let result = self.inner.pool.with(
            stamp,
            || self.stamp(),
            |slot| {
                let instance = match slot {
                    Some(instance) if instance.stamp == stamp => instance,
                    _ => {
                        // One of an older wiring makes room first.
                        *slot = None;
                        slot.insert(self.instantiate(depth).map_err(Box::new)?)
                    }
                };
                let result = instance.call(depth, operation, payload, response);
                let spoilt = result.as_ref().is_err_and(|failure| failure.spoils_instance());
                // One whose wiring was changed during the call is not kept: nobody might ever come for it.
                if spoilt || stamp != self.stamp() {
                    *slot = None;
                }
                result
            },
        );
        let result = result.map_err(|failure| *failure);
        if stamp & WATCHED != 0 {
            self.ended(stamp, result.as_ref().map(|()| ()));
        }
        result
    }

    async fn call_waiting(
        &self,
        depth: u32,
        operation: String,
        payload: Vec<u8>,
    ) -> Result<Vec<u8>, CallFailure> {
        let mut instance = match self.inner.pool.take(self.stamp()) {
            Some(instance) => instance,
            None => match self.obtain()? {
                Obtained::Idle(instance) => instance,
                Obtained::Leave(wiring, permit) => {
                    let stamp = wiring.stamp;
                    let made =
                        Instance::waiting(&wiring.program, wiring.dispatch, depth, stamp, permit).await;
                    if let Err(failure) = &made
                        && stamp & WATCHED != 0
                    {
                        self.ended(stamp, Err(failure));
                    }
                    made?
                }
            },
        };
        let stamp = instance.stamp;
        let result = instance.call_waiting(depth, operation, payload).await;
        if !result.as_ref().is_err_and(|failure| failure.spoils_instance()) {
            self.inner.pool.keep(instance, || self.stamp());
        }
        let result = result.map_err(|failure| *failure);
        if stamp & WATCHED != 0 {
            self.ended(stamp, result.as_ref().map(|_| ()));
        }
        result
    }

    /// Tells whoever watches how a call ended on an instance of that stamp.
    #[cold]
    fn ended(&self, stamp: u64, outcome: Result<(), &CallFailure>) {
        let watch = self.wiring().watch.clone();
        // Calls of an earlier program that was watched too are none of this one's.
        if let Some((since, watch)) = watch
            && stamp >= since
        {
            watch.ended(outcome);
        }
    }

    #[cold]
    fn instantiate(&self, depth: u32) -> Result<Box<Instance>, CallFailure> {
        match self.obtain()? {
            Obtained::Idle(instance) => Ok(instance),
            Obtained::Leave(wiring, _) if wiring.stamp & WAITS != 0 => Err(CallFailure::Waits),
            Obtained::Leave(wiring, permit) => {
                Instance::ready(&wiring.program, wiring.dispatch, depth, wiring.stamp, permit)
            }
        }
    }

    /// Leave to make an instance. Where there may be no more, one that is idle elsewhere is used, or gives way if it is
    /// of an older wiring.
    fn obtain(&self) -> Result<Obtained, CallFailure> {
        loop {
            let wiring = self.wiring().clone();
            if wiring.closed {
                return Err(CallFailure::Removed);
            }
            match Permit::acquire(&self.inner.live, wiring.program.limits.instances) {
                Ok(permit) => return Ok(Obtained::Leave(wiring, permit)),
                Err(busy) => match self.inner.pool.take_any() {
                    Some(instance) if instance.stamp == wiring.stamp => return Ok(Obtained::Idle(instance)),
                    Some(older) => drop(older),
                    None => return Err(busy),
                },
            }
        }
    }

    /// Why a call that cannot wait is not made.
    #[cold]
    fn refusal(&self) -> CallFailure {
        if self.wiring().closed { CallFailure::Removed } else { CallFailure::Waits }
    }

    fn wiring(&self) -> MutexGuard<'_, Wiring> {
        // It is whole at all times: nothing panics half way through a change.
        self.inner.wiring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn stamp(&self) -> u64 {
        self.inner.stamp.load(Ordering::Acquire)
    }
}

// === impl WeakGuest ===

impl WeakGuest {
    /// The guest, unless it has ended.
    pub(crate) fn upgrade(&self) -> Option<Guest> {
        self.inner.upgrade().map(|inner| Guest { inner })
    }
}

// === free functions ===

fn waits(program: &Program, dispatch: &dyn Dispatch) -> u64 {
    if dispatch.always_ready() && program.compiled.ready.is_some() { 0 } else { WAITS }
}
