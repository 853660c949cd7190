//! A ticker at 1 kHz: the gaps it sees are times at which nothing of ours could run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::runner::process::monotonic_ns;

const PERIOD: Duration = Duration::from_millis(1);

/// A thread of the harness (not of a runner, whose time it would take) on the last CPU.
#[derive(Debug)]
pub(crate) struct Ticker {
    /// When a gap ended and how long it was, both in ns.
    gaps: Arc<Mutex<Vec<(u64, u64)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

// === impl Ticker ===

impl Ticker {
    /// Starts ticking on a CPU.
    #[must_use]
    pub(crate) fn start(cpu: usize) -> Self {
        let gaps = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&gaps), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut set = CpuSet::new();
            // Where pinning is not allowed the ticker ticks anywhere.
            let _ = set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
            let mut last = monotonic_ns();
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(PERIOD);
                let now = monotonic_ns();
                shared.lock().unwrap_or_else(PoisonError::into_inner).push((now, now - last));
                last = now;
            }
        });
        Self { gaps, stop, thread: Some(thread) }
    }

    /// The largest gap that overlaps a time, in ns; what ended before it is forgotten.
    #[must_use]
    pub(crate) fn largest(&self, from_ns: u64, to_ns: u64) -> u64 {
        let mut gaps = self.gaps.lock().unwrap_or_else(PoisonError::into_inner);
        gaps.retain(|&(end, _)| end >= from_ns);
        gaps.iter().filter(|&&(end, gap)| end - gap <= to_ns).map(|&(_, gap)| gap).max().unwrap_or(0)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}
