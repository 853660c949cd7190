//! How long and how to spin.

use std::time::{Duration, Instant};

/// How long one spins before it sleeps: about what it costs to wake it.
pub const SPIN: Duration = Duration::from_micros(50);

/// Looks in a row before the core is offered to others, one of which may be who is waited for.
const LOOKS: u32 = 64;
/// Looks between two at the clock.
const CLOCK: u32 = 32;

/// One wait: what is done between two looks.
pub(crate) struct Pause {
    looks: u32,
    since: Option<Instant>,
}

// === impl Pause ===

impl Pause {
    pub(crate) fn new() -> Self {
        Self { looks: 0, since: None }
    }

    /// Waits a moment.
    pub(crate) fn rest(&mut self) {
        self.looks = self.looks.wrapping_add(1);
        if self.looks < LOOKS {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }

    /// How long it has taken, told now and then.
    pub(crate) fn elapsed(&mut self) -> Option<Duration> {
        if !self.looks.is_multiple_of(CLOCK) {
            return None;
        }
        Some(self.since.get_or_insert_with(Instant::now).elapsed())
    }
}
