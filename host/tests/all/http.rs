//! HTTP requests to an actor.

use std::net::Ipv4Addr;
use std::sync::{Arc, Condvar, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pillion_capabilities::Answer;
use pillion_capabilities::keyvalue::Entry;
use pillion_host::dispatch::Provider;
use pillion_host::identity::{ActorClaims, KeyPair};
use pillion_host::{ActorRef, Host, HostConfig, HttpOptions, HttpServer, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::guests::{Author, asking, caps, guest, http_echo, saying};
use crate::provider::Fake;

type Http = Client<HttpConnector, Full<Bytes>>;

fn client(http2: bool) -> Http {
    Client::builder(TokioExecutor::new()).http2_only(http2).build_http()
}

async fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port")
}

async fn served(wasm: &[u8], config: HostConfig, options: HttpOptions) -> (Host, ActorRef, HttpServer) {
    let author = Author::new();
    let host = author.host(config);
    let actor = author.sign(&KeyPair::new_module(), wasm, caps(&["wascc:http_server"]));
    let actor = host.load(&actor).expect("it loads");
    let server = host.serve_http(&actor, listener().await, options).expect("it is granted");
    (host, actor, server)
}

async fn send(client: &Http, request: Request<Full<Bytes>>) -> (StatusCode, Option<String>, Bytes) {
    let response = client.request(request).await.expect("a response");
    let (head, body) = response.into_parts();
    let x = head.headers.get("x").map(|x| x.to_str().expect("text").to_owned());
    (head.status, x, body.collect().await.expect("a body").to_bytes())
}

fn get(server: &HttpServer) -> Request<Full<Bytes>> {
    Request::get(format!("http://{}/", server.address())).body(Full::default()).expect("a request")
}

#[tokio::test]
async fn a_request_reaches_the_actor_whole() {
    let (_host, _actor, server) =
        served(&http_echo(201), HostConfig::default(), HttpOptions::default()).await;
    for http2 in [false, true] {
        let client = client(http2);
        for body in [Bytes::new(), Bytes::from(vec![0xff; 100_000])] {
            let request = Request::put(format!("http://{}/a%20b/c?d=e&f", server.address()))
                .header("X-Once", "one")
                .header("X-Twice", "one")
                .header("X-Twice", "two")
                .body(Full::new(body.clone()))
                .expect("a request");
            let (status, x, answer) = send(&client, request).await;
            assert_eq!((status, x.as_deref()), (StatusCode::CREATED, Some("y")));
            let seen = pillion_codec::Request::decode(&answer).expect("the request, as the actor got it");
            assert_eq!((seen.method, seen.path, seen.query_string), ("PUT", "/a%20b/c", "d=e&f"));
            assert_eq!(seen.body, body);
            let field = |name: &str| seen.header.iter().find(|(it, _)| *it == name).map(|(_, value)| value);
            assert_eq!((field("x-once"), field("x-twice")), (Some("one"), Some("one, two")));
            let host = server.address().to_string();
            assert_eq!(field("host"), Some(&*host), "also where HTTP/2 does not name it among the fields");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn without_its_claim_an_actor_is_not_served() {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let actor = author.sign(&KeyPair::new_module(), &http_echo(200), caps(&["wascc:keyvalue"]));
    let actor = host.load(&actor).expect("it loads");
    let error = host.serve_http(&actor, listener().await, HttpOptions::default()).expect_err("not granted");
    assert!(error.to_string().contains("do not grant wascc:http_server"), "{error}");
}

#[tokio::test]
async fn an_update_that_gives_its_claim_up_is_served_no_more() {
    let (author, module) = (Author::new(), KeyPair::new_module());
    let host = author.host(HostConfig::default());
    let revision = |rev: i32, granted: &[&str]| {
        author.sign(&module, &http_echo(200), ActorClaims { rev: Some(rev), ..caps(granted) })
    };
    let actor = host.load(&revision(1, &["wascc:http_server"])).expect("it loads");
    let server = host.serve_http(&actor, listener().await, HttpOptions::default()).expect("granted");
    let client = client(false);
    assert_eq!(send(&client, get(&server)).await.0, StatusCode::OK);
    host.update(&actor, &revision(2, &[]), None).await.expect("it is newer");
    assert_eq!(send(&client, get(&server)).await.0, StatusCode::FORBIDDEN);
    host.update(&actor, &revision(3, &["wascc:http_server"]), None).await.expect("it is newer");
    assert_eq!(send(&client, get(&server)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn what_goes_wrong_has_a_status_and_the_next_request_is_served() {
    let limits = Limits { deadline: std::time::Duration::from_millis(20), ..Limits::default() };
    for (wasm, expected) in [
        (guest("unreachable"), StatusCode::INTERNAL_SERVER_ERROR),
        (guest("(i32.const 0)"), StatusCode::INTERNAL_SERVER_ERROR),
        (guest("(loop (br 0)) (i32.const 1)"), StatusCode::GATEWAY_TIMEOUT),
        (saying("no response"), StatusCode::BAD_GATEWAY),
        (http_echo(999), StatusCode::from_u16(999).expect("odd, and allowed")),
        (http_echo(99), StatusCode::BAD_GATEWAY),
        (http_echo(100), StatusCode::BAD_GATEWAY),
    ] {
        let config = HostConfig { limits, ..HostConfig::default() };
        let (host, actor, server) = served(&wasm, config, HttpOptions::default()).await;
        let client = client(false);
        for _ in 0..2 {
            assert_eq!(send(&client, get(&server)).await.0, expected);
        }
        host.remove(&actor).expect("it is there");
        assert_eq!(send(&client, get(&server)).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let mut options = HttpOptions::default();
    options.body = 10;
    let (_host, _actor, server) = served(&http_echo(200), HostConfig::default(), options).await;
    let client = client(false);
    for (length, expected) in [(10, StatusCode::OK), (11, StatusCode::PAYLOAD_TOO_LARGE)] {
        let request = Request::post(format!("http://{}/", server.address()))
            .body(Full::new(Bytes::from(vec![b'x'; length])))
            .expect("a request");
        assert_eq!(send(&client, request).await.0, expected);
    }
}

#[tokio::test]
async fn a_client_that_never_ends_its_request_is_let_go() {
    let mut options = HttpOptions::default();
    options.patience = std::time::Duration::from_millis(50);
    let (_host, _actor, server) = served(&http_echo(200), HostConfig::default(), options).await;
    for (begun, expected) in [
        ("", ""),
        // As HTTP/2 begins.
        ("PRI * HT", ""),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
        ("GET / HTTP/1.1\r\nHost: x\r\n", ""),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", "HTTP/1.1 408"),
    ] {
        let mut stream = TcpStream::connect(server.address()).await.expect("it listens");
        stream.write_all(begun.as_bytes()).await.expect("it is taken");
        let mut answer = Vec::new();
        // However the server ends the connection.
        let ended = tokio::time::timeout(std::time::Duration::from_secs(60), stream.read_to_end(&mut answer));
        let _ = ended.await.expect("it is let go");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        // HTTP/2 says goodbye in frames.
        let frames = begun.starts_with("PRI * HTTP");
        assert!(frames || answer.starts_with(expected) || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    assert_eq!(send(&client(false), get(&server)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_server_that_is_stopped_listens_no_more() {
    let (_host, _actor, server) =
        served(&http_echo(200), HostConfig::default(), HttpOptions::default()).await;
    assert_eq!(send(&client(false), get(&server)).await.0, StatusCode::OK);
    let address = server.address();
    server.stop().await;
    TcpStream::connect(address).await.expect_err("nobody listens");
}

async fn read(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // However the server ends the connection.
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), stream.read_to_end(&mut answer));
    let _ = ended.await.expect("the server ends it");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_told_so() {
    let mut options = HttpOptions::default();
    options.connections = 1;
    let (_host, _actor, server) = served(&http_echo(200), HostConfig::default(), options).await;
    let mut first = TcpStream::connect(server.address()).await.expect("it listens");
    first.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is taken");
    first.read_exact(&mut [0; 12]).await.expect("it is answered");
    let mut second = TcpStream::connect(server.address()).await.expect("it listens");
    second.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is taken");
    let answer = read(second).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("as many connections as"), "{answer}");
    drop(first);
    loop {
        let mut third = TcpStream::connect(server.address()).await.expect("it listens");
        third
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .expect("it is taken");
        if read(third).await.starts_with("HTTP/1.1 200") {
            break;
        }
    }
}

#[tokio::test]
async fn bodies_take_up_only_so_much_room_together() {
    let mut options = HttpOptions::default();
    (options.body, options.bodies) = (10, 15);
    let (_host, _actor, server) = served(&http_echo(200), HostConfig::default(), options).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\n";
    let mut slow = TcpStream::connect(server.address()).await.expect("it listens");
    slow.write_all(format!("{head}123456789").as_bytes()).await.expect("it is taken");
    // Until the nine are there.
    loop {
        let mut other = TcpStream::connect(server.address()).await.expect("it listens");
        other.write_all(format!("{head}1234567890").as_bytes()).await.expect("it is taken");
        let answer = read(other).await;
        if answer.starts_with("HTTP/1.1 503") {
            assert!(answer.contains("as many bytes of requests as"), "{answer}");
            break;
        }
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    slow.write_all(b"0").await.expect("it is taken");
    let answer = read(slow).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let client = client(false);
    let request = Request::post(format!("http://{}/", server.address()))
        .body(Full::new(Bytes::from_static(b"1234567890")))
        .expect("a request");
    assert_eq!(send(&client, request).await.0, StatusCode::OK, "there is room again");
}

/// An actor whose requests wait for a provider, which says when it is asked.
fn waiting(
    author: &Author,
    always_ready: bool,
    get: impl Fn() -> Value + Send + Sync + 'static,
) -> (Host, ActorRef) {
    let host = author.host(HostConfig::default());
    let granted = caps(&["wascc:http_server", "wascc:keyvalue"]);
    let actor = host.load(&author.sign(&KeyPair::new_module(), &asking(), granted)).expect("it loads");
    host.bind(&actor, "default", Provider::key_value(Fake::getting(always_ready, move |_| get())))
        .expect("granted");
    (host, actor)
}

type Value = Answer<Option<Entry>>;

#[tokio::test]
async fn what_is_under_way_after_the_drain_is_given_up() {
    let author = Author::new();
    let (asked, reached) = (Arc::new(Notify::new()), Arc::new(()));
    let (notify, held) = (Arc::clone(&asked), Arc::clone(&reached));
    let (host, actor) = waiting(&author, false, move || {
        let held = Arc::clone(&held);
        notify.notify_one();
        Answer::pending(async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok(None)
        })
    });
    let mut options = HttpOptions::default();
    options.drain = std::time::Duration::from_millis(10);
    let server = host.serve_http(&actor, listener().await, options).expect("granted");
    let mut stream = TcpStream::connect(server.address()).await.expect("it listens");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is taken");
    asked.notified().await;
    assert_eq!(Arc::strong_count(&reached), 3);
    server.stop().await;
    assert_eq!(read(stream).await, "", "the connection is closed");
    while Arc::strong_count(&reached) > 2 {
        tokio::task::yield_now().await;
    }
    drop(host);
}

#[tokio::test]
async fn guests_that_do_not_end_leave_a_worker_for_others() {
    const WORKERS: usize = 2;
    let author = Author::new();
    let go = Arc::new((Mutex::new(false), Condvar::new()));
    let (asked, mut reached) = tokio::sync::mpsc::unbounded_channel();
    let gone = Arc::clone(&go);
    // On the guest's thread, as a loop in the guest itself would be.
    let (host, slow) = waiting(&author, true, move || {
        asked.send(()).expect("the test waits");
        let (gone, changed) = &*gone;
        drop(changed.wait_while(gone.lock().expect("unpoisoned"), |gone| !*gone).expect("unpoisoned"));
        Answer::Ready(Ok(None))
    });
    let quick = author.sign(&KeyPair::new_module(), &http_echo(200), caps(&["wascc:http_server"]));
    let quick = host.load(&quick).expect("it loads");
    let (ready, listening) = tokio::sync::oneshot::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let serve = |actor: ActorRef, listener| {
                host.serve_http(&actor, listener, HttpOptions::default()).expect("granted")
            };
            let servers = (serve(slow, listener().await), serve(quick, listener().await));
            ready.send((servers.0.address(), servers.1.address())).expect("the test waits");
            let _ = ended.await;
        });
        runtime.shutdown_background();
    });
    let (slow, quick) = listening.await.expect("it serves");
    let mut streams = Vec::new();
    for _ in 0..2 * WORKERS {
        let mut stream = TcpStream::connect(slow).await.expect("it listens");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is taken");
        streams.push(stream);
        let reached = tokio::time::timeout(std::time::Duration::from_secs(60), reached.recv()).await;
        reached.expect("it is served, however many are").expect("the provider is there");
    }
    let request = Request::get(format!("http://{quick}/")).body(Full::default()).expect("a request");
    assert_eq!(send(&client(false), request).await.0, StatusCode::OK);
    *go.0.lock().expect("unpoisoned") = true;
    go.1.notify_all();
    end.send(()).expect("it runs");
    thread.join().expect("no panic");
}
