//! Calls of guests from tasks, so that the runtime's workers are not taken by them.
//!
//! A guest runs on the thread that polls its task, until it is done, waits or meets its deadline. Were that a worker,
//! guests that loop would stall every listener: as many as there are workers for certain, and one alone by bad luck, for
//! a worker that is polled into a task by the arrival of its bytes is the one that waits for all others' bytes, and tokio
//! wakes no other in its place. So the worker's other tasks move to another thread first, by `block_in_place`. That
//! costs each call some microseconds, which are not measured here, and is the safe side: a call in time cannot be told
//! from one without end beforehand. Calls of the embedding program's own are not made in this way and do not pay. A
//! runtime of one thread has no other to move to, and is as stalled as its guests are.

use std::future::poll_fn;

use bytes::Bytes;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::engine::{Call, CallFailure, Guest};

/// Calls an operation of a guest from a task.
pub(crate) async fn call(guest: &Guest, operation: &str, payload: &[u8]) -> Result<Bytes, CallFailure> {
    match run(|| guest.call(operation, payload)) {
        Call::Ready(result) => result,
        // From one answer of a provider to the next it runs like any other.
        Call::Pending(mut call) => poll_fn(|context| run(|| call.as_mut().poll(context))).await,
    }
}

fn run<T>(call: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(call)
        }
        _ => call(),
    }
}
