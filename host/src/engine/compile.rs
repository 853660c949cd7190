//! The engine, and the modules it compiled.

use std::sync::Arc;

use wasmtime::{Config, ExternType, FuncType, InstancePre, Linker, Module, ValType};

use super::cache::Cache;
use super::state::State;
use super::{EngineConfig, EngineError, Limits, imports, ticker};

/// Compiles modules and runs them. Clones share everything.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    wasmtime: wasmtime::Engine,
    ready: Linker<State>,
    waiting: Linker<State>,
    cache: Option<Cache>,
    limits: Limits,
}

/// A waPC module, compiled and linked. Clones share everything.
#[derive(Clone)]
pub struct Program {
    /// For calls that never wait; a module that imports WASI has none, since WASI's functions may wait.
    pub(super) ready: Option<InstancePre<State>>,
    pub(super) waiting: InstancePre<State>,
    pub(super) limits: Limits,
}

// === impl Engine ===

impl Engine {
    /// Sets up an engine, with the one thread that keeps its deadlines.
    ///
    /// # Errors
    /// When wasmtime refuses this machine, or the cache directory cannot be used.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let setup = |error: wasmtime::Error| EngineError::Setup(format!("{error:#}"));
        let mut tuned = Config::new();
        tuned.epoch_interruption(true);
        // Walking the guest's frames would cost more than the call that trapped.
        tuned.wasm_backtrace_max_frames(None);
        let wasmtime = wasmtime::Engine::new(&tuned).map_err(setup)?;
        let mut ready = Linker::new(&wasmtime);
        imports::link_ready(&mut ready).map_err(setup)?;
        let mut waiting = Linker::new(&wasmtime);
        imports::link_waiting(&mut waiting).map_err(setup)?;
        ticker::start(&wasmtime)?;
        let cache = config.cache.map(Cache::open).transpose()?;
        Ok(Self { inner: Arc::new(Inner { wasmtime, ready, waiting, cache, limits: config.limits }) })
    }

    /// Compiles a waPC module, or takes it from the cache.
    ///
    /// # Errors
    /// When it is no valid module, no waPC module, or imports what no waPC host offers.
    pub fn compile(&self, wasm: &[u8]) -> Result<Program, EngineError> {
        let inner = &*self.inner;
        let module = match &inner.cache {
            Some(cache) => cache.load_or_compile(&inner.wasmtime, wasm),
            None => Module::new(&inner.wasmtime, wasm),
        }
        .map_err(|error| EngineError::Compile(format!("{error:#}")))?;
        check_exports(&module)?;
        let link = |linker: &Linker<State>| {
            linker.instantiate_pre(&module).map_err(|error| EngineError::Link(format!("{error:#}")))
        };
        let wasi = module.imports().any(|import| import.module().starts_with("wasi_"));
        Ok(Program {
            ready: if wasi { None } else { Some(link(&inner.ready)?) },
            waiting: link(&inner.waiting)?,
            limits: inner.limits,
        })
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
