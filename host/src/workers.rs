//! Calls of guests from tasks, so that the runtime's workers are not taken by them.
//!
//! A guest runs on the thread that polls its task, until it is done, waits or meets its deadline. Were that a worker,
//! guests that loop would stall every listener: as many as there are workers for certain, and one alone by bad luck,
//! for a worker that is polled into a task by the arrival of its bytes is the one that waits for all others' bytes, and
//! tokio wakes no other in its place. So the worker's other tasks move to another thread first, by `block_in_place`.
//! That costs each call some microseconds, which are not measured here, and is the safe side: a call in time cannot be
//! told from one without end beforehand.
//!
//! Those threads are of tokio's blocking pool, of 512 by default; with none left, whoever moved waits, listeners too. So
//! only so many calls of guests that are always ready, which do not give way before they end, run at a time. Those that
//! may wait give way after 10 ms, and are not counted. Calls of the embedding program's own are not made in this way and
//! do not pay. A runtime of one thread has no other to move to, and is as stalled as its guests are.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::engine::{Call, CallFailure, Guest};

/// How many guests that are always ready run at a time: half of tokio's blocking pool, so that there is room for others.
static AT_A_TIME: Semaphore = Semaphore::const_new(256);

/// Calls an operation of a guest from a task. One that is always ready may have to wait for its turn, as long as its
/// limits allow a call to take.
pub(crate) async fn call(guest: &Guest, operation: &str, payload: &[u8]) -> Result<Bytes, CallFailure> {
    let ready = guest.always_ready();
    let its_turn = if ready { Some(turn(guest).await?) } else { None };
    let call = run(|| guest.call(operation, payload));
    drop(its_turn);
    let mut call = match call {
        Call::Ready(result) => return result,
        // From one answer of a provider to the next it runs like any other.
        Call::Pending(mut call) if !ready => {
            return poll_fn(|context| run(|| call.as_mut().poll(context))).await;
        }
        Call::Pending(call) => call,
    };
    // The guest has no room for it yet. Once there is, it runs to its end.
    loop {
        let its_turn = turn(guest).await?;
        let polled = poll_fn(|context| Poll::Ready(run(|| call.as_mut().poll(context)))).await;
        drop(its_turn);
        if let Poll::Ready(result) = polled {
            return result;
        }
        woken().await;
    }
}

/// Until the task is polled the next time.
async fn woken() {
    let mut polled = false;
    poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

async fn turn(guest: &Guest) -> Result<SemaphorePermit<'static>, CallFailure> {
    if let Ok(turn) = AT_A_TIME.try_acquire() {
        return Ok(turn);
    }
    let patience = guest.limits().patience;
    // It is never closed.
    let turn = timeout(patience, AT_A_TIME.acquire()).await.ok().and_then(Result::ok);
    turn.ok_or(CallFailure::Patience(patience))
}

fn run<T>(call: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(call)
        }
        _ => call(),
    }
}
