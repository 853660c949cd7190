//! How many calls an actor serves at a time, who waits, and what is left of a burst.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::Duration;

use pillion_capabilities::{Answer, KeyValue};
use pillion_codec::{GetRequest, GetResponse};
use pillion_host::engine::{Dispatch, Dispatched, Engine, EngineConfig, Guest, HostCall, Reply};
use pillion_host::identity::KeyPair;
use pillion_host::{ActorRef, Call, CallFailure, Host, HostConfig, HttpOptions, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::guests::{Author, asking, calling, caps, echo, keyvalue, loaded_with};
use crate::provider::{Fake, entry};

/// Calls that reached the provider and wait for leave to go on, by their keys.
type Reached = Arc<Mutex<Vec<(String, oneshot::Sender<()>)>>>;

fn get(host: &Host, actor: &ActorRef, key: &str) -> Call {
    let mut request = Vec::new();
    GetRequest { key }.encode(&mut request);
    host.call(actor, "Get", &request)
}

/// An actor whose calls wait until they are let go.
fn held(limits: Limits) -> (Host, ActorRef, Reached) {
    let config = HostConfig { limits, ..HostConfig::default() };
    let (host, actor) = loaded_with(&keyvalue(), config, &["wascc:keyvalue"]);
    let reached = Reached::default();
    let seen = Arc::clone(&reached);
    let provider = Fake::getting(false, move |key| {
        let (go, gone) = oneshot::channel();
        seen.lock().expect("unpoisoned").push((key.to_owned(), go));
        let key = key.to_owned();
        Answer::pending(async move {
            // A call that was given up is not let go.
            let _ = gone.await;
            Ok(entry(key))
        })
    });
    host.bind(&actor, "default", provider as Arc<dyn KeyValue>).expect("it is granted");
    (host, actor, reached)
}

/// The key of the one call that is under way, and the leave to go on.
async fn next(reached: &Reached) -> (String, oneshot::Sender<()>) {
    loop {
        if let Some(call) = reached.lock().expect("unpoisoned").pop() {
            return call;
        }
        tokio::task::yield_now().await;
    }
}

async fn until_queued(actor: &ActorRef, count: usize) {
    while actor.info().queued != count {
        tokio::task::yield_now().await;
    }
}

fn value(response: Result<impl AsRef<[u8]>, CallFailure>) -> String {
    let response = response.expect("it is answered");
    let answer = GetResponse::decode(response.as_ref()).expect("it is a response");
    String::from_utf8(answer.value.to_vec()).expect("text")
}

#[tokio::test]
async fn calls_wait_in_their_order_and_no_more_than_may() {
    let limits = Limits { concurrency: Some(1), queue: 2, ..Limits::default() };
    let (host, actor, reached) = held(limits);
    let mut calls = Vec::new();
    for (number, key) in ["one", "two", "three"].into_iter().enumerate() {
        calls.push(tokio::spawn(get(&host, &actor, key).wait()));
        until_queued(&actor, number).await;
    }
    let failure = get(&host, &actor, "four").wait().await.expect_err("there is no more room");
    assert_eq!(failure, CallFailure::Full { concurrency: 1, queue: 2 });
    assert!(failure.is_busy());
    assert_eq!(
        failure.to_string(),
        "all 1 calls that the guest may serve at a time are under way, and this one does not wait (2 may): raise its \
         limit `concurrency` or `queue`, or call less at a time"
    );
    for (call, key) in calls.into_iter().zip(["one", "two", "three"]) {
        let (under_way, go) = next(&reached).await;
        assert_eq!(under_way, key);
        assert!(reached.lock().expect("unpoisoned").is_empty(), "one at a time");
        go.send(()).expect("it waits");
        assert_eq!(value(call.await.expect("no panic")), key);
    }
    assert_eq!(actor.info().queued, 0);
}

/// With a queue and no limit on the calls, it is the instances that calls wait for.
#[tokio::test]
async fn calls_wait_for_an_instance() {
    let limits = Limits { instances: 1, queue: 1, ..Limits::default() };
    let (host, actor, reached) = held(limits);
    let first = tokio::spawn(get(&host, &actor, "first").wait());
    let (_, go) = next(&reached).await;
    let second = tokio::spawn(get(&host, &actor, "second").wait());
    until_queued(&actor, 1).await;
    go.send(()).expect("it waits");
    assert_eq!(value(first.await.expect("no panic")), "first");
    next(&reached).await.1.send(()).expect("it waits");
    assert_eq!(value(second.await.expect("no panic")), "second");
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_the_queue() {
    let limits = Limits { concurrency: Some(1), queue: 1, ..Limits::default() };
    let (host, actor, reached) = held(limits);
    let first = tokio::spawn(get(&host, &actor, "first").wait());
    let (_, go) = next(&reached).await;
    for _ in 0..3 {
        let given_up = tokio::spawn(get(&host, &actor, "given up").wait());
        until_queued(&actor, 1).await;
        given_up.abort();
        assert!(given_up.await.expect_err("it was given up").is_cancelled());
        assert_eq!(actor.info().queued, 0);
    }
    let last = tokio::spawn(get(&host, &actor, "last").wait());
    until_queued(&actor, 1).await;
    go.send(()).expect("it waits");
    first.await.expect("no panic").expect("it is answered");
    let (key, go) = next(&reached).await;
    assert_eq!(key, "last");
    // One that is given up under way gives its place to the next.
    let after = tokio::spawn(get(&host, &actor, "after").wait());
    until_queued(&actor, 1).await;
    last.abort();
    drop(go);
    next(&reached).await.1.send(()).expect("it waits");
    assert_eq!(value(after.await.expect("no panic")), "after");
}

/// By the engine's own clock: this runtime has none.
#[test]
fn a_call_waits_for_its_turn_no_longer_than_its_patience() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let patience = Duration::from_millis(300);
    let (host, actor, reached) =
        held(Limits { concurrency: Some(1), queue: 1, patience, ..Limits::default() });
    runtime.block_on(async {
        let first = tokio::spawn(get(&host, &actor, "first").wait());
        let (_, _go) = next(&reached).await;
        let failure = get(&host, &actor, "second").wait().await.expect_err("its turn never comes");
        assert_eq!(failure, CallFailure::Patience(patience));
        assert_eq!(first.await.expect("no panic"), Err(CallFailure::Patience(patience)));
        assert_eq!(actor.info().queued, 0);
    });
}

#[tokio::test]
async fn calls_that_wait_for_their_turn_with_a_removed_actor_are_told() {
    let limits = Limits { concurrency: Some(1), queue: 1, ..Limits::default() };
    let (host, actor, reached) = held(limits);
    let first = tokio::spawn(get(&host, &actor, "first").wait());
    let (_, go) = next(&reached).await;
    let second = tokio::spawn(get(&host, &actor, "second").wait());
    until_queued(&actor, 1).await;
    host.remove(&actor).expect("it is here");
    assert_eq!(second.await.expect("no panic"), Err(CallFailure::Removed));
    go.send(()).expect("it waits");
    assert_eq!(value(first.await.expect("no panic")), "first");
}

/// A provider that answers at once, once it is let: whoever calls it waits with its thread.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    reached: AtomicUsize,
}

