//! What an engine is told.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What an engine is told.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// What makes modules run.
    pub compiler: Compiler,
    /// What each guest may use.
    pub limits: Limits,
    /// A directory for compiled modules, of this user alone; it is made when missing. `None` compiles each time.
    pub cache: Option<PathBuf>,
    /// Each time that so much has passed, the instances go that no call needed meanwhile; in steps of 10 ms. One of each
    /// guest stays.
    pub idle: Duration,
}

/// What makes modules run. The same modules run on each, and answer the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "manifest", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Compiler {
    /// Wasmtime's optimizing compiler: the fastest code.
    #[default]
    Cranelift,
    /// Wasmtime's baseline compiler: compiles in one pass, many times faster, to code that is several times slower.
    Winch,
    /// Wasmtime's portable bytecode, compiled by Cranelift and interpreted: runs on any CPU, at a tenth of the speed or
    /// less.
    Pulley,
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

/// No compiler has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no compiler is called {0:?}; there are cranelift, winch, pulley")]
pub struct UnknownCompiler(String);

// === impl Compiler ===

impl Compiler {
    /// Every compiler.
    pub const ALL: [Self; 3] = [Self::Cranelift, Self::Winch, Self::Pulley];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cranelift => "cranelift",
            Self::Winch => "winch",
            Self::Pulley => "pulley",
        }
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compiler {
    type Err = UnknownCompiler;

    fn from_str(name: &str) -> Result<Self, UnknownCompiler> {
        let known = Self::ALL.into_iter().find(|compiler| compiler.name() == name);
        known.ok_or_else(|| UnknownCompiler(name.to_owned()))
    }
}

// === impl EngineConfig ===

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            compiler: Compiler::default(),
            limits: Limits::default(),
            cache: None,
            idle: Duration::from_secs(30),
        }
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
