//! The provider that keeps lines, for tests.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::text::{LONGEST_SOURCE, LONGEST_TEXT, plain};
use super::{Level, Logging, Operation};
use crate::{Answer, Counters};

/// Keeps the last lines, so that a test can look at them. Every call answers [`Answer::Ready`].
#[derive(Debug)]
pub struct Collected {
    counters: Counters<Operation>,
    most: usize,
    lines: Mutex<VecDeque<Line>>,
}

/// A line as it would be in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whose it is.
    pub source: String,
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub text: String,
}

// === impl Collected ===

impl Collected {
    /// Keeps so many lines at most, and then forgets the oldest.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { counters: Counters::default(), most, lines: Mutex::default() }
    }

    /// The lines that are kept, the oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().iter().cloned().collect()
    }
}

impl Logging for Collected {
    fn name(&self) -> &'static str {
        "collected"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        true
    }

    fn write(&self, source: &str, level: Level, text: &str) -> Answer<()> {
        self.counters.count(Operation::Write);
        if level != Level::Off && self.most > 0 {
            let (source, text) = (plain(source, LONGEST_SOURCE), plain(text, LONGEST_TEXT));
            let mut lines = self.lines.lock();
            if lines.len() == self.most {
                lines.pop_front();
            }
            lines.push_back(Line { source, level, text });
        }
        Answer::Ready(Ok(()))
    }
}
