//! How long a call that may wait has been running, and how long it takes in all.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::CallFailure;
use super::ticker::Ticker;

/// How long the call under way on an instance has been running: the time in which it was polled, that of guests which
/// it called included. Time in which it was suspended does not count, whatever it waited for.
#[derive(Default)]
pub(super) struct Meter {
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    before: Duration,
    /// When the poll under way began.
    since: Option<Instant>,
}

// === impl Meter ===

impl Meter {
    /// Runs what is done for a call that came at that time, from nought, as long as the call may take in all. It is pinned by whoever asks for it: a future that is handed over has its room twice.
    pub(super) async fn run<T>(
        &self,
        ticker: &Ticker,
        patience: Duration,
        begun: Instant,
        mut call: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, CallFailure> {
        *self.running() = Running::default();
        let mut alarm = begun.checked_add(patience).map(|until| ticker.alarm(until));
        poll_fn(|context| {
            self.running().since = Some(Instant::now());
            let polled = call.as_mut().poll(context);
            let now = self.pause();
            if let Poll::Ready(done) = polled {
                return Poll::Ready(Ok(done));
            }
            if now.duration_since(begun) >= patience {
                return Poll::Ready(Err(CallFailure::Patience(patience)));
            }
            if let Some(alarm) = &mut alarm {
                alarm.set(context.waker());
            }
            Poll::Pending
        })
        .await
    }

    /// How long the call has been running.
    pub(super) fn elapsed(&self) -> Duration {
        let running = self.running();
        running.before + running.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn pause(&self) -> Instant {
        let now = Instant::now();
        let mut running = self.running();
        if let Some(since) = running.since.take() {
            running.before += now.duration_since(since);
        }
        now
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        // It is whole at all times: nothing panics half way through a change.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
