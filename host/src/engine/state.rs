//! What the host keeps beside each instance.
#![expect(
    unsafe_code,
    reason = "finding a guest's memory anew at each import costs more than all else an import does"
)]

use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::time::Instant;

use wasmtime::{Caller, Error, Memory, ResourceLimiter, Result};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;

use super::request::Request;
use super::sleep::Clock;
use super::ticker::Ticker;
use super::{Dispatch, Limits, Reply};

/// What the host keeps beside each instance.
pub(super) struct State {
    /// The guest's memory, once there is an instance.
    pub(super) memory: Option<Memory>,
    /// Where that memory is, until it grows.
    place: Option<Place>,
    pub(super) request: Request,
    /// How many calls of other guests the one under way is within.
    pub(super) depth: u32,
    /// What the last host call answered.
    pub(super) reply: Reply,
    pub(super) responded: bool,
    /// Most calls have none, and forget it by looking at one pointer.
    pub(super) trouble: Option<Box<Trouble>>,
    pub(super) dispatch: Arc<dyn Dispatch>,
    limits: Limits,
    pub(super) ticker: Arc<Ticker>,
    wasi: Option<WasiP1Ctx>,
    /// When WASI's monotonic clock was at nought.
    origin: Option<Instant>,
}

/// What was said of a call that will perhaps fail.
#[derive(Default)]
pub(super) struct Trouble {
    /// The guest's error.
    pub(super) error: Option<String>,
    /// What the guest was refused: one that is refused memory mostly traps for no stated reason.
    pub(super) refused: Option<String>,
}

/// Where a guest's memory is.
#[derive(Clone, Copy)]
struct Place {
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: it is looked at by whoever has the store to himself, on whatever thread that is.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

// === impl State ===

impl State {
    pub(super) fn new(dispatch: Arc<dyn Dispatch>, limits: Limits, depth: u32, ticker: Arc<Ticker>) -> Self {
        Self {
            memory: None,
            place: None,
            request: Request::None,
            depth,
            reply: Reply::default(),
            responded: false,
            trouble: None,
            dispatch,
            limits,
            ticker,
            wasi: None,
            origin: None,
        }
    }

    /// The guest's memory as it is now, and the state.
    #[inline(always)]
    pub(super) fn parts<'a>(caller: &'a mut Caller<'_, Self>) -> Result<(&'a mut [u8], &'a mut Self)> {
        let place = match caller.data().place {
            Some(place) => place,
            None => Self::find(caller)?,
        };
        // SAFETY: a memory stays where it is for as long as its instance lives and it does not grow. It cannot grow but
        // by way of `memory_growing`, which forgets the place. Nothing but the guest uses that memory, and the guest
        // does not run as long as the caller is borrowed; the state lies elsewhere.
        let memory = unsafe { slice::from_raw_parts_mut(place.base.as_ptr(), place.length) };
        Ok((memory, caller.data_mut()))
    }

    #[cold]
    fn find(caller: &mut Caller<'_, Self>) -> Result<Place> {
        let too_early = || Error::msg("the guest called its host before its memory was there");
        let memory = caller.data().memory.ok_or_else(too_early)?;
        let length = memory.data_size(&*caller);
        let base = NonNull::new(memory.data_ptr(&*caller)).unwrap_or(NonNull::dangling());
        let place = Place { base, length };
        caller.data_mut().place = Some(place);
        Ok(place)
    }

    /// Forgets the last call and takes the next.
    #[inline]
    pub(super) fn begin(&mut self, depth: u32, request: Request) {
        self.request = request;
        self.depth = depth;
        self.reply.empty();
        self.responded = false;
        self.trouble = None;
    }

    #[cold]
    pub(super) fn trouble(&mut self) -> &mut Trouble {
        self.trouble.get_or_insert_default()
    }

    /// WASI with nothing preopened, no environment, no arguments, and output thrown away.
    pub(super) fn wasi(&mut self) -> &mut WasiP1Ctx {
        let origin = self.origin();
        self.wasi.get_or_insert_with(|| WasiCtxBuilder::new().monotonic_clock(Clock(origin)).build_p1())
    }

    /// When WASI's monotonic clock was at nought.
    pub(super) fn origin(&mut self) -> Instant {
        *self.origin.get_or_insert_with(Instant::now)
    }
}

/// Holds an instance to its limits.
impl ResourceLimiter for State {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        self.place = None;
        let granted = desired <= self.limits.memory;
        if !granted {
            let refused =
                format!("it asked for {desired} bytes of memory; its limit is {}", self.limits.memory);
            self.trouble().refused = Some(refused);
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let granted = desired <= self.limits.table_elements;
        if !granted {
            let limit = self.limits.table_elements;
            self.trouble().refused =
                Some(format!("it asked for {desired} table elements; its limit is {limit}"));
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
