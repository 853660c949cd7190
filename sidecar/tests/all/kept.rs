//! Connections that a sidecar keeps, to its app and to other sidecars, when the other end goes or stands still.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::accepting::Accepting;
use crate::app::App;
use crate::invoke_http::pair;
use crate::raw::full;
use crate::resiliency::with;
use crate::sidecar::{MEMORY, Sidecar};
use crate::wire;

const CALL: &str = "/v1.0/invoke/callee/method/x";

/// A server over HTTP/1.1 that closes its connections when it is told to, without a word before.
struct Closing {
    port: u16,
    close: watch::Sender<()>,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    _accepting: Accepting,
}

// === impl Closing ===

impl Closing {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (close, told) = watch::channel(());
        let (requests, connections) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (counted, made) = (Arc::clone(&requests), Arc::clone(&connections));
        let accepting = Accepting::start(listener, move |stream, _witness| {
            let (counted, made, mut told) = (Arc::clone(&counted), Arc::clone(&made), told.clone());
            told.mark_unchanged();
            let service = service_fn(move |request: Request<Incoming>| {
                if request.uri().path() == "/x" {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                async { Ok::<_, Infallible>(Response::new(full("here"))) }
            });
            async move {
                made.fetch_add(1, Ordering::SeqCst);
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    _ = served => {}
                    _ = told.changed() => {}
                }
            }
        });
        Self { port, close, requests, connections, _accepting: accepting }
    }

    /// Closes all connections, and waits until the system has told their other ends.
    async fn close(&self) {
        self.close.send_replace(());
        while self.established() {
            tokio::task::yield_now().await;
        }
    }

    /// Whether anybody has a connection that nobody has closed.
    fn established(&self) -> bool {
        let (there, established) = (format!(":{:04X}", self.port), "01");
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        table.lines().skip(1).any(|line| {
            let mut columns = line.split_whitespace().skip(2);
            columns.next().unwrap().ends_with(&there) && columns.next() == Some(established)
        })
    }
}

#[tokio::test]
async fn connections_that_are_closed_while_nobody_uses_them_are_replaced_unnoticed() {
    let server = Closing::start().await;
    let (port, address) = (server.port.to_string(), format!("callee=127.0.0.1:{}", server.port));
    for arguments in
        [["--app-id", "callee", "--app-port", &port], ["--app-id", "caller", "--app-address", &address]]
    {
        let sidecar = Sidecar::with(MEMORY, &arguments);
        for _ in 0..50 {
            let asked = server.requests.load(Ordering::SeqCst);
            assert_eq!(sidecar.call("POST", CALL, "first").await.body, "here");
            // It learns at the same time that its connection is closed and that there is another call.
            stand_still(&sidecar).await;
            server.close().await;
            let at = sidecar.http();
            let call = tokio::spawn(async move { wire::call(&at, "POST", CALL, &[], "second").await });
            until_unread(&sidecar.text("http"), 1).await;
            sidecar.signal("CONT");
            let answer = call.await.unwrap();
            assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"here"[..]), "{answer:?}");
            // Neither was sent twice.
            assert_eq!(server.requests.load(Ordering::SeqCst), asked + 2);
        }
    }
    // Each round had to connect anew.
    assert!(server.connections.load(Ordering::SeqCst) >= 2 * 50);
}

#[tokio::test]
async fn a_sidecar_that_stands_still_answers_what_it_was_asked_when_it_goes_on() {
    let app = App::start(|asked| (StatusCode::OK, String::from_utf8_lossy(&asked.body).into_owned())).await;
    let (caller, callee) = pair(app.port);
    assert_eq!(caller.call("POST", CALL, "before").await.body, "before");
    stand_still(&callee).await;
    let at = caller.http();
    let calls: Vec<_> = ["one", "two", "three"]
        .map(|body| {
            let at = at.clone();
            tokio::spawn(async move { wire::call(&at, "POST", CALL, &[], body).await.body })
        })
        .into();
    // They are on their way once the system has what is unread.
    until_unread(&callee.text("internal"), 3).await;
    callee.signal("CONT");
    for (call, body) in calls.into_iter().zip(["one", "two", "three"]) {
        assert_eq!(call.await.unwrap(), body);
    }
    assert_eq!(app.asked("/x").len(), 4);
}

#[tokio::test]
async fn a_sidecar_that_is_stopped_is_given_up_by_a_policy_and_works_again_when_it_goes_on() {
    let app = App::start(|asked| (StatusCode::OK, String::from_utf8_lossy(&asked.body).into_owned())).await;
    let spec = "{policies: {timeouts: {short: 100ms}}, targets: {apps: {callee: {timeout: short}}}}";
    let port = app.port.to_string();
    let callee = Sidecar::with(MEMORY, &["--app-id", "callee", "--app-port", &port]);
    let address = format!("callee={}", callee.text("internal"));
    let caller = Sidecar::with(&with(MEMORY, spec), &["--app-id", "caller", "--app-address", &address]);
    stand_still(&callee).await;
    for _ in 0..3 {
        let message = caller.call("POST", CALL, "lost").await.failed(500, "ERR_DIRECT_INVOKE");
        assert!(message.ends_with("context deadline exceeded"), "{message}");
    }
    callee.signal("CONT");
    // The policy holds for these, too, however busy the machine is.
    while caller.call("POST", CALL, "here").await.body != "here" {}
}

/// Stops a sidecar, as a whole.
async fn stand_still(sidecar: &Sidecar) {
    sidecar.signal("STOP");
    let runs = |task: std::io::Result<std::fs::DirEntry>| {
        let status = std::fs::read_to_string(task.unwrap().path().join("status"));
        // One that is gone does not run.
        status.is_ok_and(|status| !status.contains("State:\tT"))
    };
    while std::fs::read_dir(format!("/proc/{}/task", sidecar.id())).unwrap().any(runs) {
        tokio::task::yield_now().await;
    }
}

/// Waits until so many connections to an address have bytes that are not read.
async fn until_unread(address: &str, count: usize) {
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let here = format!(":{port:04X}");
    let unread = |line: &&str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        columns[1].ends_with(&here) && columns[3] == "01" && !columns[4].ends_with(":00000000")
    };
    while std::fs::read_to_string("/proc/net/tcp").unwrap().lines().skip(1).filter(unread).count() < count {
        tokio::task::yield_now().await;
    }
}
