//! How long and how to spin.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long one spins before it sleeps: about what it costs to wake it.
pub const SPIN: Duration = Duration::from_micros(50);

/// Looks in a row before the core is offered to others, one of which may be who is waited for.
const LOOKS: u32 = 64;
/// Looks between two at the clock.
const CLOCK: u32 = 32;
/// Waits in a row after which it is taken for sure that who is waited for needs this core.
const SURE: u32 = 4;
/// Waits of those who are sure until one makes sure again.
const AGAIN: u32 = 64;

/// What earlier waits tell: on one core, who is waited for can do nothing until the core is offered, and has done all by
/// the time that it is had back. There it is offered at once.
#[derive(Default)]
pub(crate) struct Habit(AtomicU32);

/// One wait: what is done between two looks.
pub(crate) struct Pause {
    looks: u32,
    /// How many times the core was offered.
    offers: u32,
    /// Looks in a row before it is.
    patience: u32,
    since: Option<Instant>,
}

// === impl Habit ===

impl Habit {
    /// Begins a wait.
    pub(crate) fn wait(&self) -> Pause {
        let waits = self.0.load(Ordering::Relaxed);
        let is_sure = waits >= SURE && !waits.is_multiple_of(AGAIN);
        Pause { looks: 0, offers: 0, patience: if is_sure { 0 } else { LOOKS }, since: None }
    }

    /// Learns from a wait that was not in vain.
    pub(crate) fn learn(&self, pause: &Pause) {
        match pause.offers {
            // It came by itself, from another core. What was there at once tells nothing.
            0 if pause.looks > 0 => self.0.store(0, Ordering::Relaxed),
            1 => {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

// === impl Pause ===

impl Pause {
    /// Waits a moment.
    pub(crate) fn rest(&mut self) {
        self.looks = self.looks.wrapping_add(1);
        if self.looks <= self.patience {
            std::hint::spin_loop();
        } else {
            self.offers = self.offers.saturating_add(1);
            std::thread::yield_now();
        }
    }

    /// How long it has taken, told now and then.
    pub(crate) fn elapsed(&mut self) -> Option<Duration> {
        if self.looks == 0 || !self.looks.is_multiple_of(CLOCK) {
            return None;
        }
        Some(self.since.get_or_insert_with(Instant::now).elapsed())
    }
}
