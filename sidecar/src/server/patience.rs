//! How long a connection may keep the sidecar waiting.
//!
//! hyper's own clock for the head of a request is allocated, set and cancelled once for each. Here requests leave a few
//! counters behind, and every few seconds their connection looks at what has become of them.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How long a client may take for the head of a request, from its first byte, or from the connection's begin, as with
/// Dapr. A connection may be idle between requests for as long as it likes.
const HEAD: Duration = Duration::from_secs(10);
/// How long a client may take nothing of an answer that it has asked for.
const TAKING: Duration = Duration::from_secs(60);
/// How long a connection waits before it looks at itself again.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// What has gone on on a connection. All of it is counted by the connection's own task, but for HTTP/2 requests, whose
/// count is not looked at.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes that came.
    pub(super) read: AtomicU64,
    /// Bytes that went.
    pub(super) written: AtomicU64,
    /// Whether there is more to write than the client takes.
    pub(super) stuck: AtomicBool,
    /// Whether answers are held back for others to go with them.
    pub(super) holding: AtomicBool,
    /// Whether none may be held back.
    pub(super) urgent: AtomicBool,
    /// Whether it is known to be HTTP/2.
    pub(super) http2: AtomicBool,
    /// Requests whose heads have come.
    asked: AtomicU64,
    /// Whether the last one is not answered yet, or still being so.
    under_way: AtomicBool,
    /// What had come when the last request was answered.
    read_then: AtomicU64,
}

/// What a connection has seen when it looked at itself before.
#[derive(Debug)]
pub(super) struct Patience {
    /// How many requests there had been when it began to wait for the next one's head, and since when.
    head: Option<(u64, Instant)>,
    /// How much had gone when the client began to take nothing, and since when.
    taking: Option<(u64, Instant)>,
}

// === impl Progress ===

impl Progress {
    pub(super) fn asked(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.under_way.store(true, Ordering::Relaxed);
    }

    pub(super) fn answered(&self) {
        self.read_then.store(self.read.load(Ordering::Relaxed), Ordering::Relaxed);
        self.under_way.store(false, Ordering::Relaxed);
    }

    /// Polls a connection, and once more if answers are still held back when it waits: then none are.
    pub(super) fn poll<C: Future + Unpin>(
        &self,
        connection: &mut C,
        cx: &mut Context<'_>,
    ) -> Poll<C::Output> {
        let outcome = Pin::new(&mut *connection).poll(cx);
        if outcome.is_ready() || !self.holding.load(Ordering::Relaxed) {
            return outcome;
        }
        self.urgent.store(true, Ordering::Relaxed);
        let outcome = Pin::new(connection).poll(cx);
        self.urgent.store(false, Ordering::Relaxed);
        outcome
    }

    /// Whether the client has begun a request, or the connection, and not ended its head.
    fn owes_a_head(&self) -> bool {
        if self.http2.load(Ordering::Relaxed) {
            // hyper asks a silent client whether it is still there.
            return false;
        }
        let asked = self.asked.load(Ordering::Relaxed);
        let idle = asked > 0 && self.read.load(Ordering::Relaxed) == self.read_then.load(Ordering::Relaxed);
        !self.under_way.load(Ordering::Relaxed) && !idle
    }
}

// === impl Patience ===

impl Patience {
    /// For a connection that begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self { head: Some((0, now)), taking: None }
    }

    /// Looks whether patience is over, and with what.
    pub(super) fn look(&mut self, progress: &Progress, now: Instant) -> Result<(), &'static str> {
        let asked = progress.asked.load(Ordering::Relaxed);
        self.head = since(self.head, progress.owes_a_head(), asked, now);
        if is_over(self.head, now, HEAD) {
            return Err("the head of a request did not come to its end");
        }
        let written = progress.written.load(Ordering::Relaxed);
        self.taking = since(self.taking, progress.stuck.load(Ordering::Relaxed), written, now);
        if is_over(self.taking, now, TAKING) {
            return Err("the client takes nothing of its answer");
        }
        Ok(())
    }
}

/// Since when it is so, with the same count; none if it is not.
fn since(known: Option<(u64, Instant)>, is_so: bool, count: u64, now: Instant) -> Option<(u64, Instant)> {
    is_so.then(|| known.filter(|(then, _)| *then == count).unwrap_or((count, now)))
}

fn is_over(since: Option<(u64, Instant)>, now: Instant, patience: Duration) -> bool {
    since.is_some_and(|(_, since)| now.duration_since(since) >= patience)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_head_may_take_its_time_and_no_longer() {
        let (start, progress) = (Instant::now(), Progress::default());
        let mut patience = Patience::new(start);
        assert!(patience.look(&progress, start + 9 * SECOND).is_ok());
        // A byte now and then is no head.
        progress.read.store(3, Ordering::Relaxed);
        assert!(patience.look(&progress, start + 10 * SECOND).is_err());
    }

    #[test]
    fn between_requests_a_connection_may_be_idle() {
        let (start, progress) = (Instant::now(), Progress::default());
        let mut patience = Patience::new(start);
        progress.read.store(100, Ordering::Relaxed);
        progress.asked();
        assert!(
            patience.look(&progress, start + 3_600 * SECOND).is_ok(),
            "a request may take as long as it takes"
        );
        progress.answered();
        assert!(patience.look(&progress, start + 7_200 * SECOND).is_ok());
        // The next one begins.
        progress.read.store(101, Ordering::Relaxed);
        assert!(patience.look(&progress, start + 7_205 * SECOND).is_ok());
        progress.read.store(102, Ordering::Relaxed);
        assert!(patience.look(&progress, start + 7_214 * SECOND).is_ok());
        assert!(patience.look(&progress, start + 7_215 * SECOND).is_err());
    }

    #[test]
    fn one_request_after_the_other_is_no_long_head() {
        let (start, progress) = (Instant::now(), Progress::default());
        let mut patience = Patience::new(start);
        for second in 0..100 {
            progress.asked();
            progress.answered();
            // A part of the next head is there whenever it is looked.
            progress.read.fetch_add(100, Ordering::Relaxed);
            assert!(patience.look(&progress, start + second * SECOND).is_ok());
        }
    }

    #[test]
    fn who_takes_a_little_is_waited_for() {
        let (start, progress) = (Instant::now(), Progress::default());
        let mut patience = Patience::new(start);
        progress.asked();
        progress.stuck.store(true, Ordering::Relaxed);
        for step in 0..10 {
            assert!(patience.look(&progress, start + 50 * step * SECOND).is_ok());
            progress.written.fetch_add(1, Ordering::Relaxed);
        }
        assert!(patience.look(&progress, start + 500 * SECOND).is_ok());
        assert!(patience.look(&progress, start + 560 * SECOND).is_err());
    }
}
