//! A server on a thread of its own. It answers a key with the key, but for those that say otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use pillion_calls::{Call, GetStateResponse, Outcome, Reply, Request};
use pillion_shared_memory::{MOST_BYTES, Server};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::yield_now;

pub(crate) struct Serving {
    name: String,
    /// Tells of each call for "later".
    arrivals: UnboundedReceiver<()>,
    /// Open once those may be answered.
    later: Arc<Semaphore>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

// === impl Serving ===

impl Serving {
    pub(crate) fn start(busy: bool) -> Self {
        static NAMES: AtomicU32 = AtomicU32::new(0);
        let name = format!("serving-{}-{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed));
        let (arrived, arrivals) = unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let (open, opened) = std::sync::mpsc::channel();
        let later = Arc::new(Semaphore::new(0));
        let (served, gate) = (name.clone(), Arc::clone(&later));
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::open(&served, None, MOST_BYTES).unwrap();
                open.send(()).unwrap();
                let answer = move |call| answer(call, arrived.clone(), Arc::clone(&gate));
                server.run(answer, busy, async { drop(stopped.await) }).await;
            });
        });
        opened.recv().unwrap();
        Self { name, arrivals, later, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits for a call for "later".
    pub(crate) async fn arrived(&mut self) {
        self.arrivals.recv().await.unwrap();
    }

    /// Lets those calls be answered.
    pub(crate) fn let_later_go(&self) {
        self.later.close();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.later.close();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

async fn answer(call: Call, arrived: UnboundedSender<()>, later: Arc<Semaphore>) -> Reply {
    let Some(Request::Get(request)) = call.request else { panic!("{call:?}") };
    let mut key = request.key;
    match key.as_str() {
        "later" => {
            arrived.send(()).unwrap();
            // Closed, it answers an error: that is what is waited for.
            drop(later.acquire().await);
        }
        "panic" => {
            yield_now().await;
            panic!("as it was asked to");
        }
        "long" => key = "k".repeat(MOST_BYTES),
        _ => {}
    }
    let got = GetStateResponse { data: key.into_bytes().into(), ..Default::default() };
    Reply { id: call.id, outcome: Some(Outcome::Got(got)) }
}
