//! The lines of one binding that matter enough.

use std::sync::Arc;

use super::{Level, Logging, Operation};
use crate::binding::{Binding, Bound};
use crate::{Answer, Counters, Error, Result};

/// The value of a binding that says which of its lines are written.
const LEVEL: &str = "level";

/// Writes the lines of a level or more, and takes the others for written.
struct Least {
    log: Arc<dyn Logging>,
    most: Level,
}

/// Makes a binding of a log, which knows one value, `level`: `error`, `warn`, `info`, `debug`, `trace` or `off`. Lines
/// that matter less are not written.
///
/// # Errors
///
/// [`Error::InvalidArgument`] if it was given another value, or the level is none.
pub fn least(log: Arc<dyn Logging>, binding: &Binding<'_>) -> Result<Bound<dyn Logging>> {
    binding.knows(log.name(), &[LEVEL])?;
    let Some(level) = binding.values.get(LEVEL) else { return Ok(Bound::by(log)) };
    let most = match level.as_str() {
        "off" => Level::Off,
        "error" => Level::Error,
        "warn" => Level::Warn,
        "info" => Level::Info,
        "debug" => Level::Debug,
        "trace" => Level::Trace,
        other => {
            return Err(Error::InvalidArgument(format!(
                "{other:?} is no level of a binding's log; name off, error, warn, info, debug or trace"
            )));
        }
    };
    Ok(Bound::by(Arc::new(Least { log, most })))
}

// === impl Least ===

impl Logging for Least {
    fn name(&self) -> &'static str {
        self.log.name()
    }

    fn counters(&self) -> &Counters<Operation> {
        self.log.counters()
    }

    fn always_ready(&self) -> bool {
        self.log.always_ready()
    }

    fn write(&self, source: &str, level: Level, text: &str) -> Answer<()> {
        if level > self.most { Answer::Ready(Ok(())) } else { self.log.write(source, level, text) }
    }
}
