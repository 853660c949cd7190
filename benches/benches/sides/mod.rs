//! The two sides of a call, and where they stand.

pub(crate) mod bare;
pub(crate) mod client;

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use nix::unistd::gettid;
use tokio::runtime::Builder;

pub(crate) const KEY: &str = "key";
pub(crate) const VALUE: &[u8; 18] = b"\"0123456789abcdef\"";
pub(crate) const STATE: &str = "/v1.0/state/store";
pub(crate) const BULK: &str = "/v1.0/state/store/bulk";
pub(crate) const PUBLISH: &str = "/v1.0/publish/pubsub/topic";

/// A way to a server.
#[derive(Clone, Debug)]
pub(crate) enum At {
    Tcp(String),
    Unix(PathBuf),
}

/// The words that both ends speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Http2,
    Grpc,
}

/// A server's thread, for what it takes of the processor.
#[derive(Clone, Debug)]
pub(crate) struct Cpu(PathBuf);

// === impl Cpu ===

impl Cpu {
    /// What the thread has taken since it was started. Exact while it waits, as a server does between batches.
    pub(crate) fn used(&self) -> Duration {
        let text = fs::read_to_string(&self.0).expect("the thread's account");
        let ns = text.split_whitespace().next().and_then(|ns| ns.parse().ok()).expect("a number");
        Duration::from_nanos(ns)
    }
}

// === free functions ===

/// Runs a server on a thread of its own until the process ends.
pub(crate) fn serve(server: impl Future<Output = ()> + Send + 'static) -> Cpu {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        tell.send(gettid()).expect("somebody waits");
        Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(server);
    });
    let thread = told.recv().expect("its number");
    // proc(5): the first field is the time on the processor, in ns.
    Cpu(format!("/proc/self/task/{thread}/schedstat").into())
}

/// Runs a future that is ready at its first poll.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory provider answers at once"),
    }
}
