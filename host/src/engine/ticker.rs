//! The clock behind the deadlines.

use std::thread;
use std::time::Duration;

use wasmtime::Engine;

use super::EngineError;

const TICK: Duration = Duration::from_millis(10);

/// Starts the one thread that advances an engine's epoch. It ends within a tick of the engine's end.
pub(super) fn start(engine: &Engine) -> Result<(), EngineError> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("pillion-ticker".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })
        .map(drop)
        .map_err(|error| EngineError::Setup(format!("the thread for deadlines cannot be started: {error}")))
}

/// How many ticks that time is, rounded up.
pub(super) fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX >> 1)
}
