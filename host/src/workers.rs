//! Calls of guests from tasks, so that the runtime's workers are not all taken by them.
//!
//! A guest runs on the worker that polls its task, until it is done, waits or meets its deadline: the short way, without
//! a thread to hand it to. But as many looping guests as there are workers would stall every listener. So the last free
//! worker is never taken: a call that would, is made by `block_in_place`, by which the worker's other tasks move to
//! another thread first. An idle or lightly loaded host does not pay for it, and a loaded one some microseconds for some
//! of the calls. A runtime of one thread has no other to move to, and is as stalled as its guests are.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::engine::{Call, CallFailure, Guest};

/// How many calls run on threads of runtimes. Those of all runtimes are counted as one: too many is the safe side.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// A call that runs.
struct Running {
    /// How many there are with it.
    count: usize,
}

// === impl Running ===

impl Running {
    fn begin() -> Self {
        Self { count: RUNNING.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Calls an operation of a guest from a task.
pub(crate) async fn call(guest: &Guest, operation: &str, payload: &[u8]) -> Result<Bytes, CallFailure> {
    match run(|| guest.call(operation, payload)) {
        Call::Ready(result) => result,
        // From one answer of a provider to the next it runs like any other.
        Call::Pending(mut call) => poll_fn(|context| run(|| call.as_mut().poll(context))).await,
    }
}

fn run<T>(call: impl FnOnce() -> T) -> T {
    let running = Running::begin();
    if running.count >= workers() { tokio::task::block_in_place(call) } else { call() }
}

/// How many workers this runtime has, if it can do with one less for a while.
fn workers() -> usize {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            runtime.metrics().num_workers()
        }
        _ => usize::MAX,
    }
}
