//! What the apps and servers of tests have in common: connections are accepted until they are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// Accepts connections, and serves nobody any more once it is dropped.
pub(crate) struct Accepting {
    task: JoinHandle<()>,
    panics: Arc<Panics>,
}

/// Held while a connection or a request is served: a panic meanwhile ends the accepting, so that it is told of, wherever the
/// task runs.
#[derive(Clone)]
pub(crate) struct Witness(Arc<Panics>);

#[derive(Default)]
struct Panics {
    happened: AtomicBool,
    notify: Notify,
}

// === impl Accepting ===

impl Accepting {
    /// Serves each connection in a task of its own.
    pub(crate) fn start<F>(
        listener: TcpListener,
        serve: impl Fn(TcpStream, Witness) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let panics = Arc::<Panics>::default();
        let witnessed = Arc::clone(&panics);
        let task = tokio::spawn(async move {
            // Dropped with the task, so that a server that is gone serves nobody.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    () = witnessed.notify.notified() => panic!("a server of this test panicked, as it says above"),
                    Some(_) = connections.join_next() => {}
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => {
                            let witness = Witness(Arc::clone(&witnessed));
                            let served = serve(stream, witness.clone());
                            connections.spawn(async move {
                                let _witness = witness;
                                served.await;
                            });
                        }
                        // Who wanted to connect is gone, or too many files are open for the moment: others come yet.
                        Err(error) => {
                            eprintln!("a server of a test goes on after {error}");
                            tokio::task::yield_now().await;
                        }
                    },
                }
            }
        });
        Self { task, panics }
    }

    /// Serves nobody any more, and waits until the port is free.
    pub(crate) async fn end(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.task.abort();
        let panicked = self.panics.happened.load(Ordering::Relaxed);
        assert!(!panicked || std::thread::panicking(), "a server of this test panicked");
    }
}

// === impl Witness ===

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.happened.store(true, Ordering::Relaxed);
            self.0.notify.notify_one();
        }
    }
}

#[tokio::test]
#[should_panic(expected = "the app panicked")]
async fn an_app_that_panics_is_told_of() {
    let app = crate::app::App::start(|_| panic!("as this test has it")).await;
    let at = crate::wire::At::Tcp(format!("127.0.0.1:{}", app.port));
    tokio::spawn(async move { crate::wire::call(&at, "GET", "/", &[], "").await });
    app.until_asked("/", 1).await;
}
