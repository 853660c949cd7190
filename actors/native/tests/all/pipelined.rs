//! Calls pipelined on one connection, beside a sidecar and beside servers that do what no sidecar should.

use std::sync::Arc;

use futures_util::{FutureExt as _, future::join_all, poll};
use pillion_logic::{CallError, Capabilities};
use pillion_native::{Address, HttpSidecar};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::sidecar::Sidecar;

/// A server that does what the test says.
struct Server {
    listener: UnixListener,
    client: Arc<HttpSidecar>,
    _folder: tempfile::TempDir,
}

/// A connection of the client.
struct Peer {
    stream: UnixStream,
    input: Vec<u8>,
}

// === impl Server ===

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.socket");
        let listener = UnixListener::bind(&path).unwrap();
        let client = Arc::new(HttpSidecar::pipelined(Address::Unix(path), "statestore"));
        Self { listener, client, _folder: folder }
    }

    async fn accept(&self) -> Peer {
        Peer { stream: self.listener.accept().await.unwrap().0, input: Vec::new() }
    }

    /// Makes a call, which waits for its answer.
    fn ask(&self, key: &str) -> JoinHandle<Result<Option<String>, CallError>> {
        let (client, key) = (Arc::clone(&self.client), key.to_owned());
        tokio::spawn(async move { get(&client, &key).await })
    }

    /// A call, and its answer over a connection that is there already or over a new one.
    async fn serve(&self, peer: Option<&mut Peer>, key: &str) {
        let call = self.ask(key);
        let mut other;
        let peer = match peer {
            Some(peer) => peer,
            None => {
                other = self.accept().await;
                &mut other
            }
        };
        assert_eq!(peer.key().await, key);
        peer.say(&answer(key)).await;
        assert_eq!(call.await.unwrap().unwrap().unwrap(), key);
    }
}

// === impl Peer ===

impl Peer {
    /// The key that the next request reads.
    async fn key(&mut self) -> String {
        loop {
            if let Some(end) = self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = self.input.drain(..end + 4).collect();
                let head = str::from_utf8(&head).unwrap();
                let (line, fields) = head.split_once("\r\n").unwrap();
                assert!(fields.contains("host: localhost\r\n"), "{head}");
                let path = line.strip_prefix("GET /v1.0/state/statestore/").unwrap();
                return path.strip_suffix(" HTTP/1.1").unwrap().to_owned();
            }
            assert_ne!(self.stream.read_buf(&mut self.input).await.unwrap(), 0, "the client has closed");
        }
    }

    async fn keys<const N: usize>(&mut self) -> [String; N] {
        let mut keys = [const { String::new() }; N];
        for key in &mut keys {
            *key = self.key().await;
        }
        keys
    }

    async fn say(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }
}

async fn get(client: &HttpSidecar, key: &str) -> Result<Option<String>, CallError> {
    let value = client.get(key).await?;
    Ok(value.map(|value| String::from_utf8(value.to_vec()).unwrap()))
}

/// Says the text of a JSON string.
fn answer(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\netag: 1\r\n\r\n\"{text}\"", text.len() + 2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_under_way_together_share_a_connection_and_each_gets_its_answer() {
    let server = Server::start();
    let calls: Vec<_> = (0..64).map(|number| (number, server.ask(&format!("k{number}")))).collect();
    let mut peer = server.accept().await;
    // None is answered before all of them have come, over the one connection.
    let keys: [String; 64] = peer.keys().await;
    let mut answers = String::new();
    for key in &keys {
        let number: usize = key[1..].parse().unwrap();
        answers += &match number % 4 {
            0 => answer(key),
            1 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            2 => format!("HTTP/1.1 500 \r\ncontent-length: {}\r\n\r\n{key}", key.len()),
            _ => format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n\"\r\n{:x}\r\n{key}\"\r\n0\r\n\r\n",
                key.len() + 1
            ),
        };
    }
    peer.say(&answers).await;
    for (number, call) in calls {
        let (said, key) = (call.await.unwrap(), format!("k{number}"));
        match number % 4 {
            1 => assert_eq!(said.unwrap(), None),
            2 => assert!(said.unwrap_err().to_string().ends_with(&format!("status 500: {key}"))),
            _ => assert_eq!(said.unwrap().unwrap(), key),
        }
    }
    server.serve(Some(&mut peer), "after").await;
}

