//! What the host keeps beside each instance.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Memory, ResourceLimiter};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;

use super::request::Request;
use super::{Dispatch, Limits, Reply, ticker};

/// What the host keeps beside each instance.
pub(super) struct State {
    /// The guest's memory, once there is an instance.
    pub(super) memory: Option<Memory>,
    pub(super) request: Request,
    /// What the last host call answered.
    pub(super) reply: Reply,
    /// The guest's response goes here.
    pub(super) response: Vec<u8>,
    pub(super) responded: bool,
    pub(super) guest_error: Option<String>,
    pub(super) dispatch: Arc<dyn Dispatch>,
    /// The time that the call spent waiting, in ticks: it does not count as running.
    pub(super) waited: u64,
    pub(super) limiter: Limiter,
    wasi: Option<WasiP1Ctx>,
}

/// Holds an instance to its limits.
pub(super) struct Limiter {
    limits: Limits,
    /// What was refused last: a guest that is refused memory mostly traps for no stated reason.
    pub(super) refused: Option<String>,
}

// === impl State ===

impl State {
    pub(super) fn new(dispatch: Arc<dyn Dispatch>, limits: Limits) -> Self {
        Self {
            memory: None,
            request: Request::None,
            reply: Reply::default(),
            response: Vec::new(),
            responded: false,
            guest_error: None,
            dispatch,
            waited: 0,
            limiter: Limiter { limits, refused: None },
            wasi: None,
        }
    }

    /// Forgets the last call and takes the next.
    #[inline]
    pub(super) fn begin(&mut self, request: Request) {
        self.request = request;
        self.reply.reset();
        self.responded = false;
        self.guest_error = None;
        self.waited = 0;
    }

    pub(super) fn waited(&mut self, time: Duration) {
        self.waited = self.waited.saturating_add(ticker::ticks(time));
    }

    /// WASI with nothing preopened, no environment, no arguments, and output thrown away.
    pub(super) fn wasi(&mut self) -> &mut WasiP1Ctx {
        self.wasi.get_or_insert_with(|| WasiCtxBuilder::new().build_p1())
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let granted = desired <= self.limits.memory;
        if !granted {
            self.refused =
                Some(format!("it asked for {desired} bytes of memory; its limit is {}", self.limits.memory));
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let granted = desired <= self.limits.table_elements;
        if !granted {
            self.refused = Some(format!(
                "it asked for {desired} table elements; its limit is {}",
                self.limits.table_elements
            ));
        }
        Ok(granted)
    }

    // One memory, so that the limit is that of the instance.
    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        16
    }
}
