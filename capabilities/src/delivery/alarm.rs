//! Wakes a subscriber when a delivery is overdue.

use std::pin::Pin;
use std::task::Context;
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// The time that a subscriber waits for, if it does.
#[derive(Default)]
pub(crate) struct Alarm(Option<(Instant, Pin<Box<Sleep>>)>);

// === impl Alarm ===

impl Alarm {
    /// Has the task woken at this time. Answers whether it has come already; then no time is waited for any more.
    pub(crate) fn due(&mut self, at: Instant, context: &mut Context<'_>) -> bool {
        let alarm = match &mut self.0 {
            Some((set, alarm)) if *set == at => alarm,
            other => &mut other.insert((at, Box::pin(sleep_until(at.into())))).1,
        };
        let due = alarm.as_mut().poll(context).is_ready();
        if due {
            self.0 = None;
        }
        due
    }
}
