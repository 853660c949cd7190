//! The clock of an engine: it advances the epoch behind the deadlines, wakes calls that have waited long enough, and looks
//! after guests of which nobody asks anything.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::{Engine, EngineWeak};

use super::EngineError;

const TICK: Duration = Duration::from_millis(10);

/// The calls that are to be woken, by when, and the guests that are looked after.
pub(super) struct Ticker {
    alarms: Mutex<Alarms>,
    /// That an alarm was set for a time before the next tick.
    sooner: Condvar,
    engines: Mutex<Vec<EngineWeak>>,
    guests: Mutex<Guests>,
}

struct Alarms {
    wakers: BTreeMap<(Instant, u64), Waker>,
    /// Tells apart those of the same moment.
    count: u64,
    next_tick: Instant,
}

#[derive(Default)]
struct Guests {
    all: Vec<Weak<dyn Tended>>,
    /// Those that end, by the second since 1970.
    ends: BTreeMap<u64, Vec<Weak<dyn Tended>>>,
}

/// A guest that is looked after.
pub(super) trait Tended: Send + Sync {
    /// Drops what no call needed since the last time.
    fn shrink(&self);

    /// Refuses all calls if its end has come, in seconds since 1970.
    fn end(&self, now: u64);
}

/// Wakes one call. Dropping it takes it back.
pub(super) struct Alarm<'a> {
    ticker: &'a Ticker,
    at: Instant,
    set: Option<(u64, Waker)>,
}

// === impl Ticker ===

impl Ticker {
    /// Starts the one thread that advances an engine's epoch. It ends within a tick of the engine's end.
    pub(super) fn start(engine: &Engine, idle: Duration) -> Result<Arc<Self>, EngineError> {
        let ticker = Arc::new(Self {
            alarms: Mutex::new(Alarms { wakers: BTreeMap::new(), count: 0, next_tick: Instant::now() }),
            sooner: Condvar::new(),
            engines: Mutex::new(vec![engine.weak()]),
            guests: Mutex::default(),
        });
        let ticking = Arc::clone(&ticker);
        thread::Builder::new()
            .name("pillion-ticker".to_owned())
            .spawn(move || {
                let mut shrink_at = Instant::now().checked_add(idle);
                while ticking.advance() {
                    ticking.tend();
                    let now = Instant::now();
                    if shrink_at.is_some_and(|at| at <= now) {
                        shrink_at = now.checked_add(idle);
                        let ticker = Arc::clone(&ticking);
                        aside(move || ticker.shrink());
                    }
                    ticking.wake_until(now + TICK);
                }
            })
            .map_err(|error| {
                EngineError::Setup(format!("the thread for deadlines cannot be started: {error}"))
            })?;
        Ok(ticker)
    }

    /// Advances the epoch of another engine too. The thread goes on until the last one's end.
    pub(super) fn add(&self, engine: &Engine) {
        self.engines().push(engine.weak());
    }

    /// An alarm for that time. It is not set yet.
    pub(super) fn alarm(&self, at: Instant) -> Alarm<'_> {
        Alarm { ticker: self, at, set: None }
    }

    /// Waits for that time; without one, for ever.
    pub(super) async fn sleep(&self, until: Option<Instant>) {
        let mut alarm = until.map(|until| self.alarm(until));
        poll_fn(|context| match &mut alarm {
            Some(alarm) if alarm.at <= Instant::now() => Poll::Ready(()),
            Some(alarm) => {
                alarm.set(context.waker());
                Poll::Pending
            }
            None => Poll::Pending,
        })
        .await;
    }

    /// Looks after a guest as long as that is there.
    pub(super) fn look_after(&self, guest: Weak<dyn Tended>) {
        let all = &mut self.guests().all;
        // Once in a while is enough, and costs each guest the same.
        if all.len() == all.capacity() {
            all.retain(|guest| guest.strong_count() > 0);
        }
        all.push(guest);
    }

    /// Ends a guest in that second since 1970, unless it has another end by then.
    pub(super) fn end_at(&self, second: u64, guest: Weak<dyn Tended>) {
        let ends = &mut self.guests().ends;
        let of_second = ends.entry(second).or_default();
        of_second.retain(|other| other.strong_count() > 0 && !other.ptr_eq(&guest));
        of_second.push(guest);
    }

    /// Has all guests drop what no call needed since the last time.
    pub(super) fn shrink(&self) {
        let all = self.guests().all.clone();
        all.iter().filter_map(Weak::upgrade).for_each(|guest| guest.shrink());
    }

    /// Ends the guests whose time has come.
    fn tend(&self) {
        let mut guests = self.guests();
        if guests.ends.is_empty() {
            return;
        }
        let now = seconds();
        let Some(later) = now.checked_add(1).map(|next| guests.ends.split_off(&next)) else { return };
        let due = std::mem::replace(&mut guests.ends, later);
        drop(guests);
        aside(move || due.values().flatten().filter_map(Weak::upgrade).for_each(|guest| guest.end(now)));
    }

    /// Advances the epoch of each engine; answers whether there still is one.
    fn advance(&self) -> bool {
        let mut engines = self.engines();
        engines.retain(|engine| engine.upgrade().inspect(Engine::increment_epoch).is_some());
        !engines.is_empty()
    }

    /// Wakes whoever is due until the next tick.
    fn wake_until(&self, tick: Instant) {
        let mut alarms = self.alarms();
        alarms.next_tick = tick;
        loop {
            let now = Instant::now();
            let later = alarms.wakers.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut alarms.wakers, later);
            if !due.is_empty() {
                drop(alarms);
                // Outside the lock: what a waker does is not ours.
                due.into_values().for_each(Waker::wake);
                alarms = self.alarms();
            }
            if now >= tick {
                return;
            }
            let next = alarms.wakers.first_key_value().map_or(tick, |((at, _), _)| (*at).min(tick));
            let waited = self.sooner.wait_timeout(alarms, next.saturating_duration_since(now));
            alarms = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    // They are whole at all times: nothing panics half way through a change.

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn engines(&self) -> MutexGuard<'_, Vec<EngineWeak>> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Alarm ===

impl Alarm<'_> {
    /// Has that task woken.
    pub(super) fn set(&mut self, waker: &Waker) {
        if self.set.as_ref().is_some_and(|(_, set)| set.will_wake(waker)) {
            return;
        }
        self.unset();
        let mut alarms = self.ticker.alarms();
        alarms.count += 1;
        let number = alarms.count;
        alarms.wakers.insert((self.at, number), waker.clone());
        if self.at < alarms.next_tick {
            self.ticker.sooner.notify_one();
        }
        drop(alarms);
        self.set = Some((number, waker.clone()));
    }

    fn unset(&mut self) {
        if let Some((number, _)) = self.set.take() {
            let unset = self.ticker.alarms().wakers.remove(&(self.at, number));
            drop(unset);
        }
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.unset();
    }
}

/// Does it on a thread of its own, if one is to be had: how instances and providers end is not the clock's to wait for.
fn aside(job: impl Fn() + Send + Sync + 'static) {
    let job = Arc::new(job);
    let same = Arc::clone(&job);
    let spawned = thread::Builder::new().name("pillion-tending".to_owned()).spawn(move || same());
    if spawned.is_err() {
        job();
    }
}

/// How many ticks that time is, rounded up.
pub(super) fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX >> 1)
}

/// The time in seconds since 1970.
pub(super) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