impl Gate {
    fn provider(self: &Arc<Self>) -> Arc<Fake> {
        let gate = Arc::clone(self);
        Fake::getting(true, move |key| {
            gate.reached.fetch_add(1, Ordering::AcqRel);
            let open = gate.open.lock().expect("unpoisoned");
            drop(gate.opened.wait_while(open, |open| !*open).expect("unpoisoned"));
            Answer::Ready(Ok(entry(key.to_owned())))
        })
    }

    fn open(&self) {
        *self.open.lock().expect("unpoisoned") = true;
        self.opened.notify_all();
    }

    fn until_reached(&self) {
        while self.reached.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
    }
}

/// A call that has to be done when it returns is refused; one that is awaited waits, though the actor never does.
#[test]
fn an_actor_that_never_waits_has_a_queue_too() {
    let limits = Limits { concurrency: Some(1), queue: 1, ..Limits::default() };
    let config = HostConfig { limits, ..HostConfig::default() };
    let (host, actor) = loaded_with(&keyvalue(), config, &["wascc:keyvalue"]);
    let gate = Arc::new(Gate::default());
    host.bind(&actor, "default", gate.provider() as Arc<dyn KeyValue>).expect("it is granted");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| match get(&host, &actor, "first") {
            Call::Ready(response) => value(response),
            Call::Pending(_) => panic!("it has the room to itself"),
        });
        gate.until_reached();
        let full = CallFailure::Full { concurrency: 1, queue: 1 };
        assert_eq!(host.call_into(&actor, "Get", b"", &mut Vec::new()), Err(full));
        assert!(actor.always_ready());
        let Call::Pending(second) = get(&host, &actor, "second") else { panic!("it has to wait") };
        let second = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            value(runtime.block_on(second))
        });
        while actor.info().queued == 0 {
            std::thread::yield_now();
        }
        gate.open();
        assert_eq!(first.join().expect("no panic"), "first");
        assert_eq!(second.join().expect("no panic"), "second");
    });
    host.call_into(&actor, "Get", b"\x81\xa3key\xa1k", &mut Vec::new()).expect("there is room again");
}

/// It would wait for the end of a call that it is itself within.
#[tokio::test]
async fn a_call_back_does_not_wait_for_its_own_end() {
    let (author, me) = (Author::new(), KeyPair::new_module());
    let limits = Limits { concurrency: Some(1), queue: 8, ..Limits::default() };
    let host = author.host(HostConfig { limits, ..HostConfig::default() });
    let key = me.public_key();
    let actor = host.load(&author.sign(&me, &calling(&key), caps(&[&key]))).expect("it loads");
    host.link(&actor, &actor).expect("it is granted");
    let failure = host.call(&actor, "any", b"").wait().await.expect_err("there is one place").to_string();
    assert!(failure.contains("all 1 calls that the guest may serve at a time are under way"), "{failure}");
    assert_eq!(actor.info().queued, 0);
}

