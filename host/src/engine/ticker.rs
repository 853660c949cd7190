//! The clock behind the deadlines: it advances an engine's epoch, and wakes calls that waited too long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::Engine;

use super::EngineError;

const TICK: Duration = Duration::from_millis(10);

/// The calls that are to be woken, by when.
#[derive(Default)]
pub(super) struct Ticker {
    alarms: Mutex<Alarms>,
}

#[derive(Default)]
struct Alarms {
    wakers: BTreeMap<(Instant, u64), Waker>,
    /// Tells apart those of the same moment.
    count: u64,
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
    pub(super) fn start(engine: &Engine) -> Result<Arc<Self>, EngineError> {
        let engine = engine.weak();
        let ticker = Arc::new(Self::default());
        let alarms = Arc::clone(&ticker);
        thread::Builder::new()
            .name("pillion-ticker".to_owned())
            .spawn(move || {
                while let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    alarms.wake(Instant::now());
                    thread::sleep(TICK);
                }
            })
            .map_err(|error| {
                EngineError::Setup(format!("the thread for deadlines cannot be started: {error}"))
            })?;
        Ok(ticker)
    }

    /// An alarm for that time, within a tick. It is not set yet.
    pub(super) fn alarm(&self, at: Instant) -> Alarm<'_> {
        Alarm { ticker: self, at, set: None }
    }

    fn wake(&self, now: Instant) {
        let mut alarms = self.alarms();
        let later = alarms.wakers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut alarms.wakers, later);
        drop(alarms);
        // Outside the lock: what a waker does is not ours.
        due.into_values().for_each(Waker::wake);
    }

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        // It is whole at all times: nothing panics half way through a change.
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
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

/// How many ticks that time is, rounded up.
pub(super) fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX >> 1)
}
