//! What an engine is told.

use std::path::PathBuf;
use std::time::Duration;

/// What an engine is told.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// What each guest may use.
    pub limits: Limits,
    /// A directory for compiled modules, of this user alone; it is made when missing. `None` compiles each time.
    pub cache: Option<PathBuf>,
    /// Each time that so much has passed, the instances go that no call needed meanwhile; in steps of 10 ms. One of each
    /// guest stays.
    pub idle: Duration,
}

/// What one guest may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of memory of one instance.
    pub memory: usize,
    /// The elements of one table of an instance.
    pub table_elements: usize,
    /// How long one call may run, waiting not counted; in steps of 10 ms.
    pub deadline: Duration,
    /// How long one call may take in all, waiting for its turn and for answers included; in steps of 10 ms. A call that
    /// never waits is not measured against it.
    pub patience: Duration,
    /// How many instructions of WebAssembly, about, one call may run, the start of its instance apart, which may run as
    /// many. The same call takes the same fuel each time, on whatever machine. `None` counts nothing and costs nothing;
    /// with it, the guest's code is compiled to count, and takes longer.
    pub fuel: Option<u64>,
    /// How many instances there may be at a time: as many calls, nested ones included, can be under way.
    pub instances: usize,
    /// How many calls, nested ones included, may be under way at a time; what is above `instances` counts for nothing.
    /// `None` is as many as there are instances.
    pub concurrency: Option<usize>,
    /// How many calls may wait, in their order, until another one ends; what is beyond is refused at once. With 0 none
    /// waits.
    ///
    /// Only calls wait that are awaited: those by [`Guest::call`](super::Guest::call), which then is not done when it
    /// returns, even of a guest that is always ready. [`Guest::call_into`](super::Guest::call_into) would block its thread,
    /// and is refused instead. So is a call that another guest makes: what it waited for might be the end of a call that
    /// it is itself within.
    pub queue: usize,
}

// === impl EngineConfig ===

impl Default for EngineConfig {
    fn default() -> Self {
        Self { limits: Limits::default(), cache: None, idle: Duration::from_secs(30) }
    }
}

// === impl Limits ===

impl Limits {
    /// How many calls may be under way at a time, if they are counted.
    pub(super) fn places(&self) -> Option<usize> {
        match self.concurrency {
            None if self.queue == 0 => None,
            concurrency => Some(concurrency.unwrap_or(self.instances).min(self.instances)),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            table_elements: 100_000,
            deadline: Duration::from_secs(5),
            patience: Duration::from_secs(60),
            fuel: None,
            instances: 1_024,
            concurrency: None,
            queue: 0,
        }
    }
}
