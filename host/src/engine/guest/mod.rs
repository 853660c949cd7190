//! A program wired to a dispatch: what can be called.

mod calls;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

pub use calls::Call;

use super::gate::Gate;
use super::instance::{Instance, Permit};
use super::places::Places;
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

/// In a stamp: whether calls may have to wait.
const WAITS: u64 = 1;
/// In a stamp: whether calls are counted.
const COUNTED: u64 = 2;
/// In a stamp: whether somebody is told how calls end.
const WATCHED: u64 = 4;
const BITS: u64 = WAITS | COUNTED | WATCHED;

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
