//! The engine, and the modules it compiled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::{Config, ExternType, FuncType, InstancePre, Linker, Module, Strategy, ValType};

use super::cache::Cache;
use super::state::State;
use super::ticker::Ticker;
use super::{Compiler, EngineConfig, EngineError, Limits, imports};

/// Compiles modules and runs them. Clones share everything.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    compiler: Compiler,
    plain: Variant,
    /// For guests with a limit on their fuel; there once there was one.
    counting: OnceLock<Variant>,
    cache: Option<Cache>,
    limits: Limits,
    ticker: Arc<Ticker>,
    /// What is in use: actors of many identities may have the same code.
    compiled: Mutex<Known>,
}

/// By the SHA-256 of the module, and whether it counts what it runs.
type Known = HashMap<([u8; 32], bool), Weak<Compiled>>;

/// Whether code counts what it runs is a matter of how it is compiled.
struct Variant {
    wasmtime: wasmtime::Engine,
    ready: Linker<State>,
    waiting: Linker<State>,
}

/// A waPC module, compiled and linked. Clones share everything, and so do programs of the same module.
#[derive(Clone)]
pub struct Program {
    pub(super) compiled: Arc<Compiled>,
    pub(super) limits: Limits,
}

pub(super) struct Compiled {
    /// For calls that never wait; a module that imports WASI has none, since WASI's functions may wait.
    pub(super) ready: Option<InstancePre<State>>,
    pub(super) waiting: InstancePre<State>,
    pub(super) ticker: Arc<Ticker>,
}

/// The bytes of native stack that one guest may use. A guest within [`DEPTH`] others, and they, leave a quarter of the
/// 2 MiB that a thread has by Rust's and tokio's defaults, and a fiber by wasmtime's, to what is between them.
const STACK: usize = 256 << 10;

/// How many calls of guests a guest's call may be within.
pub(crate) const DEPTH: u32 = 5;

// === impl Engine ===

impl Engine {
    /// Sets up an engine, with the one thread that keeps its deadlines.
    ///
    /// # Errors
    /// When wasmtime refuses this machine, or the cache directory cannot be used.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let compiler = config.compiler;
        let plain = Variant::new(compiler, false)?;
        let ticker = Ticker::start(&plain.wasmtime, config.idle)?;
        let cache = config.cache.map(Cache::open).transpose()?;
        let (limits, counting, compiled) = (config.limits, OnceLock::new(), Mutex::default());
        Ok(Self { inner: Arc::new(Inner { compiler, plain, counting, cache, limits, ticker, compiled }) })
    }

    /// Compiles a waPC module, unless a program of it is in use or it is in the cache.
    ///
    /// # Errors
    /// When it is no valid module, no waPC module, or imports what no waPC host offers.
    pub fn compile(&self, wasm: &[u8]) -> Result<Program, EngineError> {
        self.compile_with(wasm, self.inner.limits)
    }

    /// As [`Engine::compile`], with limits of its own.
    ///
    /// # Errors
    /// As [`Engine::compile`].
    pub fn compile_with(&self, wasm: &[u8], limits: Limits) -> Result<Program, EngineError> {
        let inner = &*self.inner;
        let counts = limits.fuel.is_some();
        let variant = if counts { inner.counting()? } else { &inner.plain };
        let key: ([u8; 32], bool) = (Sha256::digest(wasm).into(), counts);
        let known = self.compiled().get(&key).and_then(Weak::upgrade);
        if let Some(compiled) = known {
            return Ok(Program { compiled, limits });
        }
        let module = match &inner.cache {
            Some(cache) => cache.load_or_compile(&variant.wasmtime, wasm),
            None => Module::new(&variant.wasmtime, wasm),
        }
        .map_err(|error| EngineError::Compile(format!("{error:#}")))?;
        check_exports(&module)?;
        let link = |linker: &Linker<State>| {
            linker.instantiate_pre(&module).map_err(|error| EngineError::Link(format!("{error:#}")))
        };
        let wasi = module.imports().any(|import| import.module().starts_with("wasi_"));
        let compiled = Arc::new(Compiled {
            ready: if wasi { None } else { Some(link(&variant.ready)?) },
            waiting: link(&variant.waiting)?,
            ticker: Arc::clone(&inner.ticker),
        });
        let mut known = self.compiled();
        known.retain(|_, compiled| compiled.strong_count() > 0);
        known.insert(key, Arc::downgrade(&compiled));
        Ok(Program { compiled, limits })
    }

    /// Drops the instances that no call needed since this was last done, but for one of each guest. The engine itself does
    /// so as often as [`EngineConfig::idle`] says.
    pub fn shrink(&self) {
        self.inner.ticker.shrink();
    }

    fn compiled(&self) -> MutexGuard<'_, Known> {
        // It is whole at all times: nothing panics half way through a change.
        self.inner.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Inner ===