/// Over HTTP, actors that never wait run on threads of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_wait_for_their_turn() {
    let limits = Limits { concurrency: Some(1), queue: 1, ..Limits::default() };
    let config = HostConfig { limits, ..HostConfig::default() };
    let (host, actor) = loaded_with(&asking(), config, &["wascc:keyvalue", "wascc:http_server"]);
    let gate = Arc::new(Gate::default());
    host.bind(&actor, "default", gate.provider() as Arc<dyn KeyValue>).expect("it is granted");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let server = host.serve_http(&actor, listener, HttpOptions::default()).expect("granted");
    let ask = || async move {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.expect("it is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it is answered");
        answer
    };
    let first = tokio::spawn(ask());
    tokio::task::block_in_place(|| gate.until_reached());
    let second = tokio::spawn(ask());
    until_queued(&actor, 1).await;
    gate.open();
    for answer in [first.await, second.await] {
        // What it answers is no HTTP response, but it was asked.
        assert!(answer.expect("no panic").starts_with("HTTP/1.1 502"));
    }
    assert_eq!(gate.reached.load(Ordering::Acquire), 2);
    server.stop().await;
}

/// Each of many threads calls all the time: as many as there are instances at a time, and none is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_call_is_refused_while_there_is_room_in_the_queue() {
    const TASKS: usize = 16;
    let limits = Limits { instances: 2, queue: TASKS, ..Limits::default() };
    let (host, actor) = loaded_with(&echo(), HostConfig { limits, ..HostConfig::default() }, &[]);
    let host = Arc::new(host);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let (host, actor) = (Arc::clone(&host), actor.clone());
        tasks.spawn(async move {
            for call in 0..500 {
                let payload = format!("{task} {call}");
                let answer = host.call(&actor, "any", payload.as_bytes()).wait().await;
                assert_eq!(answer.as_deref(), Ok(payload.as_bytes()));
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("no panic");
    }
    assert!(actor.info().instances <= 2);
}

/// Answers once as many calls are under way as are to meet.
struct Meeting(Mutex<Arc<Barrier>>);

impl Dispatch for Meeting {
    fn always_ready(&self) -> bool {
        true
    }

    fn dispatch(&self, _: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        let barrier = Arc::clone(&self.0.lock().expect("unpoisoned"));
        barrier.wait();
        reply.respond();
        Dispatched::Done
    }
}

impl Meeting {
    /// Makes so many calls at a time.
    fn burst(&self, guest: &Guest, calls: usize) {
        *self.0.lock().expect("unpoisoned") = Arc::new(Barrier::new(calls));
        std::thread::scope(|scope| {
            for _ in 0..calls {
                scope.spawn(|| guest.call_into("any", b"", &mut Vec::new()).expect("it is answered"));
            }
        });
    }
}

/// An engine that drops no instance by itself.
fn patient_engine() -> Engine {
    Engine::new(EngineConfig { idle: Duration::MAX, ..EngineConfig::default() }).expect("it starts")
}

#[test]
fn instances_that_nobody_needs_any_more_go() {
    let engine = patient_engine();
    let meeting = Arc::new(Meeting(Mutex::new(Arc::new(Barrier::new(1)))));
    let program = engine.compile(&asking()).expect("it compiles");
    let guest = Guest::new(program, Arc::clone(&meeting) as Arc<dyn Dispatch>);
    assert_eq!(guest.instances(), 0);
    meeting.burst(&guest, 8);
    assert_eq!(guest.instances(), 8);
    engine.shrink();
    assert_eq!(guest.instances(), 8, "all were needed since the beginning");
    meeting.burst(&guest, 3);
    engine.shrink();
    assert_eq!(guest.instances(), 3, "so many were needed since");
    meeting.burst(&guest, 3);
    engine.shrink();
    assert_eq!(guest.instances(), 3, "and still are");
    engine.shrink();
    assert_eq!(guest.instances(), 1, "one stays");
    engine.shrink();
    assert_eq!(guest.instances(), 1);
    meeting.burst(&guest, 4);
    assert_eq!(guest.instances(), 4);
}

/// An engine does it by itself. There is no moment by which it has to have done so.
#[test]
fn an_engine_lets_instances_go_by_itself() {
    let config = EngineConfig { idle: Duration::from_millis(10), ..EngineConfig::default() };
    let engine = Engine::new(config).expect("it starts");
    let meeting = Arc::new(Meeting(Mutex::new(Arc::new(Barrier::new(1)))));
    let program = engine.compile(&asking()).expect("it compiles");
    let guest = Guest::new(program, Arc::clone(&meeting) as Arc<dyn Dispatch>);
    meeting.burst(&guest, 8);
    while guest.instances() > 1 {
        std::thread::yield_now();
    }
}
