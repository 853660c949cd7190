//! Lines in the log that a guest can cause at will, at a bounded rate.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lets so many lines through in each [`PERIOD`], and counts the others.
const LINES: u32 = 10;

const PERIOD: Duration = Duration::from_secs(1);

/// Bounds how often something is logged.
#[derive(Default)]
pub(super) struct Notices(Mutex<State>);

#[derive(Default)]
struct State {
    began: Option<Instant>,
    lines: u32,
    passed_over: u64,
}

// === impl Notices ===

impl Notices {
    /// Calls `log`, unless it was called too often of late, with how often it was not called since the last time.
    pub(super) fn bounded(&self, log: impl FnOnce(u64)) {
        let passed_over = {
            let mut state = self.0.lock();
            if state.began.is_none_or(|began| began.elapsed() >= PERIOD) {
                (state.began, state.lines) = (Some(Instant::now()), 0);
            }
            if state.lines == LINES {
                state.passed_over += 1;
                return;
            }
            state.lines += 1;
            std::mem::take(&mut state.passed_over)
        };
        log(passed_over);
    }
}
