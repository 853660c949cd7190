//! A program wired to a dispatch: what can be called.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;
use pillion_capabilities::trace::Context;

use super::gate::{self, Gate};
use super::instance::{Instance, Permit};
use super::meter::Meter;
use super::places::{Place, Places};
use super::pool::Pool;
use super::ticker::{self, Tended};
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
    /// Counts up in steps above [`BITS`].
    stamp: u64,
    program: Program,
    dispatch: Arc<dyn Dispatch>,
    /// There when calls are counted.
    places: Option<Arc<Places>>,
    /// Who is told how calls end, of those on instances from that stamp on.
    watch: Option<(u64, Arc<dyn Watch>)>,
    /// The second since 1970 from which on it is not to be called.
    end: Option<u64>,
    /// Why it is not to be called any more.
    closed: Option<CallFailure>,
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

/// In a stamp: whether calls may have to wait.
const WAITS: u64 = 1;
/// In a stamp: whether calls are counted.
const COUNTED: u64 = 2;
/// In a stamp: whether somebody is told how calls end.
const WATCHED: u64 = 4;
const BITS: u64 = WAITS | COUNTED | WATCHED;

/// A call that has a place has an instance too, once whoever moves the idle ones about puts it down: it looks so often.
const LOOKS: u32 = 1_000;

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
        let places = Places::of(program.limits);
        let (watch, end, closed) = (None, None, None);
        let mut wiring = Wiring { stamp: 0, program, dispatch, places, watch, end, closed };
        wiring.renew();
        let ticker = Arc::clone(&wiring.program.compiled.ticker);
        let inner = Arc::new(Inner {
            stamp: AtomicU64::new(wiring.stamp),
            wiring: Mutex::new(wiring),
            pool: Pool::default(),
            live: Arc::default(),
            gate,
        });
        ticker.look_after(Self::tended(&inner));
        Self { inner }
    }

    fn tended(inner: &Arc<Inner>) -> Weak<dyn Tended> {
        let inner: Weak<Inner> = Arc::downgrade(inner);
        inner
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
        self.wire(|now| Wiring { program, dispatch, watch: Some(((now.stamp | BITS) + 1, watch)), ..now });
    }

    /// Has nobody told any more how calls end.
    pub(crate) fn unwatch(&self) {
        self.wire(|now| Wiring { watch: None, ..now });
    }

    /// The program and what it is wired to now.
    pub(crate) fn wired(&self) -> (Program, Arc<dyn Dispatch>) {
        let wiring = self.inner.wiring();
        (wiring.program.clone(), Arc::clone(&wiring.dispatch))
    }

    /// Refuses all later calls, and those that wait for their turn. Those under way end as they would have.
    pub fn close(&self) {
        self.inner.close(self.inner.wiring(), CallFailure::Removed);
    }

    /// Refuses all calls from that second since 1970 on, within a tick of 10 ms, in place of an earlier end. Those under
    /// way end as they would have. An end that has not come lets calls in again that were refused for an earlier one.
    pub fn set_end(&self, end: Option<u64>) {
        let mut wiring = self.inner.wiring();
        wiring.end = end;
        let ticker = Arc::clone(&wiring.program.compiled.ticker);
        let expired = matches!(wiring.closed, Some(CallFailure::Expired(_)));
        if let Some(end) = end.filter(|end| *end <= ticker::seconds()) {
            return self.inner.close(wiring, CallFailure::Expired(end));
        }
        if expired {
            wiring.closed = None;
            wiring.places = Places::of(wiring.program.limits);
            wiring.renew();
            self.inner.stamp.store(wiring.stamp, Ordering::Release);
        }
        drop(wiring);
        if let Some(end) = end {
            ticker.end_at(end, Self::tended(&self.inner));
        }
    }

    /// Changes the wiring, and gives it the next stamp.
    fn wire(&self, change: impl FnOnce(Wiring) -> Wiring) {
        let mut wiring = self.inner.wiring();
        if wiring.closed == Some(CallFailure::Removed) {
            return;
        }
        let mut new = change(wiring.clone());
        let (limits, end) = (new.program.limits, new.end);
        let elsewhere = !Arc::ptr_eq(&new.program.compiled.ticker, &wiring.program.compiled.ticker);
        // Calls under way keep their places.
        if !new.places.as_ref().is_some_and(|places| places.fit(limits)) {
            new.places = Places::of(limits);
        }
        new.renew();
        let (stamp, ticker) = (new.stamp, Arc::clone(&new.program.compiled.ticker));
        let old = std::mem::replace(&mut *wiring, new);
        self.inner.stamp.store(stamp, Ordering::Release);
        drop(wiring);
        // Outside the lock: instances and dispatches of others' making end here.
        self.inner.pool.retain(stamp);
        drop(old);
        if elsewhere {
            ticker.look_after(Self::tended(&self.inner));
            if let Some(end) = end {
                ticker.end_at(end, Self::tended(&self.inner));
            }
        }
    }

    /// The same guest for what it holds itself, as its dispatch and its instances: it ends without regard to this.
    pub(crate) fn downgrade(&self) -> WeakGuest {
        WeakGuest { inner: Arc::downgrade(&self.inner) }
    }

    /// What it may use.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.inner.wiring().program.limits
    }

    /// How many instances there are, idle ones included.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.inner.live.load(Ordering::Relaxed)
    }

    /// How many calls wait for their turn.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.inner.wiring().places.as_ref().map_or(0, |places| places.waiting())
    }

    /// Whether calls may have to wait whatever the dispatch says, as those of a module that imports WASI may.
    #[must_use]
    pub fn always_waits(&self) -> bool {
        self.inner.wiring().program.always_waits()
    }

    /// Whether every call is done when it returns, unless it has to wait for its turn.
    #[must_use]
    #[inline]
    pub fn always_ready(&self) -> bool {
        self.inner.stamp() & WAITS == 0
    }

    /// Calls an operation of the guest: at once on this thread when the guest is always ready and has room, else as a
    /// future that is to be awaited.
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
                Err(CallFailure::Full { queue: 1.., .. }) if depth == 0 => {}
                result => return Call::Ready(result.map(|()| Bytes::from(response))),
            }
        }
        let (guest, operation, payload) = (self.clone(), operation.to_owned(), payload.to_vec());
        let call = async move { guest.call_waiting(depth, operation, payload).await.map(Bytes::from) };
        Call::Pending(Box::pin(call))
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
        let _context = gate.context(operation).map(Context::attach);
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
        let stamp = self.inner.stamp();
        if stamp & BITS != 0 {
            return self.enter_counted(stamp, depth, operation, payload, response);
        }
        self.run_into(stamp, depth, operation, payload, response)
    }

    /// Enters with a place, if there is one. It is given back after the instance.
    #[cold]
    fn enter_counted(
        &self,
        stamp: u64,
        depth: u32,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        if stamp & WAITS != 0 {
            return Err(self.refusal());
        }
        let places = self.inner.wiring().places.clone();
        let _place = places.map(|places| places.take()).transpose()?;
        self.run_into(stamp, depth, operation, payload, response)
    }

    /// Runs a call of a wiring that is always ready.
    #[inline]
    fn run_into(
        &self,
        stamp: u64,
        depth: u32,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        let result = self.inner.pool.with(
            stamp,
            || self.inner.stamp(),
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
                if spoilt || stamp != self.inner.stamp() {
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
        let begun = Instant::now();
        // Given back after the instance.
        let _place = match self.inner.stamp() & COUNTED {
            0 => None,
            _ => Box::pin(self.place(depth, begun)).await?,
        };
        let found = loop {
            let stamp = self.inner.stamp();
            // It may have been wired anew since it was called.
            if stamp & WAITS == 0 {
                let mut response = Vec::new();
                match self.run_into(stamp, depth, &operation, &payload, &mut response) {
                    Err(CallFailure::Waits) => continue,
                    result => return result.map(|()| response),
                }
            }
            match self.inner.pool.take(stamp).map_or_else(|| self.obtain(), |it| Ok(Obtained::Idle(it)))? {
                Obtained::Idle(instance) if instance.stamp & WAITS != 0 => break Ok(instance),
                Obtained::Idle(instance) => self.inner.pool.keep(instance, || self.inner.stamp()),
                Obtained::Leave(wiring, _) if wiring.stamp & WAITS == 0 => {}
                // Most calls find an instance, and need not have the room to make one in.
                Obtained::Leave(wiring, permit) => {
                    let stamp = wiring.stamp;
                    break Err((stamp, Box::pin(wiring.instance(depth, permit, begun))));
                }
            }
        };
        let mut instance = match found {
            Ok(idle) => idle,
            Err((stamp, making)) => {
                let made = making.await;
                if let Err(failure) = &made
                    && stamp & WATCHED != 0
                {
                    self.ended(stamp, Err(failure));
                }
                made?
            }
        };
        let stamp = instance.stamp;
        let result = instance.call_waiting(depth, operation, payload, begun).await;
        if !result.as_ref().is_err_and(|failure| failure.spoils_instance()) {
            self.inner.pool.keep(instance, || self.inner.stamp());
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
        let watch = self.inner.wiring().watch.clone();
        // Calls of an earlier program that was watched too are none of this one's.
        if let Some((since, watch)) = watch
            && stamp >= since
        {
            watch.ended(outcome);
        }
    }

    /// A place for a call that came at that time, after those that wait already; none if places are not counted.
    async fn place(&self, depth: u32, begun: Instant) -> Result<Option<Place>, CallFailure> {
        loop {
            let (places, patience, ticker) = {
                let wiring = self.inner.wiring();
                if let Some(failure) = &wiring.closed {
                    return Err(failure.clone());
                }
                let Some(places) = &wiring.places else { return Ok(None) };
                let Program { compiled, limits } = &wiring.program;
                (Arc::clone(places), limits.patience, Arc::clone(&compiled.ticker))
            };
            let full = match places.take() {
                Ok(place) => return Ok(Some(place)),
                Err(full) => full,
            };
            if depth > 0 {
                return Err(full);
            }
            let waiting = places.queue()?;
            if let Some(place) = Meter::default().run(&ticker, patience, begun, pin!(waiting.place())).await?
            {
                return Ok(Some(place));
            }
            // The guest was closed; it may be open again.
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
        let mut looks = 0;
        loop {
            let wiring = self.inner.wiring().clone();
            if let Some(failure) = wiring.closed {
                return Err(failure);
            }
            match Permit::acquire(&self.inner.live, wiring.program.limits.instances) {
                Ok(permit) => return Ok(Obtained::Leave(wiring, permit)),
                Err(busy) => match self.inner.pool.take_any() {
                    Some(instance) if instance.stamp == wiring.stamp => return Ok(Obtained::Idle(instance)),
                    Some(older) => drop(older),
                    None if wiring.stamp & COUNTED != 0 && looks < LOOKS => {
                        looks += 1;
                        std::thread::yield_now();
                    }
                    None => return Err(busy),
                },
            }
        }
    }

    /// Why a call that cannot wait is not made.
    #[cold]
    fn refusal(&self) -> CallFailure {
        self.inner.wiring().closed.clone().unwrap_or(CallFailure::Waits)
    }
}

// === impl Inner ===

impl Inner {
    /// Refuses all later calls for that reason. A guest that was removed stays so.
    fn close(&self, mut wiring: MutexGuard<'_, Wiring>, why: CallFailure) {
        if wiring.closed == Some(CallFailure::Removed) {
            return;
        }
        wiring.closed = Some(why);
        wiring.renew();
        let (stamp, places) = (wiring.stamp, wiring.places.take());
        self.stamp.store(stamp, Ordering::Release);
        drop(wiring);
        if let Some(places) = places {
            places.close();
        }
        self.pool.retain(stamp);
    }

    fn wiring(&self) -> MutexGuard<'_, Wiring> {
        // It is whole at all times: nothing panics half way through a change.
        self.wiring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn stamp(&self) -> u64 {
        self.stamp.load(Ordering::Acquire)
    }
}

impl Tended for Inner {
    fn shrink(&self) {
        self.pool.shrink(|| self.stamp());
    }

    fn end(&self, now: u64) {
        let wiring = self.wiring();
        if let Some(end) = wiring.end.filter(|end| *end <= now) {
            self.close(wiring, CallFailure::Expired(end));
        }
    }
}

// === impl Wiring ===

impl Wiring {
    /// An instance whose calls may wait.
    async fn instance(
        self,
        depth: u32,
        permit: Permit,
        begun: Instant,
    ) -> Result<Box<Instance>, CallFailure> {
        Instance::waiting(&self.program, self.dispatch, depth, self.stamp, permit, begun).await
    }

    /// Gives it the next stamp. Where it is closed, that sends calls the way on which they are told why.
    fn renew(&mut self) {
        let ready =
            self.closed.is_none() && self.dispatch.always_ready() && self.program.compiled.ready.is_some();
        let counted = self.closed.is_none() && self.places.is_some();
        let watched = self.closed.is_none() && self.watch.is_some();
        self.stamp = (self.stamp | BITS) + 1;
        self.stamp |= if ready { 0 } else { WAITS };
        self.stamp |= if counted { COUNTED } else { 0 };
        self.stamp |= if watched { WATCHED } else { 0 };
    }
}

// === impl WeakGuest ===

impl WeakGuest {
    /// The guest, unless it has ended.
    pub(crate) fn upgrade(&self) -> Option<Guest> {
        self.inner.upgrade().map(|inner| Guest { inner })
    }
}
