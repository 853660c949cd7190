//! What an engine is told.

use std::path::PathBuf;
use std::time::Duration;

/// What an engine is told.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// What each guest may use.
    pub limits: Limits,
    /// A directory for compiled modules, of this user alone; it is made when missing. `None` compiles each time.
    pub cache: Option<PathBuf>,
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
    /// How long one call may take in all, waiting included; in steps of 10 ms. A call that never waits is not measured
    /// against it.
    pub patience: Duration,
    /// How many instances there may be at a time: as many calls, nested ones included, can be under way.
    pub instances: usize,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            table_elements: 100_000,
            deadline: Duration::from_secs(5),
            patience: Duration::from_secs(60),
            instances: 1_024,
        }
    }
}
