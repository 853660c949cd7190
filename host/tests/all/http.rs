//! HTTP requests to an actor.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pillion_capabilities::Answer;
use pillion_capabilities::keyvalue::Entry;
use pillion_host::dispatch::Provider;
use pillion_host::identity::{ActorClaims, KeyPair};
use pillion_host::middleware::{ActorCall, Halt, Middleware};
use pillion_host::{ActorRef, Host, HostConfig, HttpOptions, HttpServer, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;

use crate::guests::{Author, asking, caps, guest, http_echo, module, saying};
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
    const LOOP: &str = "(loop (br 0)) (i32.const 1)";
    for (wasm, expected) in [
        (guest("unreachable"), StatusCode::INTERNAL_SERVER_ERROR),
        (guest("(i32.const 0)"), StatusCode::INTERNAL_SERVER_ERROR),
        (guest(LOOP), StatusCode::GATEWAY_TIMEOUT),
        (saying("no response"), StatusCode::BAD_GATEWAY),
        (http_echo(999), StatusCode::from_u16(999).expect("odd, and allowed")),
        (http_echo(99), StatusCode::BAD_GATEWAY),
        (http_echo(100), StatusCode::BAD_GATEWAY),
    ] {
        // A short one for that alone: whoever else is called may be slow on a busy machine.
        let deadline =
            if wasm == guest(LOOP) { Duration::from_millis(20) } else { Limits::default().deadline };
        let limits = Limits { deadline, ..Limits::default() };
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

/// Lets nobody in.
struct Closed;

impl Middleware for Closed {
    fn before_actor(&self, _: &ActorCall<'_>) -> Result<(), Halt> {
        Err(Halt("closed".to_owned()))
    }
}

#[tokio::test]
async fn a_request_that_is_not_let_in_or_not_waited_for_has_a_status() {
    let limits = Limits { patience: Duration::from_millis(20), ..Limits::default() };
    for (config, expected) in [
        (HostConfig { limits, ..HostConfig::default() }, StatusCode::GATEWAY_TIMEOUT),
        (HostConfig { middleware: vec![Arc::new(Closed)], ..HostConfig::default() }, StatusCode::FORBIDDEN),
    ] {
        let (host, actor) =
            waiting(&Author::new(), config, false, || Answer::pending(std::future::pending()));
        let server = host.serve_http(&actor, listener().await, HttpOptions::default()).expect("granted");
        let client = client(false);
        for _ in 0..2 {
            assert_eq!(send(&client, get(&server)).await.0, expected);
        }
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
    options.patience = Duration::from_millis(50);
    let (host, actor, server) = served(&http_echo(200), HostConfig::default(), options).await;
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
        let ended = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer));
        let _ = ended.await.expect("it is let go");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        // HTTP/2 says goodbye in frames.
        let frames = begun.starts_with("PRI * HTTP");
        assert!(frames || answer.starts_with(expected) || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    // One in whose way no such short patience is, however busy the machine.
    let patient = host.serve_http(&actor, listener().await, HttpOptions::default()).expect("granted");
    assert_eq!(send(&client(false), get(&patient)).await.0, StatusCode::OK);
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
    let ended = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer));
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
    comes_to_be_served(server.address()).await;
}

/// Waits until there is room for a connection.
async fn comes_to_be_served(address: SocketAddr) {
    let served = async {
        loop {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.expect("it is taken");
            if read(stream).await.starts_with("HTTP/1.1 200") {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), served).await.expect("there is room");
}

/// The length of the body that [`large`] answers with: more than sockets hold.
const LARGE: usize = 4_000_000;

fn large() -> Vec<u8> {
    let (head, length) = (r"\84\aastatusCode\cd\00\c8\a6status\a2OK\a6header\80\a4body\c6\00\3d\09\00", 43);
    module(&format!(
        r#"(data (i32.const 3000) "{head}")
           (func (export "__guest_call") (param i32 i32) (result i32)
             (drop (memory.grow (i32.const 64)))
             (call $guest_response (i32.const 3000) (i32.const {}))
             (i32.const 1))"#,
        length + LARGE
    ))
}

/// Listens with sockets that hold little, as the clients of [`small`] do.
async fn serve_small(options: HttpOptions) -> (Host, HttpServer) {
    let (host, actor, _) = served(&large(), HostConfig::default(), HttpOptions::default()).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(32 << 10).expect("it can be set");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
    let server = host.serve_http(&actor, socket.listen(64).expect("it listens"), options).expect("granted");
    (host, server)
}

async fn small(server: &HttpServer) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(32 << 10).expect("it can be set");
    socket.connect(server.address()).await.expect("it listens")
}

