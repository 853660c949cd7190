//! Connections: too many, too slow, and with nobody at the other end.

use std::time::Instant;

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::raw::{everything, memory, others_are_served, statuses};
use crate::sidecar::Sidecar;

const HEALTH: &[u8] = b"GET /v1.0/healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// As many files as the system lets this process open.
fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).unwrap();
    limit.maximum.unwrap_or(u64::MAX)
}

/// A connection that has had its request answered, and keeps still.
async fn idle(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(HEALTH).await.unwrap();
    let mut answer = [0; 1_024];
    let length = stream.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 204 "));
    stream
}

/// Whether the system watches over the sidecar's end of a connection: a timer of keep-alive runs (proc(5), `/proc/net/tcp`).
fn is_watched(stream: &TcpStream) -> bool {
    let port = |address: std::net::SocketAddr| format!(":{:04X}", address.port());
    let [here, there] = [stream.peer_addr().unwrap(), stream.local_addr().unwrap()].map(port);
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.len() > 5
            && fields[1].ends_with(&here)
            && fields[2].ends_with(&there)
            && fields[5].starts_with("02:")
    })
}

#[tokio::test]
async fn the_system_looks_after_clients_that_vanish() {
    let sidecar = Sidecar::memory();
    for port in ["http", "grpc"] {
        let stream = TcpStream::connect(sidecar.text(port)).await.unwrap();
        while !is_watched(&stream) {
            // The handshake has not ended at that end yet.
            tokio::task::yield_now().await;
        }
    }
    let answered = idle(&sidecar.text("http")).await;
    while !is_watched(&answered) {
        // What was sent is not confirmed yet.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn ten_thousand_idle_connections_are_nothing() {
    const CONNECTIONS: usize = 10_000;
    // Other tests need some, too. A system that allows no more allows neither side more.
    let open = usize::try_from(raise_open_files().saturating_sub(4_000)).unwrap().min(CONNECTIONS);
    if open < CONNECTIONS {
        eprintln!("the system lets a process open few files: {open} connections of {CONNECTIONS}");
    }
    let sidecar = Sidecar::memory();
    others_are_served(&sidecar).await;
    let before = memory(&sidecar);
    let address = sidecar.text("http");
    let mut connections = Vec::with_capacity(open);
    while connections.len() < open {
        let batch = 100.min(open - connections.len());
        connections.extend(join_all((0..batch).map(|_| idle(&address))).await);
    }
    let each = memory(&sidecar).saturating_sub(before) / open;
    assert!(each < 32_000, "{each} bytes for each connection");
    others_are_served(&sidecar).await;
    // Each of them still is what it was.
    for stream in connections.iter_mut().step_by(100) {
        stream.write_all(HEALTH).await.unwrap();
        let mut answer = [0; 1_024];
        assert_ne!(stream.read(&mut answer).await.unwrap(), 0);
    }
    // And what they took is there for others.
    drop(connections);
    let connections = join_all((0..1_000.min(open)).map(|_| idle(&address))).await;
    assert!(memory(&sidecar).saturating_sub(before) < (open + 1_000) * 32_000);
    drop(connections);
}

/// Who begins a head and does not end it is let go, on every port; who has ended one may be idle for longer.
#[tokio::test]
async fn slow_heads_cost_a_connection_for_a_while_and_nobody_else_anything() {
    let sidecar = Sidecar::with(crate::sidecar::MEMORY, &["--dapr-public-port", "0"]);
    let mut idle = idle(&sidecar.text("http")).await;
    let begun = Instant::now();
    let mut slow = Vec::new();
    for port in ["http", "grpc", "metrics", "public", "internal"] {
        for start in
            ["", "G", "GET /v1.0/healthz HTTP/1.1\r\nhost: x\r\nx-slow: ", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"]
        {
            for _ in 0..20 {
                let mut stream = TcpStream::connect(sidecar.text(port)).await.unwrap();
                stream.write_all(start.as_bytes()).await.unwrap();
                slow.push((port, start, stream));
            }
        }
    }
    others_are_served(&sidecar).await;
    let let_go = slow.into_iter().map(|(port, start, mut stream)| async move {
        let (mut reading, mut writing) = stream.split();
        let heard = async {
            let mut all = Vec::new();
            let _ = reading.read_to_end(&mut all).await;
            all
        };
        tokio::pin!(heard);
        // A byte now and then does not help.
        let all = loop {
            tokio::select! {
                all = &mut heard => break all,
                () = tokio::time::sleep(std::time::Duration::from_millis(500)) => {
                    if start.ends_with(": ") { let _ = writing.write_all(b"x").await; }
                }
            }
        };
        let all = String::from_utf8_lossy(&all);
        assert!(!all.contains("HTTP/1.1 2"), "{port} {start:?}: {all}");
    });
    join_all(let_go).await;
    // It was patience that ended them, and not for long.
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    idle.write_all(HEALTH).await.unwrap();
    let mut answer = [0; 1_024];
    assert_ne!(idle.read(&mut answer).await.unwrap(), 0);
    others_are_served(&sidecar).await;
}

/// Who announces a body and does not send it is told so in the end.
#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_for_a_while() {
    let sidecar = Sidecar::memory();
    let head = "POST /v1.0/state/store HTTP/1.1\r\nhost: x\r\n";
    let waiting =
        ["content-length: 4000000\r\n\r\n[", "transfer-encoding: chunked\r\n\r\n1\r\n[\r\n5"].map(|rest| {
            let (sidecar, request) = (&sidecar, format!("{head}{rest}"));
            async move {
                let mut streams = Vec::new();
                for _ in 0..100 {
                    let mut stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
                    stream.write_all(request.as_bytes()).await.unwrap();
                    streams.push(stream);
                }
                others_are_served(sidecar).await;
                for answer in join_all(streams.iter_mut().map(everything)).await {
                    assert_eq!(statuses(&answer), [408], "{answer}");
                    assert!(answer.contains("nothing of it came for 20s"), "{answer}");
                }
            }
        });
    join_all(waiting).await;
    assert_eq!(sidecar.reached(None).await, 0);
}

/// Who asks for much and takes nothing costs what was asked for, and no more the more he asks.
#[tokio::test]
async fn slow_readers_do_not_fill_the_memory() {
    const LENGTH: usize = 1_000_000;
    let sidecar = Sidecar::memory();
    let value = format!("[{{\"key\":\"large\",\"value\":\"{}\"}}]", "x".repeat(LENGTH));
    sidecar.call("POST", "/v1.0/state/store", value).await.is_empty();
    others_are_served(&sidecar).await;
    let before = memory(&sidecar);
    let mut slow = Vec::new();
    for _ in 0..100 {
        let stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
        let request = "GET /v1.0/state/store/large HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000);
        // More than the sidecar takes before its answers are taken.
        let (reading, mut writing) = stream.into_split();
        slow.push((reading, tokio::spawn(async move { writing.write_all(request.as_bytes()).await })));
    }
    // Ten times, so that they all got their turn.
    for _ in 0..10 {
        others_are_served(&sidecar).await;
    }
    let grown = memory(&sidecar).saturating_sub(before);
    assert!(grown < 100 * LENGTH, "{grown} bytes for 100 answers of {LENGTH} that nobody takes");
    slow.iter().for_each(|(_, writing)| writing.abort());
}

/// Clients that go away in the middle of everything leave nothing behind.
#[tokio::test]
async fn clients_that_break_off_leave_nothing_behind() {
    let sidecar = Sidecar::memory();
    others_are_served(&sidecar).await;
    let files = || std::fs::read_dir(format!("/proc/{}/fd", sidecar.id())).unwrap().count();
    let before = files();
    for round in 0..5 {
        let broken = (0..200_usize).map(|number| {
            let address = sidecar.text(if number % 2 == 0 { "http" } else { "grpc" });
            async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let all =
                    [HEALTH, b"POST /v1.0/state/store HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n[{"]
                        .concat();
                let _ = stream.write_all(&all[..(number * 7 + round) % all.len()]).await;
                if number % 3 == 0 {
                    // A reset instead of an end.
                    rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO))
                        .unwrap();
                }
            }
        });
        join_all(broken).await;
        others_are_served(&sidecar).await;
    }
    // The sidecar has a few connections of its own; what is gone is gone as soon as it is seen.
    while files() > before + 5 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(sidecar.reached(None).await, 0);
}