#[tokio::test]
async fn a_caller_that_gives_up_shifts_no_answer() {
    let server = Server::start();
    let first = server.ask("first");
    let mut peer = server.accept().await;
    assert_eq!(peer.key().await, "first");
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // Given up behind another, before anybody has written it.
    let second = server.ask("second");
    let third = server.client.get("third").now_or_never();
    assert!(third.is_none());
    let fourth = server.ask("fourth");
    let [a, b, c] = peer.keys().await;
    peer.say(&["first", &a, &b, &c].map(answer).concat()).await;
    assert_eq!(second.await.unwrap().unwrap().unwrap(), "second");
    assert_eq!(fourth.await.unwrap().unwrap().unwrap(), "fourth");
    // Given up with its answer there.
    let mut fifth = Box::pin(server.client.get("fifth"));
    assert!(poll!(&mut fifth).is_pending());
    let sixth = server.ask("sixth");
    let [_, _] = peer.keys().await;
    peer.say(&["fifth", "sixth"].map(answer).concat()).await;
    assert_eq!(sixth.await.unwrap().unwrap().unwrap(), "sixth");
    drop(fifth);
    server.serve(Some(&mut peer), "seventh").await;
}

#[tokio::test]
async fn a_caller_that_is_not_polled_holds_up_no_other() {
    let server = Server::start();
    let mut held = Box::pin(server.client.get("held"));
    // It connects, and then waits for its answer.
    let mut peer = tokio::select! {
        _ = &mut held => panic!("nobody has answered"),
        peer = server.accept() => peer,
    };
    while poll!(&mut held).is_pending() {
        if let Some(key) = peer.key().now_or_never() {
            assert_eq!(key, "held");
            break;
        }
        tokio::task::yield_now().await;
    }
    let other = server.ask("other");
    assert_eq!(peer.key().await, "other");
    peer.say(&["held", "other"].map(answer).concat()).await;
    assert_eq!(other.await.unwrap().unwrap().unwrap(), "other");
    assert_eq!(held.await.unwrap().unwrap(), "held");
}

#[tokio::test]
async fn what_stands_behind_an_answer_that_closes_goes_over_the_next_connection() {
    let server = Server::start();
    let calls = ["a", "b", "c"].map(|key| server.ask(key));
    let mut peer = server.accept().await;
    let keys: [String; 3] = peer.keys().await;
    // What is said behind it counts no more.
    let closing = answer(&keys[0]).replace("etag: 1", "connection: close");
    peer.say(&(closing + &answer("wrong"))).await;
    let mut next = server.accept().await;
    let again: [String; 2] = next.keys().await;
    assert_eq!(again, keys[1..]);
    next.say(&again.map(|key| answer(&key)).concat()).await;
    for (call, key) in calls.into_iter().zip(["a", "b", "c"]) {
        assert_eq!(call.await.unwrap().unwrap().unwrap(), key);
    }
    assert_eq!(peer.stream.read(&mut [0]).await.unwrap(), 0, "the client keeps the connection");
    server.serve(Some(&mut next), "after").await;
}

#[tokio::test]
async fn a_connection_that_is_lost_fails_what_is_under_way_and_the_next_call_opens_another() {
    for part in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n\"ab"] {
        let server = Server::start();
        let calls = ["a", "b", "c"].map(|key| server.ask(key));
        let mut peer = server.accept().await;
        let keys: [String; 3] = peer.keys().await;
        peer.say(&(answer(&keys[0]) + part)).await;
        drop(peer);
        for (call, key) in calls.into_iter().zip(["a", "b", "c"]) {
            let said = call.await.unwrap();
            if key == keys[0] {
                assert_eq!(said.unwrap().unwrap(), key);
            } else {
                let error = said.unwrap_err().to_string();
                assert!(error.contains("closed before the answer was complete; is it running?"), "{error}");
            }
        }
        server.serve(None, "after").await;
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_nobody_used_it_is_no_error() {
    let server = Server::start();
    for key in ["first", "second", "third"] {
        // The connection is closed with the peer.
        server.serve(None, key).await;
    }
}

#[tokio::test]
async fn a_server_that_takes_connections_alone_is_an_error() {
    let server = Server::start();
    let call = server.ask("k");
    drop(server.accept().await);
    let error = call.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("is it running?"), "{error}");
    let (folder, client) = (server._folder, server.client);
    drop(server.listener);
    let error = client.get("k").await.unwrap_err().to_string();
    assert!(error.contains("cannot connect") && error.contains("http.socket"), "{error}");
    drop(folder);
}