/// What a client gets that reads every now and then, and how long it took to.
async fn read_slowly(mut stream: TcpStream, pause: Duration) -> (usize, Duration) {
    let (mut count, begun, mut buffer) = (0, Instant::now(), vec![0; 16 << 10]);
    while let Ok(more @ 1..) = stream.read(&mut buffer).await {
        count += more;
        tokio::time::sleep(pause).await;
    }
    (count, begun.elapsed())
}

/// As [`read_slowly`], of the body of an HTTP/2 response, of which little is let come at a time.
async fn read_frames_slowly(stream: TcpStream, pause: Duration) -> (usize, Duration) {
    let (mut client, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(32 << 10)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .expect("it speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let request = Request::get("http://x/").body(Full::default()).expect("a request");
    let mut body = client.send_request(request).await.expect("a response").into_body();
    let (mut count, begun) = (0, Instant::now());
    while let Some(Ok(frame)) = body.frame().await {
        count += frame.into_data().map_or(0, |data| data.len());
        tokio::time::sleep(pause).await;
    }
    connection.abort();
    (count, begun.elapsed())
}

#[tokio::test]
async fn a_slow_client_gets_its_response_whole() {
    for http2 in [false, true] {
        let mut patience = Duration::from_millis(100);
        loop {
            let mut options = HttpOptions::default();
            options.patience = patience;
            let (_host, server) = serve_small(options).await;
            let mut stream = small(&server).await;
            let (count, took) = if http2 {
                read_frames_slowly(stream, patience / 25).await
            } else {
                let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                stream.write_all(request).await.expect("it is taken");
                read_slowly(stream, patience / 25).await
            };
            if count >= LARGE && took > 4 * patience {
                break;
            }
            // On a machine that is as busy as that, the client stood still for too long.
            patience *= 4;
            assert!(patience < Duration::from_secs(10), "{count} bytes in {took:?}, of HTTP/2: {http2}");
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_response_is_let_go() {
    let mut options = HttpOptions::default();
    (options.connections, options.patience) = (1, Duration::from_millis(50));
    let (_host, server) = serve_small(options).await;
    let mut stream = small(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is taken");
    // It is being answered.
    stream.readable().await.expect("it is answered");
    comes_to_be_served(server.address()).await;
    drop(stream);
}

#[tokio::test]
async fn bodies_take_up_only_so_much_room_together() {
    let mut options = HttpOptions::default();
    (options.body, options.bodies) = (10, 15);
    let (_host, _actor, server) = served(&http_echo(200), HostConfig::default(), options).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\n";
    let mut slow = TcpStream::connect(server.address()).await.expect("it listens");
    slow.write_all(format!("{head}123456789").as_bytes()).await.expect("it is taken");
    let full = async {
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
    };
    tokio::time::timeout(Duration::from_secs(60), full).await.expect("the nine arrive");
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
    config: HostConfig,
    always_ready: bool,
    get: impl Fn() -> Value + Send + Sync + 'static,
) -> (Host, ActorRef) {
    let host = author.host(config);
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
    let (host, actor) = waiting(&author, HostConfig::default(), false, move || {
        let held = Arc::clone(&held);
        notify.notify_one();
        Answer::pending(async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok(None)
        })
    });
    let mut options = HttpOptions::default();
    options.drain = Duration::from_millis(10);
    let server = host.serve_http(&actor, listener().await, options).expect("granted");
    let mut stream = TcpStream::connect(server.address()).await.expect("it listens");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is taken");
    asked.notified().await;
    assert_eq!(Arc::strong_count(&reached), 3);
    server.stop().await;
    assert_eq!(read(stream).await, "", "the connection is closed");
    let dropped = async {
        while Arc::strong_count(&reached) > 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), dropped).await.expect("the call is dropped");
    drop(host);
}

/// Whether what holds a guest up lets it go.
type Go = Arc<(Mutex<bool>, Condvar)>;

/// An actor that is held up on its thread, as a loop in the guest itself would hold it, and what tells that it is.
fn looping(author: &Author) -> (Host, ActorRef, Go, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let go = Go::default();
    let (asked, reached) = tokio::sync::mpsc::unbounded_channel();
    let gone = Arc::clone(&go);
    let (host, slow) = waiting(author, HostConfig::default(), true, move || {
        asked.send(()).expect("the test waits");
        let (gone, changed) = &*gone;
        drop(changed.wait_while(gone.lock().expect("unpoisoned"), |gone| !*gone).expect("unpoisoned"));
        Answer::Ready(Ok(None))
    });
    (host, slow, go, reached)
}

#[tokio::test]
async fn guests_that_do_not_end_leave_a_worker_for_others() {
    const WORKERS: usize = 2;
    let author = Author::new();
    let (host, slow, go, mut reached) = looping(&author);
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
        let reached = tokio::time::timeout(Duration::from_secs(60), reached.recv()).await;
        reached.expect("it is served, however many are").expect("the provider is there");
    }
    let request = Request::get(format!("http://{quick}/")).body(Full::default()).expect("a request");
    assert_eq!(send(&client(false), request).await.0, StatusCode::OK);
    *go.0.lock().expect("unpoisoned") = true;
    go.1.notify_all();
    end.send(()).expect("it runs");
    thread.join().expect("no panic");
}

/// Were there no bound, all threads of tokio's pool would be taken, and the listeners with them.
#[tokio::test]
async fn guests_that_do_not_end_are_so_many_at_a_time_and_leave_the_listeners() {
    const AT_A_TIME: usize = 256;
    const CLIENTS: usize = 2;
    const REQUESTS: usize = 150;
    let author = Author::new();
    let (host, slow, go, mut reached) = looping(&author);
    let (other_host, other) =
        waiting(&author, HostConfig::default(), false, || Answer::pending(async { Ok(None) }));
    let (ready, listening) = tokio::sync::oneshot::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            // Enough for the guests and some others, and too few for all.
            .max_blocking_threads(AT_A_TIME + 16)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let serve = |host: &Host, actor: &ActorRef, listener| {
                host.serve_http(actor, listener, HttpOptions::default()).expect("granted")
            };
            let servers =
                (serve(&host, &slow, listener().await), serve(&other_host, &other, listener().await));
            ready.send((servers.0.address(), servers.1.address())).expect("the test waits");
            let _ = ended.await;
        });
        runtime.shutdown_background();
    });
    let (slow, other) = listening.await.expect("it serves");
    let get = |address| Request::get(format!("http://{address}/")).body(Full::default()).expect("a request");
    let clients: Vec<_> = (0..CLIENTS).map(|_| client(true)).collect();
    let mut answers = tokio::task::JoinSet::new();
    for client in &clients {
        for _ in 0..REQUESTS {
            let (client, request) = (client.clone(), get(slow));
            answers.spawn(async move { send(&client, request).await.0 });
        }
    }
    let minute = Duration::from_secs(60);
    for _ in 0..AT_A_TIME {
        tokio::time::timeout(minute, reached.recv()).await.expect("it is served").expect("it is there");
    }
    let client = client(false);
    let answer = tokio::time::timeout(minute, send(&client, get(other)));
    answer.await.expect("the listeners go on");
    assert!(reached.try_recv().is_err(), "there are no more at a time");
    *go.0.lock().expect("unpoisoned") = true;
    go.1.notify_all();
    let answers = tokio::time::timeout(minute, answers.join_all()).await.expect("all are answered");
    assert_eq!(answers.len(), CLIENTS * REQUESTS);
    end.send(()).expect("it runs");
    thread.join().expect("no panic");
}
