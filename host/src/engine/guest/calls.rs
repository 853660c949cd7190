//! Calls of a guest, which are done at once or wait.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use pillion_capabilities::trace::Context;

use super::{BITS, COUNTED, Guest, WAITS, WATCHED, Wiring};
use crate::engine::gate::{self, Gate};
use crate::engine::instance::{Instance, Permit};
use crate::engine::meter::Meter;
use crate::engine::places::Place;
use crate::engine::{CallFailure, Program};

/// A call's outcome: there already, or to come.
#[must_use = "a pending call does nothing until it is awaited"]
pub enum Call {
    /// The call is done.
    Ready(Result<Bytes, CallFailure>),
    /// The call is under way. Dropping it stops the guest and drops its instance.
    Pending(Pin<Box<dyn Future<Output = Result<Bytes, CallFailure>> + Send>>),
}

/// What there is for a call that found no instance.
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
enum Obtained {
    /// An idle one of the current wiring.
    Idle(Box<Instance>),
    /// Leave to make one.
    Leave(Wiring, Permit),
}

/// A call that has a place has an instance too, once whoever moves the idle ones about puts it down: it looks so often.
const LOOKS: u32 = 1_000;

// === impl Call ===

impl Call {
    /// The outcome, waiting for it if need be.
    ///
    /// # Errors
    /// When the call failed.
    pub async fn wait(self) -> Result<Bytes, CallFailure> {
        match self {
            Self::Ready(result) => result,
            Self::Pending(future) => future.await,
        }
    }
}

// === impl Guest ===

impl Guest {
    /// Calls an operation of the guest: at once on this thread when the guest is always ready and has room, else as a
    /// future that is to be awaited.
    pub fn call(&self, operation: &str, payload: &[u8]) -> Call {
        self.call_at(0, operation, payload)
    }

    /// As [`Guest::call`], for a call that another guest makes: `depth` is one more than that of its own call.
    pub fn call_at(&self, depth: u32, operation: &str, payload: &[u8]) -> Call {
        match &self.inner.gate {
            None => self.enter(depth, operation, payload),
            Some(gate) => gate::pass(gate, operation, payload, || self.enter(depth, operation, payload)),
        }
    }

    fn enter(&self, depth: u32, operation: &str, payload: &[u8]) -> Call {
        if self.always_ready() {
            let mut response = Vec::new();
            match self.enter_into(depth, operation, payload, &mut response) {
                // Its wiring was changed just now.
                Err(CallFailure::Waits) => {}
                Err(CallFailure::Full { queue: 1.., .. }) if depth == 0 => {}
                result => return Call::Ready(result.map(|()| Bytes::from(response))),
            }
        }
        let (guest, operation, payload) = (self.clone(), operation.to_owned(), payload.to_vec());
        let call = async move { guest.call_waiting(depth, operation, payload).await.map(Bytes::from) };
        Call::Pending(Box::pin(call))
    }

    /// Calls an operation of an always ready guest; the response replaces what is in `response`, whose room is used
    /// again.
    ///
    /// # Errors
    /// When the call failed, and with [`CallFailure::Waits`] when the guest may have to wait.
    #[inline]
    pub fn call_into(
        &self,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        self.call_into_at(0, operation, payload, response)
    }

    /// As [`Guest::call_into`], for a call that another guest makes: `depth` is one more than that of its own call.
    ///
    /// # Errors
    /// As [`Guest::call_into`].
    #[inline]
    pub fn call_into_at(
        &self,
        depth: u32,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        match &self.inner.gate {
            None => self.enter_into(depth, operation, payload, response),
            Some(gate) => self.pass_into(&**gate, depth, operation, payload, response),
        }
    }

    /// A call that turns out to have to wait is as good as not made: whoever makes it anew passes the gate again.
    #[cold]
    fn pass_into(
        &self,
        gate: &dyn Gate,
        depth: u32,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        if !self.always_ready() {
            return Err(self.refusal());
        }
        let _context = gate.context(operation).map(Context::attach);
        gate.before(operation, payload)?;
        let begun = Instant::now();
        let result = self.enter_into(depth, operation, payload, response);
        gate.after(operation, result.as_ref().map(|()| &response[..]), begun.elapsed());
        result
    }

    #[inline]
    fn enter_into(
        &self,
        depth: u32,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        let stamp = self.inner.stamp();
        if stamp & BITS != 0 {
            return self.enter_counted(stamp, depth, operation, payload, response);
        }
        self.run_into(stamp, depth, operation, payload, response)
    }

    /// Enters with a place, if there is one. It is given back after the instance.
    #[cold]
    fn enter_counted(
        &self,
        stamp: u64,
        depth: u32,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        if stamp & WAITS != 0 {
            return Err(self.refusal());
        }
        let places = self.inner.wiring().places.clone();
        let _place = places.map(|places| places.take()).transpose()?;
        self.run_into(stamp, depth, operation, payload, response)
    }

    /// Runs a call of a wiring that is always ready.
    #[inline]
    fn run_into(
        &self,
        stamp: u64,
        depth: u32,
        operation: &str,
        payload: &[u8],
        response: &mut Vec<u8>,
    ) -> Result<(), CallFailure> {
        let result = self.inner.pool.with(
            stamp,
            || self.inner.stamp(),
            |slot| {
                let instance = match slot {
                    Some(instance) if instance.stamp == stamp => instance,
                    _ => {
                        // One of an older wiring makes room first.
                        *slot = None;
                        slot.insert(self.instantiate(depth).map_err(Box::new)?)
                    }
                };
                let result = instance.call(depth, operation, payload, response);
                let spoilt = result.as_ref().is_err_and(|failure| failure.spoils_instance());
                // One whose wiring was changed during the call is not kept: nobody might ever come for it.
                if spoilt || stamp != self.inner.stamp() {
                    *slot = None;
                }
                result
            },
        );
        let result = result.map_err(|failure| *failure);
        if stamp & WATCHED != 0 {
            self.ended(stamp, result.as_ref().copied());
        }
        result
    }

