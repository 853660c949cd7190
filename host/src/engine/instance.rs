//! One instance of a guest: it serves one call at a time.
#![expect(
    unsafe_code,
    reason = "a caller's request and buffer are lent to the instance for the time of a call"
)]

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use wasmtime::{InstancePre, Store, Trap, TypedFunc, UpdateDeadline};
use wasmtime_wasi::I32Exit;

use super::error::DeadlinePassed;
use super::meter::Meter;
use super::request::{Owned, Request};
use super::state::State;
use super::ticker::{self, Ticker};
use super::{CallFailure, Dispatch, Limits, Program};

/// After so many ticks, a guest that may wait is looked at, and others have their turn.
const TURN: u64 = 1;

/// Called once each, in this order, when they are there.
const STARTS: [&str; 2] = ["_start", "wapc_init"];

/// One instance of a guest.
pub(super) struct Instance {
    store: Store<State>,
    guest_call: TypedFunc<(u32, u32), u32>,
    limits: Limits,
    /// When a call is looked at first, in ticks from its begin.
    deadline: u64,
    /// For calls that may wait.
    clock: Option<Clock>,
    /// Of which wiring it is.
    pub(super) stamp: u64,
    _permit: Permit,
}

/// What measures calls that may wait.
struct Clock {
    meter: Arc<Meter>,
    ticker: Arc<Ticker>,
}

/// The right to be one of so many instances.
pub(super) struct Permit(Arc<AtomicUsize>);

// === impl Permit ===

