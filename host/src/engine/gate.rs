//! Who stands at a guest's entry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pillion_capabilities::trace::{Context, FutureExt as _};

use super::{Call, CallFailure};

/// Stands at a guest's entry, and sees each call from outside of it: those of the host's users, and of other guests.
pub trait Gate: Send + Sync + 'static {
    /// The context of traces that the call is made in, on whatever threads it runs; [`Gate::before`] and [`Gate::after`]
    /// are within it too. `None` leaves it as it is.
    fn context(&self, operation: &str) -> Option<Context> {
        let _ = operation;
        None
    }

    /// Before a call. With an error, the guest is not called, and that is what the caller gets.
    ///
    /// # Errors
    /// When the call is not to be made.
    fn before(&self, operation: &str, payload: &[u8]) -> Result<(), CallFailure>;

    /// After a call that was let in, and never without [`Gate::before`]. A call that is given up, its future dropped,
    /// has no after.
    fn after(&self, operation: &str, outcome: Result<&[u8], &CallFailure>, took: Duration);
}

/// Makes a call, ready or not, between `before` and `after`.
pub(super) fn pass(
    gate: &Arc<dyn Gate>,
    operation: &str,
    payload: &[u8],
    call: impl FnOnce() -> Call,
) -> Call {
    let Some(context) = gate.context(operation) else { return pass_within(gate, operation, payload, call) };
    let attached = context.clone().attach();
    let call = pass_within(gate, operation, payload, call);
    drop(attached);
    match call {
        Call::Pending(pending) => Call::Pending(Box::pin(pending.with_context(context))),
        ready => ready,
    }
}

fn pass_within(gate: &Arc<dyn Gate>, operation: &str, payload: &[u8], call: impl FnOnce() -> Call) -> Call {
    if let Err(failure) = gate.before(operation, payload) {
        return Call::Ready(Err(failure));
    }
    let begun = Instant::now();
    let after = move |gate: &dyn Gate, operation: &str, result: &Result<Bytes, CallFailure>| {
        gate.after(operation, result.as_ref().map(|response| &response[..]), begun.elapsed());
    };
    match call() {
        Call::Ready(result) => {
            after(&**gate, operation, &result);
            Call::Ready(result)
        }
        Call::Pending(pending) => {
            let (gate, operation) = (Arc::clone(gate), operation.to_owned());
            Call::Pending(Box::pin(async move {
                let result = pending.await;
                after(&*gate, &operation, &result);
                result
            }))
        }
    }
}