impl Inner {
    /// What compiles guests with a limit on their fuel.
    fn counting(&self) -> Result<&Variant, EngineError> {
        if let Some(made) = self.counting.get() {
            return Ok(made);
        }
        let made = Variant::new(self.compiler, true)?;
        Ok(self.counting.get_or_init(|| {
            self.ticker.add(&made.wasmtime);
            made
        }))
    }
}

// === impl Variant ===

impl Variant {
    fn new(compiler: Compiler, counts: bool) -> Result<Self, EngineError> {
        let setup = |error: wasmtime::Error| EngineError::Setup(format!("{error:#}"));
        let mut tuned = Config::new();
        match compiler {
            Compiler::Cranelift => drop(tuned.strategy(Strategy::Cranelift)),
            Compiler::Winch => drop(tuned.strategy(Strategy::Winch)),
            // An interpreter is a target like any other.
            Compiler::Pulley => drop(tuned.target("pulley64").map_err(setup)?),
        }
        tuned.epoch_interruption(true);
        tuned.consume_fuel(counts);
        // Guests that call guests share one native stack.
        tuned.max_wasm_stack(STACK);
        // Walking the guest's frames would cost more than the call that trapped.
        tuned.wasm_backtrace_max_frames(None);
        let wasmtime = wasmtime::Engine::new(&tuned).map_err(setup)?;
        let mut ready = Linker::new(&wasmtime);
        imports::link_ready(&mut ready).map_err(setup)?;
        let mut waiting = Linker::new(&wasmtime);
        imports::link_waiting(&mut waiting).map_err(setup)?;
        Ok(Self { wasmtime, ready, waiting })
    }
}

// === impl Program ===

impl Program {
    /// The same program with a deadline that is no later.
    #[must_use]
    pub(crate) fn within(self, deadline: Duration) -> Self {
        let limits = Limits { deadline: self.limits.deadline.min(deadline), ..self.limits };
        Self { limits, ..self }
    }

    /// The same program with other limits, unless it would have to be compiled anew for them: where only one of both
    /// counts fuel.
    pub(crate) fn limited(self, limits: Limits) -> Option<Self> {
        (limits.fuel.is_some() == self.limits.fuel.is_some()).then_some(Self { limits, ..self })
    }

    /// What its instances may use.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether its calls may have to wait whatever it is bound to, as those of a module that imports WASI may.
    #[must_use]
    pub fn always_waits(&self) -> bool {
        self.compiled.ready.is_none()
    }
}

/// Names what a waPC module exports and this one does not.
fn check_exports(module: &Module) -> Result<(), EngineError> {
    let guest_call = FuncType::new(module.engine(), [ValType::I32, ValType::I32], [ValType::I32]);
    match module.get_export("__guest_call") {
        Some(ExternType::Func(found)) if FuncType::eq(&found, &guest_call) => {}
        _ => return Err(EngineError::NotWapc { missing: "the function `__guest_call(i32, i32) -> i32`" }),
    }
    match module.get_export("memory") {
        Some(ExternType::Memory(memory)) if !memory.is_shared() => Ok(()),
        _ => Err(EngineError::NotWapc { missing: "its `memory`" }),
    }
}