    async fn call_waiting(
        &self,
        depth: u32,
        operation: String,
        payload: Vec<u8>,
    ) -> Result<Vec<u8>, CallFailure> {
        let begun = Instant::now();
        // Given back after the instance.
        let _place = match self.inner.stamp() & COUNTED {
            0 => None,
            _ => Box::pin(self.place(depth, begun)).await?,
        };
        let found = loop {
            let stamp = self.inner.stamp();
            // It may have been wired anew since it was called.
            if stamp & WAITS == 0 {
                let mut response = Vec::new();
                match self.run_into(stamp, depth, &operation, &payload, &mut response) {
                    Err(CallFailure::Waits) => continue,
                    result => return result.map(|()| response),
                }
            }
            match self.inner.pool.take(stamp).map_or_else(|| self.obtain(), |it| Ok(Obtained::Idle(it)))? {
                Obtained::Idle(instance) if instance.stamp & WAITS != 0 => break Ok(instance),
                Obtained::Idle(instance) => self.inner.pool.keep(instance, || self.inner.stamp()),
                Obtained::Leave(wiring, _) if wiring.stamp & WAITS == 0 => {}
                // Most calls find an instance, and need not have the room to make one in.
                Obtained::Leave(wiring, permit) => {
                    let stamp = wiring.stamp;
                    break Err((stamp, Box::pin(wiring.instance(depth, permit, begun))));
                }
            }
        };
        let mut instance = match found {
            Ok(idle) => idle,
            Err((stamp, making)) => {
                let made = making.await;
                if let Err(failure) = &made
                    && stamp & WATCHED != 0
                {
                    self.ended(stamp, Err(failure));
                }
                made?
            }
        };
        let stamp = instance.stamp;
        let result = instance.call_waiting(depth, operation, payload, begun).await;
        if !result.as_ref().is_err_and(|failure| failure.spoils_instance()) {
            self.inner.pool.keep(instance, || self.inner.stamp());
        }
        let result = result.map_err(|failure| *failure);
        if stamp & WATCHED != 0 {
            self.ended(stamp, result.as_ref().map(|_| ()));
        }
        result
    }

    /// Tells whoever watches how a call ended on an instance of that stamp.
    #[cold]
    fn ended(&self, stamp: u64, outcome: Result<(), &CallFailure>) {
        let watch = self.inner.wiring().watch.clone();
        // Calls of an earlier program that was watched too are none of this one's.
        if let Some((since, watch)) = watch
            && stamp >= since
        {
            watch.ended(outcome);
        }
    }

    /// A place for a call that came at that time, after those that wait already; none if places are not counted.
    async fn place(&self, depth: u32, begun: Instant) -> Result<Option<Place>, CallFailure> {
        loop {
            let (places, patience, ticker) = {
                let wiring = self.inner.wiring();
                if let Some(failure) = &wiring.closed {
                    return Err(failure.clone());
                }
                let Some(places) = &wiring.places else { return Ok(None) };
                let Program { compiled, limits } = &wiring.program;
                (Arc::clone(places), limits.patience, Arc::clone(&compiled.ticker))
            };
            let full = match places.take() {
                Ok(place) => return Ok(Some(place)),
                Err(full) => full,
            };
            if depth > 0 {
                return Err(full);
            }
            let waiting = places.queue()?;
            if let Some(place) = Meter::default().run(&ticker, patience, begun, pin!(waiting.place())).await?
            {
                return Ok(Some(place));
            }
            // The guest was closed; it may be open again.
        }
    }

    #[cold]
    fn instantiate(&self, depth: u32) -> Result<Box<Instance>, CallFailure> {
        match self.obtain()? {
            Obtained::Idle(instance) => Ok(instance),
            Obtained::Leave(wiring, _) if wiring.stamp & WAITS != 0 => Err(CallFailure::Waits),
            Obtained::Leave(wiring, permit) => {
                Instance::ready(&wiring.program, wiring.dispatch, depth, wiring.stamp, permit)
            }
        }
    }

    /// Leave to make an instance. Where there may be no more, one that is idle elsewhere is used, or gives way if it is
    /// of an older wiring.
    fn obtain(&self) -> Result<Obtained, CallFailure> {
        let mut looks = 0;
        loop {
            let wiring = self.inner.wiring().clone();
            if let Some(failure) = wiring.closed {
                return Err(failure);
            }
            match Permit::acquire(&self.inner.live, wiring.program.limits.instances) {
                Ok(permit) => return Ok(Obtained::Leave(wiring, permit)),
                Err(busy) => match self.inner.pool.take_any() {
                    Some(instance) if instance.stamp == wiring.stamp => return Ok(Obtained::Idle(instance)),
                    Some(older) => drop(older),
                    None if wiring.stamp & COUNTED != 0 && looks < LOOKS => {
                        looks += 1;
                        std::thread::yield_now();
                    }
                    None => return Err(busy),
                },
            }
        }
    }

    /// Why a call that cannot wait is not made.
    #[cold]
    fn refusal(&self) -> CallFailure {
        self.inner.wiring().closed.clone().unwrap_or(CallFailure::Waits)
    }
}