impl Permit {
    pub(super) fn acquire(live: &Arc<AtomicUsize>, limit: usize) -> Result<Self, CallFailure> {
        let one_more = |count| (count < limit).then_some(count + 1);
        match live.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(Self(Arc::clone(live))),
            Err(_) => Err(CallFailure::Busy(limit)),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Instance ===

impl Instance {
    /// Makes an instance whose calls never wait, and runs its start functions: as part of the call that it is made for,
    /// whose depth that is.
    pub(super) fn ready(
        program: &Program,
        dispatch: Arc<dyn Dispatch>,
        depth: u32,
        stamp: u64,
        permit: Permit,
    ) -> Result<Box<Self>, CallFailure> {
        let pre = program.compiled.ready.as_ref().ok_or(CallFailure::Waits)?;
        let limits = program.limits;
        let mut store = store(program, pre, dispatch, depth)?;
        store.epoch_deadline_callback(|_| Err(DeadlinePassed.into()));
        let deadline = deadline(limits);
        store.set_epoch_deadline(deadline);
        let made = pre.instantiate(&mut store);
        let instance = made.map_err(|error| failed_to_start(&mut store, &error, limits))?;
        store.data_mut().memory = instance.get_memory(&mut store, "memory");
        for name in STARTS {
            if let Some(start) = instance.get_func(&mut store, name) {
                let run = start.typed::<(), ()>(&store).and_then(|start| start.call(&mut store, ()));
                check_start(&mut store, run, limits)?;
            }
        }
        let guest_call = guest_call(&mut store, &instance)?;
        Ok(Box::new(Self { store, guest_call, limits, deadline, clock: None, stamp, _permit: permit }))
    }

    /// As [`Instance::ready`], for calls that may wait. The call came at that time.
    pub(super) async fn waiting(
        program: &Program,
        dispatch: Arc<dyn Dispatch>,
        depth: u32,
        stamp: u64,
        permit: Permit,
        begun: Instant,
    ) -> Result<Box<Self>, CallFailure> {
        let pre = &program.compiled.waiting;
        let limits = program.limits;
        let mut store = store(program, pre, dispatch, depth)?;
        let clock = Clock { meter: Arc::default(), ticker: Arc::clone(&program.compiled.ticker) };
        let meter = Arc::clone(&clock.meter);
        // A guest that runs on lets others have their turn on this thread. By tokio's own way to yield those are not the
        // ready tasks alone, but sockets and timers too.
        store.epoch_deadline_callback(move |_| match meter.elapsed() > limits.deadline {
            true => Err(DeadlinePassed.into()),
            false => Ok(UpdateDeadline::YieldCustom(TURN, Box::pin(tokio::task::yield_now()))),
        });
        store.set_epoch_deadline(TURN);
        let instance = {
            let starting = pin!(start_waiting(&mut store, pre, limits));
            clock.run(limits.patience, begun, starting).await??
        };
        let guest_call = guest_call(&mut store, &instance)?;
        let (deadline, clock) = (TURN, Some(clock));
        Ok(Box::new(Self { store, guest_call, limits, deadline, clock, stamp, _permit: permit }))
    }

    /// Runs a call; the response replaces what is in `response`.
    #[inline]
    pub(super) fn call(
        &mut self,
        depth: u32,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), Box<CallFailure>> {
        let lengths = lengths(operation, payload)?;
        if let Some(fuel) = self.limits.fuel {
            refuel(&mut self.store, fuel)?;
        }
        let state = self.store.data_mut();
        // SAFETY: all are there until this function returns, and it takes them back before it does. A panic on the way
        // makes the pool drop this instance, which does not look at them.
        state.begin(depth, unsafe { Request::lend(operation.as_bytes(), payload, response) });
        self.store.set_epoch_deadline(self.deadline);
        let called = self.guest_call.call(&mut self.store, lengths);
        self.store.data_mut().request = Request::None;
        self.outcome(called)
    }

    /// As [`Instance::call`], suspended while an answer is pending. The call came at that time.
    pub(super) async fn call_waiting(
        &mut self,
        depth: u32,
        operation: String,
        payload: Vec<u8>,
        begun: Instant,
    ) -> Result<Vec<u8>, Box<CallFailure>> {
        let lengths = lengths(&operation, &payload)?;
        if let Some(fuel) = self.limits.fuel {
            refuel(&mut self.store, fuel)?;
        }
        self.store
            .data_mut()
            .begin(depth, Request::Owned(Owned { operation, payload, response: Vec::new() }));
        self.store.set_epoch_deadline(self.deadline);
        let called = {
            let call = pin!(self.guest_call.call_async(&mut self.store, lengths));
            match &self.clock {
                Some(clock) => clock.run(self.limits.patience, begun, call).await?,
                None => call.await,
            }
        };
        let asked = std::mem::take(&mut self.store.data_mut().request);
        self.outcome(called)?;
        let Request::Owned(owned) = asked else { unreachable!("nobody else sets what is asked") };
        Ok(owned.response)
    }

    /// The failure is boxed: what is as small as a pointer costs a call that succeeds nothing.
    #[inline]
    fn outcome(&mut self, called: wasmtime::Result<u32>) -> Result<(), Box<CallFailure>> {
        match called {
            Ok(status) if status != 0 && self.store.data().responded => Ok(()),
            called => Err(self.failure(called)),
        }
    }

    #[cold]
    fn failure(&mut self, called: wasmtime::Result<u32>) -> Box<CallFailure> {
        let state = self.store.data_mut();
        Box::new(match called {
            Ok(0) => CallFailure::Guest(
                state.trouble().error.take().unwrap_or_else(|| "no error message set".to_owned()),
            ),
            Ok(_) => CallFailure::NoResponse,
            Err(error) => trapped(state, &error, self.limits),
        })
    }
}

// === impl Clock ===

impl Clock {
    fn run<T>(
        &self,
        patience: Duration,
        begun: Instant,
        call: Pin<&mut impl Future<Output = T>>,
    ) -> impl Future<Output = Result<T, CallFailure>> {
        self.meter.run(&self.ticker, patience, begun, call)
    }
}

/// A store that is held to the program's limits.
fn store(
    program: &Program,
    pre: &InstancePre<State>,
    dispatch: Arc<dyn Dispatch>,
    depth: u32,
) -> Result<Store<State>, CallFailure> {
    let (limits, ticker) = (program.limits, Arc::clone(&program.compiled.ticker));
    let engine = pre.module().engine();
    let mut store = Store::try_new(engine, State::new(dispatch, limits, depth, ticker))
        .map_err(|error| CallFailure::Instantiate(format!("{error:#}")))?;
    store.limiter(|state| state);
    if let Some(fuel) = limits.fuel {
        refuel(&mut store, fuel)?;
    }
    Ok(store)
}

/// Gives a call its fuel. A program with such a limit is compiled to use it.
#[cold]
fn refuel(store: &mut Store<State>, fuel: u64) -> Result<(), CallFailure> {
    store.set_fuel(fuel).map_err(|error| CallFailure::Instantiate(format!("{error:#}")))
}

async fn start_waiting(
    store: &mut Store<State>,
    pre: &InstancePre<State>,
    limits: Limits,
) -> Result<wasmtime::Instance, CallFailure> {
    let made = pre.instantiate_async(&mut *store).await;
    let instance = made.map_err(|error| failed_to_start(store, &error, limits))?;
    store.data_mut().memory = instance.get_memory(&mut *store, "memory");
    for name in STARTS {
        if let Some(start) = instance.get_func(&mut *store, name) {
            let run = match start.typed::<(), ()>(&*store) {
                Ok(start) => start.call_async(&mut *store, ()).await,
                Err(error) => Err(error),
            };
            check_start(store, run, limits)?;
        }
    }
    Ok(instance)
}

fn guest_call(
    store: &mut Store<State>,
    instance: &wasmtime::Instance,
) -> Result<TypedFunc<(u32, u32), u32>, CallFailure> {
    instance
        .get_typed_func(store, "__guest_call")
        .map_err(|error| CallFailure::Instantiate(format!("{error:#}")))
}

/// One more than the limit says, since the first tick may come at once.
fn deadline(limits: Limits) -> u64 {
    ticker::ticks(limits.deadline).saturating_add(1).min(u64::MAX >> 2)
}

fn lengths(operation: &str, payload: &[u8]) -> Result<(u32, u32), Box<CallFailure>> {
    match (u32::try_from(operation.len()), u32::try_from(payload.len())) {
        (Ok(operation), Ok(payload)) => Ok((operation, payload)),
        _ => Err(too_large()),
    }
}

#[cold]
fn too_large() -> Box<CallFailure> {
    Box::new(CallFailure::Guest("the request is larger than a guest can address".to_owned()))
}

#[cold]
fn trapped(state: &mut State, error: &wasmtime::Error, limits: Limits) -> CallFailure {
    if error.is::<DeadlinePassed>() {
        return CallFailure::Deadline(limits.deadline);
    }
    if let (Some(Trap::OutOfFuel), Some(fuel)) = (error.downcast_ref(), limits.fuel) {
        return CallFailure::Fuel(fuel);
    }
    CallFailure::Trap(match state.trouble().refused.take() {
        Some(refused) => format!("{error:#} ({refused})"),
        None => format!("{error:#}"),
    })
}

#[cold]
fn failed_to_start(store: &mut Store<State>, error: &wasmtime::Error, limits: Limits) -> CallFailure {
    match trapped(store.data_mut(), error, limits) {
        CallFailure::Trap(text) => CallFailure::Instantiate(text),
        other => other,
    }
}

/// A guest of TinyGo leaves its start function by WASI's exit: with status 0 that is no failure.
fn check_start(
    store: &mut Store<State>,
    run: wasmtime::Result<()>,
    limits: Limits,
) -> Result<(), CallFailure> {
    match run {
        Err(error) if error.downcast_ref::<I32Exit>().is_none_or(|exit| exit.0 != 0) => {
            Err(failed_to_start(store, &error, limits))
        }
        _ => Ok(()),
    }
}