#[tokio::test]
async fn what_is_no_answer_fails_what_is_under_way_and_is_named() {
    for (bytes, word) in [
        ("SSH-2.0-OpenSSH\r\n", "its head is wrong: invalid HTTP version"),
        ("HTTP/1.1 200 OK\r\n\r\n", "nothing of its length"),
        ("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "its length wrongly"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", "not chunked alone"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n", "a chunk of it is wrong"),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "changes to another protocol"),
    ] {
        let server = Server::start();
        let calls = ["a", "b"].map(|key| server.ask(key));
        let mut peer = server.accept().await;
        let [_, _] = peer.keys().await;
        peer.say(bytes).await;
        for call in calls {
            let error = call.await.unwrap().unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("is it running?"), "{error}");
        }
        assert_eq!(peer.stream.read(&mut [0]).await.unwrap(), 0, "the client keeps the connection");
        server.serve(None, "after").await;
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_reaches_nobody() {
    for unasked in [answer("wrong"), "HTTP".to_owned(), "\r\n".to_owned()] {
        let server = Server::start();
        let call = server.ask("k");
        let mut peer = server.accept().await;
        assert_eq!(peer.key().await, "k");
        peer.say(&(answer("k") + &unasked)).await;
        assert_eq!(call.await.unwrap().unwrap().unwrap(), "k");
        server.serve(None, "after").await;
    }
}

#[tokio::test]
async fn the_connection_ends_with_the_client() {
    let Server { listener, client, _folder } = Server::start();
    let mut call = Box::pin(client.get("never answered"));
    let mut peer = loop {
        assert!(poll!(&mut call).is_pending());
        if let Some(accepted) = listener.accept().now_or_never() {
            break accepted.unwrap().0;
        }
        tokio::task::yield_now().await;
    };
    drop(call);
    drop(client);
    peer.read_to_end(&mut Vec::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn long_values_pass_while_others_are_under_way() {
    let sidecar = Sidecar::start();
    for address in sidecar.http() {
        let client = Arc::new(HttpSidecar::pipelined(address, "statestore"));
        let calls = (0..16_u8).map(|number| {
            let client = Arc::clone(&client);
            tokio::spawn(async move {
                let (key, value) = (format!("k{number}"), vec![b'a' + number; usize::from(number) * 100_000]);
                for _ in 0..3 {
                    client.set(&key, &value).await.unwrap();
                    assert!(client.get(&key).await.unwrap().unwrap() == value, "{key}");
                }
            })
        });
        for call in join_all(calls).await {
            call.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refusal_that_closes_the_connection_comes_through_and_costs_no_other_call() {
    let sidecar = Sidecar::with(&["--max-body-size", "1Ki"], &[]);
    for address in sidecar.http() {
        let client = Arc::new(HttpSidecar::pipelined(address, "statestore"));
        client.set("k", b"v").await.unwrap();
        let calls = (0..64).map(|number| {
            let client = Arc::clone(&client);
            tokio::spawn(async move {
                if number % 8 == 0 {
                    let error = client.set("long", &[b'x'; 10_000]).await.unwrap_err().to_string();
                    assert!(error.contains("413"), "{error}");
                } else {
                    assert_eq!(client.get("k").await.unwrap().unwrap(), "v");
                }
            })
        });
        for call in join_all(calls).await {
            call.unwrap();
        }
    }
}
