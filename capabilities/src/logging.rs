//! The contract `Logging`: lines of an app in the log of what hosts it.
//!
//! It serves waSCC's `wascc:logging`, whose levels go from 0 to 5; Dapr's API has nothing of the kind.

mod collected;
mod least;
mod text;
mod traced;

use std::sync::Arc;

use crate::binding::{Binding, Bound};
use crate::{Answer, Counters, Error, Result, counters};

pub use collected::{Collected, Line};
pub use least::least;
pub use text::{LONGEST_SOURCE, LONGEST_TEXT, plain};
pub use traced::Traced;

counters::operations! {
    Write = "write",
}

/// How much a line matters. Sorted from nothing to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Not at all: the line is accepted and goes nowhere.
    Off = 0,
    /// Something failed.
    Error = 1,
    /// Something may be about to fail.
    Warn = 2,
    /// Something happened.
    Info = 3,
    /// What a developer of the app looks for.
    Debug = 4,
    /// Every step.
    Trace = 5,
}

/// The capability contract for log lines.
///
/// A line cannot pass for another one, nor for one of another app: what controls a terminal or ends a line, and what
/// turns the direction of text, is written as an escape such as `\n` or `\u{1b}`, and a backslash as two. A source
/// is cut at [`LONGEST_SOURCE`] bytes and a text at [`LONGEST_TEXT`], so escaped, and how much was left out is
/// written behind.
pub trait Logging: Send + Sync + 'static {
    /// The provider's name, for errors and metrics: `traced`, `collected`.
    fn name(&self) -> &'static str;

    /// How often this provider was reached.
    fn counters(&self) -> &Counters<Operation>;

    /// Whether every call answers [`Answer::Ready`].
    fn always_ready(&self) -> bool;

    /// Writes a line of an app. `source` names the app as its host knows it, never as it calls itself.
    fn write(&self, source: &str, level: Level, text: &str) -> Answer<()>;

    /// Makes a binding: answers what serves it, which knows the values of [`least`]. See
    /// [`crate::binding`]; `this` is the provider itself.
    fn bind(&self, this: Arc<dyn Logging>, binding: &Binding<'_>) -> Result<Bound<dyn Logging>> {
        least(this, binding)
    }
}

// === impl Level ===

impl TryFrom<u32> for Level {
    type Error = Error;

    fn try_from(number: u32) -> Result<Self> {
        Ok(match number {
            0 => Self::Off,
            1 => Self::Error,
            2 => Self::Warn,
            3 => Self::Info,
            4 => Self::Debug,
            5 => Self::Trace,
            _ => {
                let said = format!("{number} is no level of a log line; name one from 0 (off) to 5 (trace)");
                return Err(Error::InvalidArgument(said));
            }
        })
    }
}
