//! The provider over `tracing`.

use super::text::{LONGEST_SOURCE, LONGEST_TEXT, plain};
use super::{Level, Logging, Operation};
use crate::{Answer, Counters};

/// Makes each line an event of `tracing` with the target `app` and the app as its field `source`; where it then
/// goes, and which levels do, is the process's own affair. Every call answers [`Answer::Ready`].
#[derive(Debug, Default)]
pub struct Traced {
    counters: Counters<Operation>,
}

/// An event whose level is not known before. `tracing` wants a literal one for each place that makes events. A line
/// that nobody listens to costs no escaping, since the fields are looked at only if somebody does.
macro_rules! event {
    ($level:ident, $source:expr, $text:expr) => {
        tracing::event!(
            target: "app",
            tracing::Level::$level,
            source = plain($source, LONGEST_SOURCE),
            "{}",
            plain($text, LONGEST_TEXT)
        )
    };
}

// === impl Traced ===

impl Traced {
    /// A provider; any number of them may be in a process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Logging for Traced {
    fn name(&self) -> &'static str {
        "traced"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        true
    }

    fn write(&self, source: &str, level: Level, text: &str) -> Answer<()> {
        self.counters.count(Operation::Write);
        match level {
            Level::Off => {}
            Level::Error => event!(ERROR, source, text),
            Level::Warn => event!(WARN, source, text),
            Level::Info => event!(INFO, source, text),
            Level::Debug => event!(DEBUG, source, text),
            Level::Trace => event!(TRACE, source, text),
        }
        Answer::Ready(Ok(()))
    }
}
