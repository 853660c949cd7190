//! A running host takes a changed manifest.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pillion_capabilities::Answer;
use pillion_codec::{AddRequest, BrokerMessage, GetRequest, GetResponse, Headers, Item};
use pillion_host::dispatch::Provider;
use pillion_host::identity::{ActorClaims, KeyPair};
use pillion_host::manifest::{Changes, Manifest, Running, Watch};
use pillion_host::{ActorRef, CallFailure};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::guests::{Author, caps, guest, http_echo, keyvalue, mailbox, module, saying};
use crate::provider::{Fake, entry};
use crate::traces::Traces;

/// No machine takes as long as that for what is waited for here.
const MINUTE: Duration = Duration::from_secs(60);

/// A folder with signed modules, and a host that runs by manifests in it.
struct Folder {
    directory: TempDir,
    author: Author,
}

impl Folder {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), author: Author::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn sign(&self, name: &str, module: &KeyPair, wasm: &[u8], claims: ActorClaims) {
        fs::write(self.path(name), self.author.sign(module, wasm, claims)).expect("written");
    }

    fn manifest(&self, text: &str) -> Manifest {
        let text = format!("trustedIssuers: [{}]\n{text}", self.author.public_key());
        Manifest::parse(&text, |_| None).expect("a manifest")
    }

    async fn start(&self, text: &str) -> Running {
        Running::start(&self.manifest(text), self.directory.path()).await.expect("it starts")
    }

    async fn reload(&self, running: &mut Running, text: &str) -> Result<Changes, String> {
        let manifest = self.manifest(text);
        let reloaded = running.reload(&manifest, self.directory.path());
        timeout(MINUTE, reloaded).await.expect("in time").map_err(|error| error.to_string())
    }
}

fn revision(rev: i32, granted: &[&str]) -> ActorClaims {
    ActorClaims { rev: Some(rev), ..caps(granted) }
}

fn aliased(rev: i32, alias: &str, granted: &[&str]) -> ActorClaims {
    ActorClaims { call_alias: Some(alias.to_owned()), ..revision(rev, granted) }
}

fn actor(running: &Running, key: &KeyPair) -> ActorRef {
    running.host().actor(&key.public_key()).expect("it is there")
}

async fn call(
    running: &Running,
    key: &KeyPair,
    operation: &str,
    payload: &[u8],
) -> Result<Bytes, CallFailure> {
    running.host().call(&actor(running, key), operation, payload).wait().await
}

fn add(value: i64) -> Vec<u8> {
    let mut request = Vec::new();
    AddRequest { key: "k", value }.encode(&mut request);
    request
}

/// The number under `k`, as the actor that passes everything on is told.
async fn count(running: &Running, key: &KeyPair) -> u64 {
    let mut request = Vec::new();
    GetRequest { key: "k" }.encode(&mut request);
    let response = call(running, key, "Get", &request).await.expect("it answers");
    let GetResponse { value, .. } = GetResponse::decode(&response).expect("a response");
    String::from_utf8_lossy(value).parse().expect("a number")
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// Adds 1 to `k` for each HTTP request, and answers with its revision.
fn counting(revision: i32) -> Vec<u8> {
    acting((32, 14), "Add", &add(1), revision)
}

/// Makes one call of its host for each HTTP request, and answers with its revision.
fn acting(namespace: (u32, u32), operation: &str, request: &[u8], revision: i32) -> Vec<u8> {
    let mut response = Vec::new();
    let body = revision.to_string();
    pillion_codec::Response {
        status_code: 200,
        status: "OK",
        header: Headers::new(&[]),
        body: body.as_bytes(),
    }
    .encode(&mut response);
    module(&format!(
        r#"(data (i32.const 3000) "{operation}")
           (data (i32.const 3100) "{}")
           (data (i32.const 3300) "{}")
           (func (export "__guest_call") (param i32 i32) (result i32) (local $n i32)
             (if (i32.eqz (call $host_call (i32.const 16) (i32.const 7) (i32.const {}) (i32.const {})
                   (i32.const 3000) (i32.const {}) (i32.const 3100) (i32.const {})))
               (then
                 (local.set $n (call $host_error_len))
                 (call $host_error (i32.const 65536))
                 (call $guest_error (i32.const 65536) (local.get $n))
                 (return (i32.const 0))))
             (call $guest_response (i32.const 3300) (i32.const {}))
             (i32.const 1))"#,
        escaped(request),
        escaped(&response),
        namespace.0,
        namespace.1,
        operation.len(),
        request.len(),
        response.len(),
    ))
}

type Http = Client<HttpConnector, Full<Bytes>>;

fn client() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn get(client: &Http, address: SocketAddr) -> Result<(u16, Bytes), String> {
    let uri = format!("http://{address}/").parse().expect("a URI");
    let response = client.get(uri).await.map_err(|error| format!("{error:?}"))?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|error| format!("{error:?}"))?;
    Ok((status, body.to_bytes()))
}

async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let is_so = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(MINUTE, is_so).await.expect(what);
}

#[tokio::test]
async fn a_reload_changes_what_is_another_and_nothing_else() {
    let folder = Folder::new();
    let (store, web, late) = (KeyPair::new_module(), KeyPair::new_module(), KeyPair::new_module());
    folder.sign("store.wasm", &store, &keyvalue(), aliased(1, "demo/store", &["wascc:keyvalue"]));
    folder.sign("web.wasm", &web, &http_echo(200), caps(&["wascc:http_server"]));
    folder.sign("late.wasm", &late, &crate::guests::calling("demo/store"), caps(&["demo/store"]));
    let before = r#"
labels: {region: north}
providers: [{name: memory, kind: memory}, {name: gone, kind: memory}]
actors:
  - module: store.wasm
    bindings: [{provider: memory}, {name: other, provider: gone}]
  - module: web.wasm
    http: {listen: "127.0.0.1:0"}
"#;
    let mut running = folder.start(before).await;
    let (_, address) = running.addresses().next().expect("one listens");
    call(&running, &store, "Add", &add(3)).await.expect("it adds");
    let by_hand = Provider::key_value(Fake::map());
    running.host().bind(&actor(&running, &store), "by hand", by_hand).expect("granted");
    assert!(folder.reload(&mut running, before).await.expect("it is the same").is_empty());

    let after = r#"
labels: {region: south}
providers: [{name: memory, kind: memory}, {name: file, kind: redb, path: store.redb}]
actors:
  - module: late.wasm
    calls: [demo/store]
  - module: store.wasm
    limits: {deadlineMs: 1000}
    bindings: [{provider: memory}, {name: durable, provider: file}]
"#;
    let changes = folder.reload(&mut running, after).await.expect("nothing is wrong with it");
    let [store_key, web_key, late_key] = [&store, &web, &late].map(KeyPair::public_key);
    assert_eq!(
        changes.iter().collect::<Vec<_>>(),
        [
            "labels",
            "+provider file",
            "-provider gone",
            &format!("+actor {late_key}"),
            &format!("~actor {store_key} (limits, bindings)"),
            &format!("-actor {web_key}"),
        ]
    );

    let inventory = running.host().inventory();
    assert_eq!(inventory.labels["region"], "south");
    assert_eq!(inventory.actors.len(), 2);
    let info = actor(&running, &store).info();
    let mut bindings: Vec<_> = info.bindings.iter().map(|it| (&*it.binding, it.provider)).collect();
    bindings.sort_unstable();
    assert_eq!(bindings, [("by hand", "fake"), ("default", "memory"), ("durable", "redb")]);
    assert_eq!(count(&running, &store).await, 3, "a provider that did not change keeps what it has");
    call(&running, &late, "Add", &add(4)).await.expect("it is linked");
    assert_eq!(count(&running, &store).await, 7);
    tokio::net::TcpStream::connect(address).await.expect_err("nobody listens any more");
    assert_eq!(running.addresses().count(), 0);

    // A file has one provider, whatever its name.
    let renamed = after.replace("name: file", "name: disk").replace("provider: file", "provider: disk");
    let changes = folder.reload(&mut running, &renamed).await.expect("the file stays open");
    assert_eq!(changes.to_string(), "+provider disk, -provider file");
    assert!(
        folder.reload(&mut running, before).await.expect("there and back").to_string().contains("+actor")
    );
    assert_eq!(count(&running, &store).await, 7);
    running.stop().await;
}

#[tokio::test]
async fn a_reload_is_one_line_in_the_log() {
    let folder = Folder::new();
    let mut running = folder.start("labels: {number: \"0\"}").await;
    let (mut number, traces) = (0, Traces::of("pillion::reload"));
    let line = traces.until_logged(async || {
        number += 1;
        let changes = folder.reload(&mut running, &format!("labels: {{number: \"{number}\"}}")).await;
        assert_eq!(changes.expect("it is right").to_string(), "labels");
    });
    let line = line.await;
    assert!(line.starts_with("INFO") && line.contains("changes=labels"), "{line}");
    assert_eq!(traces.lines().len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_manifest_with_anything_wrong_changes_nothing() {
    let folder = Folder::new();
    let (store, web) = (KeyPair::new_module(), KeyPair::new_module());
    let granted = ["wascc:keyvalue", "wascc:messaging"];
    folder.sign("store.wasm", &store, &mailbox(), revision(2, &granted));
    folder.sign("web.wasm", &web, &http_echo(200), caps(&["wascc:http_server"]));
    folder.sign("newer.wasm", &store, &mailbox(), revision(3, &granted));
    folder.sign("ill.wasm", &store, &guest("unreachable"), revision(3, &granted));
    folder.sign("older.wasm", &store, &keyvalue(), revision(1, &granted));
    folder.sign("less.wasm", &store, &keyvalue(), revision(3, &["wascc:messaging"]));
    fs::write(folder.path("raw.wasm"), keyvalue()).expect("written");
    folder.write("no.rego", "package pillion\ndefault can_load := false\ndefault can_invoke := true");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listening = format!("listen: \"{}\"", taken.local_addr().expect("it listens"));
    let text = r#"
providers: [{name: memory, kind: memory}, {name: bus, kind: memory-bus}]
actors:
  - module: store.wasm
    bindings: [{provider: memory}, {provider: bus}]
    subscriptions: [{topic: inbox}]
  - module: web.wasm
    http: {listen: "127.0.0.1:0"}
"#;
    let mut running = folder.start(text).await;
    call(&running, &store, "Publish", b"").await.expect_err("it is no message");
    let inventory = |running: &Running| {
        let mut inventory = running.host().inventory();
        // How many instances there are comes and goes.
        inventory.actors.iter_mut().for_each(|actor| actor.instances = 0);
        inventory
    };
    let (before, addresses) =
        (inventory(&running), running.addresses().map(|(_, at)| at).collect::<Vec<_>>());
    for (from, to, expected) in [
        ("store.wasm", "missing.wasm", "actors[0].module: "),
        ("store.wasm", "raw.wasm", "actors[0].module: the module is refused"),
        ("store.wasm", "older.wasm", "actors[0].module: the actor"),
        ("store.wasm", "less.wasm", "actors[0].bindings[0]: the actor's claims do not grant wascc:keyvalue"),
        (
            "module: store.wasm",
            "health: {}\n    module: ill.wasm",
            "actors[0].health: the update of the actor",
        ),
        ("store.wasm", "web.wasm", "actors[1].module: the actor"),
        ("provider: bus", "provider: nobody", "actors[0].bindings[1]: there is no provider \"nobody\""),
        ("provider: bus", "provider: memory", "actors[0].bindings[1]: the actor has a wascc:keyvalue"),
        ("topic: inbox", "topic: \"\"", "actors[0].subscriptions[0]: "),
        ("{topic: inbox}", "{topic: a}, {topic: a}", "actors[0].subscriptions[1]: the actor"),
        (
            "- module: web.wasm",
            "- module: web.wasm\n    calls: [nobody]",
            "actors[1].calls[0]: there is no actor",
        ),
        ("listen: \"127.0.0.1:0\"", &*listening, "actors[1].http: "),
        ("kind: memory}", "kind: redis, url: \"redis://127.0.0.1:1\"}", "providers[0]: "),
        (
            "providers:",
            "cache: elsewhere\nproviders:",
            "cache: the folder of compiled modules cannot be changed",
        ),
        (
            "providers:",
            "metrics: {listen: \"127.0.0.1:0\"}\nproviders:",
            "metrics: counting, which it was started",
        ),
        ("providers:", "policies: [no.rego]\nproviders:", "actors[0].module: the module"),
        ("providers:", "tokens: [raw.wasm]\nproviders:", "tokens[0]: "),
    ] {
        assert!(text.contains(from), "{from}");
        // All else would be changed.
        let changed =
            text.replacen(from, to, 1).replace("web.wasm\n", "web.wasm\n    limits: {instances: 3}\n");
        let changed = format!("labels: {{some: other}}\nantiForgery: mint\n{changed}");
        let changed = if to.contains("wasm") { changed } else { changed.replace("store.wasm", "newer.wasm") };
        let error = folder.reload(&mut running, &changed).await.expect_err(to);
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(inventory(&running), before, "{to}");
        assert_eq!(running.addresses().map(|(_, at)| at).collect::<Vec<_>>(), addresses, "{to}");
        let (status, _) = get(&client(), addresses[0]).await.expect("it is served");
        assert_eq!(status, 200, "{to}");
    }
    // And what is right is taken afterwards.
    let changes = folder.reload(&mut running, &text.replace("store.wasm", "newer.wasm")).await;
    assert!(changes.expect("it is right").to_string().contains("(revision 2 → 3)"));
    running.stop().await;
}

/// A policy that allows everything, and is another each time.
fn policy(number: i32) -> String {
    format!("package pillion\ndefault can_load := true\ndefault can_invoke := true\nnumber := {number}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_is_lost_or_answered_twice_over_many_reloads() {
    const CLIENTS: u64 = 4;
    const RELOADS: i32 = 60;
    let folder = Folder::new();
    let (web, reader, extra) = (KeyPair::new_module(), KeyPair::new_module(), KeyPair::new_module());
    let granted = ["wascc:http_server", "wascc:keyvalue"];
    let sign = |rev| folder.sign("web.wasm", &web, &counting(rev), revision(rev, &granted));
    sign(0);
    folder.sign("reader.wasm", &reader, &keyvalue(), caps(&["wascc:keyvalue"]));
    folder.sign("extra.wasm", &extra, &saying("extra"), caps(&["wascc:keyvalue"]));
    let text = |number: i32| {
        let instances = if number % 5 == 1 { 500 } else { 1_000 };
        let body = if number % 5 == 2 { 1_000 } else { 100_000 };
        let (provider, binding, actor) = match number % 5 {
            3 => (
                ", {name: extra, kind: memory}",
                ", {name: extra, provider: extra}",
                "  - module: extra.wasm\n",
            ),
            _ => ("", "", ""),
        };
        folder.write("policy.rego", &policy(number / 4));
        format!(
            r#"
labels: {{number: "{number}"}}
policies: [policy.rego]
providers: [{{name: memory, kind: memory}}{provider}]
actors:
  - module: web.wasm
    limits: {{instances: {instances}}}
    bindings: [{{provider: memory}}{binding}]
    http: {{listen: "127.0.0.1:0", body: {body}}}
  - module: reader.wasm
    bindings: [{{provider: memory}}]
{actor}"#
        )
    };
    let mut running = folder.start(&text(0)).await;
    let (_, address) = running.addresses().next().expect("one listens");
    let (reloading, answered) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (reloading, answered) = (Arc::clone(&reloading), Arc::clone(&answered));
            tokio::spawn(async move {
                let (client, mut latest) = (client(), 0);
                while reloading.load(Ordering::Acquire) {
                    let (status, body) = get(&client, address).await.expect("no request is lost");
                    let body = String::from_utf8_lossy(&body).into_owned();
                    assert_eq!(status, 200, "{body}");
                    let revision: i32 = body.parse().expect("a revision");
                    assert!(revision >= latest, "an older revision after a newer one");
                    latest = revision;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for number in 1..=RELOADS {
        let before = answered.load(Ordering::Relaxed);
        if number % 2 == 0 {
            sign(number);
        }
        let changes = folder.reload(&mut running, &text(number)).await.expect("it is right");
        assert!(!changes.is_empty());
        let ended = || clients.iter().any(tokio::task::JoinHandle::is_finished);
        until("more are answered", || answered.load(Ordering::Relaxed) >= before + CLIENTS || ended()).await;
    }
    reloading.store(false, Ordering::Release);
    for client in clients {
        client.await.expect("no request was lost");
    }
    let (answered, counted) = (answered.load(Ordering::Relaxed), count(&running, &reader).await);
    assert!(answered >= CLIENTS * RELOADS as u64);
    assert_eq!(answered, counted, "each is answered once, and counted once");
    assert_eq!(running.addresses().next().map(|(_, at)| at), Some(address));
    assert_eq!(actor(&running, &web).claims().wascap.rev, Some(RELOADS));
    running.stop().await;
}

/// A provider that holds a call of it after as many others, until the test lets it go.
fn holding(after: usize) -> (Arc<Fake>, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (reached, when_reached) = mpsc::channel();
    let (go, when_gone) = mpsc::channel::<()>();
    let (held, calls) = (Mutex::new(when_gone), AtomicUsize::new(0));
    let provider = Fake::getting(true, move |_| {
        if calls.fetch_add(1, Ordering::Relaxed) == after {
            reached.send(()).expect("the test waits");
            held.lock().expect("unpoisoned").recv().expect("the test lets it go");
        }
        Answer::Ready(Ok(entry("held")))
    });
    (provider, when_reached, go)
}

/// Waits for a call that is held.
async fn reached(when_reached: mpsc::Receiver<()>) {
    tokio::task::spawn_blocking(move || when_reached.recv()).await.expect("no panic").expect("it is held");
}

/// Asks the default key-value binding for a value, and then an actor, or the binding once more, for what it answers with.
fn asking_twice(namespace: &str) -> Vec<u8> {
    let length = namespace.len();
    module(&format!(
        r#"(data (i32.const 3000) "Get")
           (data (i32.const 3100) "{namespace}")
           (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
             (local $n i32)
             (if (i32.eqz (call $host_call (i32.const 16) (i32.const 7) (i32.const 32) (i32.const 14)
                   (i32.const 3000) (i32.const 3) (i32.const 128) (i32.const 7)))
               (then unreachable))
             (if (i32.eqz (call $host_call (i32.const 16) (i32.const 7) (i32.const 3100) (i32.const {length})
                   (i32.const 3000) (i32.const 3) (i32.const 128) (i32.const 7)))
               (then
                 (local.set $n (call $host_error_len))
                 (call $host_error (i32.const 65536))
                 (call $guest_error (i32.const 65536) (local.get $n))
                 (return (i32.const 0))))
             (local.set $n (call $host_response_len))
             (call $host_response (i32.const 65536))
             (call $guest_response (i32.const 65536) (local.get $n))
             (i32.const 1))"#
    ))
}

/// An HTTP request to a held actor, while a manifest without it, and without what it calls, is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_removed_actor_has_under_way_is_answered_and_reaches_what_it_did() {
    let folder = Folder::new();
    let (caller, callee) = (KeyPair::new_module(), KeyPair::new_module());
    let granted = caps(&["wascc:keyvalue", "wascc:http_server", "demo/callee"]);
    folder.sign("caller.wasm", &caller, &asking_twice("demo/callee"), granted);
    folder.sign("callee.wasm", &callee, &counting(5), aliased(1, "demo/callee", &["wascc:keyvalue"]));
    let text = r#"
providers: [{name: memory, kind: memory}]
actors:
  - module: caller.wasm
    calls: [demo/callee]
    http: {listen: "127.0.0.1:0"}
  - module: callee.wasm
    bindings: [{provider: memory}]
"#;
    let mut running = folder.start(text).await;
    let (_, address) = running.addresses().next().expect("one listens");
    let (provider, when_reached, go) = holding(0);
    running
        .host()
        .bind(&actor(&running, &caller), "default", Provider::key_value(provider))
        .expect("granted");
    let under_way = tokio::spawn(async move { get(&client(), address).await });
    reached(when_reached).await;

    let actors = [actor(&running, &caller), actor(&running, &callee)];
    let changes = {
        let reload = folder.reload(&mut running, "labels: {now: empty}\n");
        tokio::pin!(reload);
        // It has changed everything, and waits for the request.
        let nobody_listens = until("nobody listens", || std::net::TcpStream::connect(address).is_err());
        tokio::select! {
            _ = &mut reload => panic!("it does not wait for the request"),
            () = nobody_listens => {}
        }
        go.send(()).expect("it waits");
        reload.await.expect("nothing is wrong with it")
    };
    assert_eq!(changes.iter().filter(|it| it.starts_with("-actor")).count(), 2);
    let (status, body) = under_way.await.expect("no panic").expect("it is answered");
    assert_eq!((status, &*body), (200, &b"5"[..]), "it reached the other actor");
    for actor in &actors {
        let failure = running.host().call(actor, "any", b"").wait().await.expect_err("it is gone");
        assert_eq!(failure, CallFailure::Removed);
    }
    assert!(running.host().actors().is_empty());
    // They may come back.
    folder.reload(&mut running, text).await.expect("nothing is wrong with it");
    assert_eq!(running.host().actors().len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_server_goes_on_where_it_listens_whichever_actor_it_is_of() {
    let folder = Folder::new();
    let granted = ["wascc:http_server"];
    let (one, two) = (KeyPair::new_module(), KeyPair::new_module());
    folder.sign("one.wasm", &one, &http_echo(201), caps(&granted));
    folder.sign("two.wasm", &two, &http_echo(202), caps(&granted));
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("it listens").port()
    };
    let text = format!(
        "actors:\n  - module: one.wasm\n    http: {{listen: \"127.0.0.1:{port}\"}}\n  - module: two.wasm\n"
    );
    let mut running = folder.start(&text).await;
    let (client, address) = (client(), SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(get(&client, address).await.expect("served").0, 201);
    let moved = format!(
        "actors:\n  - module: two.wasm\n    http: {{listen: \"127.0.0.1:{port}\", body: 5}}\n  - module: one.wasm\n"
    );
    let changes = folder.reload(&mut running, &moved).await.expect("it is right").to_string();
    assert_eq!(changes.matches("(http)").count(), 2, "{changes}");
    // On the connection that there was.
    assert_eq!(get(&client, address).await.expect("served").0, 202);
    let long =
        hyper::Request::post(format!("http://{address}/")).body(Full::from("123456")).expect("a request");
    assert_eq!(client.request(long).await.expect("a response").status(), 413);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn new_policies_decide_anew_and_calls_under_way_end_by_the_old() {
    let folder = Folder::new();
    let (caller, callee) = (KeyPair::new_module(), KeyPair::new_module());
    let granted = caps(&["wascc:keyvalue", "wascc:http_server", "demo/callee"]);
    folder.sign("caller.wasm", &caller, &asking_twice("demo/callee"), granted);
    folder.sign("callee.wasm", &callee, &counting(5), aliased(1, "demo/callee", &["wascc:keyvalue"]));
    folder.write("policy.rego", &policy(1));
    let text = r#"
policies: [policy.rego]
providers: [{name: memory, kind: memory}]
actors:
  - module: caller.wasm
    calls: [demo/callee]
    http: {listen: "127.0.0.1:0"}
  - module: callee.wasm
    bindings: [{provider: memory}]
"#;
    let mut running = folder.start(text).await;
    let (_, address) = running.addresses().next().expect("one listens");
    let (provider, when_reached, go) = holding(1);
    running
        .host()
        .bind(&actor(&running, &caller), "default", Provider::key_value(provider))
        .expect("granted");
    let client = client();
    assert_eq!(get(&client, address).await.expect("served").0, 200, "it is allowed, and that is remembered");
    let under_way = tokio::spawn(async move { get(&self::client(), address).await });
    reached(when_reached).await;

    folder.write(
        "policy.rego",
        "package pillion\ndefault can_load := true\ncan_invoke if input.invocation.namespace != \"demo/callee\"",
    );
    let changes = folder.reload(&mut running, text).await.expect("it is a policy");
    assert_eq!(changes.to_string(), "policies");
    assert_eq!(get(&client, address).await.expect("served").0, 500, "it is denied from now on");
    go.send(()).expect("it waits");
    let (status, body) = under_way.await.expect("no panic").expect("it is answered");
    assert_eq!((status, &*body), (200, &b"5"[..]), "it began by the old policy");

    // Who may not be loaded any more keeps the policy out, not itself.
    folder.write("policy.rego", &policy(2).replace("can_load := true", "can_load := false"));
    let error = folder.reload(&mut running, text).await.expect_err("it denies what is there");
    assert!(error.contains("denied by policy: data.pillion.can_load is false"), "{error}");
    folder.write("policy.rego", "package pillion\ndefault can_load := {");
    let error = folder.reload(&mut running, text).await.expect_err("it is no policy");
    assert!(error.starts_with("policies: ") && error.contains("policy.rego:2"), "{error}");
    assert_eq!(get(&client, address).await.expect("served").0, 500, "the policy before them stays");
    let without = text.replace("policies: [policy.rego]", "");
    folder.reload(&mut running, &without).await.expect("it is right");
    assert_eq!(get(&client, address).await.expect("served").0, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_message_is_lost_or_delivered_twice_over_many_reloads() {
    const RELOADS: u32 = 40;
    let folder = Folder::new();
    let (web, inbox) = (KeyPair::new_module(), KeyPair::new_module());
    let (mut item, mut message) = (Vec::new(), Vec::new());
    Item { key: "k", value: &[7] }.encode(&mut item);
    BrokerMessage { subject: "inbox", reply_to: "", body: &item }.encode(&mut message);
    let publishing = acting((64, 15), "Publish", &message, 1);
    folder.sign("web.wasm", &web, &publishing, caps(&["wascc:http_server", "wascc:messaging"]));
    let sign = |rev| {
        let granted = ["wascc:keyvalue", "wascc:messaging"];
        folder.sign("inbox.wasm", &inbox, &mailbox(), revision(rev, &granted));
    };
    sign(0);
    let text = |number: u32| {
        let deliveries = 3 + number % 2;
        format!(
            r#"
providers: [{{name: bus, kind: memory-bus}}]
actors:
  - module: web.wasm
    bindings: [{{provider: bus}}]
    http: {{listen: "127.0.0.1:0"}}
  - module: inbox.wasm
    bindings: [{{provider: bus}}]
    subscriptions: [{{topic: inbox, group: all, maxDeliveries: {deliveries}}}]
"#
        )
    };
    let mut running = folder.start(&text(0)).await;
    let (_, address) = running.addresses().next().expect("one listens");
    let delivered = Arc::new(AtomicU64::new(0));
    let provider = Fake::pushing({
        let delivered = Arc::clone(&delivered);
        move || Answer::Ready(Ok(delivered.fetch_add(1, Ordering::Relaxed)))
    });
    running.host().bind(&actor(&running, &inbox), "default", Provider::key_value(provider)).expect("granted");
    let (reloading, published) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let publisher = tokio::spawn({
        let (reloading, published) = (Arc::clone(&reloading), Arc::clone(&published));
        async move {
            let client = client();
            while reloading.load(Ordering::Acquire) {
                let (status, _) = get(&client, address).await.expect("no request is lost");
                assert_eq!(status, 200);
                published.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    for number in 1..=RELOADS {
        if number % 3 == 0 {
            sign(number.cast_signed());
        }
        let changes = folder.reload(&mut running, &text(number)).await.expect("it is right").to_string();
        assert!(changes.contains("subscriptions"), "{changes}");
        let before = published.load(Ordering::Relaxed);
        until("more are published", || published.load(Ordering::Relaxed) > before || publisher.is_finished())
            .await;
    }
    reloading.store(false, Ordering::Release);
    publisher.await.expect("no request was lost");
    let published = published.load(Ordering::Relaxed);
    until("all are delivered", || delivered.load(Ordering::Relaxed) >= published).await;
    // Stopping waits for nothing to be delivered: what would be twice is by then.
    running.stop().await;
    assert_eq!(delivered.load(Ordering::Relaxed), published);
}

#[tokio::test]
async fn metrics_move_and_end() {
    let folder = Folder::new();
    let key = KeyPair::new_module();
    folder.sign("app.wasm", &key, &saying("1"), caps(&[]));
    let text = |listen: &str| format!("metrics: {{listen: \"{listen}\"}}\nactors: [{{module: app.wasm}}]");
    let mut running = folder.start(&text("127.0.0.1:0")).await;
    let first = running.metrics().expect("they are served");
    call(&running, &key, "any", b"").await.expect("it answers");
    let changes = folder.reload(&mut running, &text("localhost:0")).await.expect("it is right");
    assert_eq!(changes.to_string(), "metrics");
    let second = running.metrics().expect("they are served");
    tokio::net::TcpStream::connect(first).await.expect_err("nobody listens");
    let scrape = async |at: SocketAddr| {
        let uri = format!("http://{at}/metrics").parse().expect("a URI");
        let response = client().get(uri).await.expect("a response");
        String::from_utf8_lossy(&response.into_body().collect().await.expect("a body").to_bytes())
            .into_owned()
    };
    assert!(scrape(second).await.contains(&key.public_key()), "what was counted is there");
    folder.reload(&mut running, "actors: [{module: app.wasm}]").await.expect("it is right");
    assert_eq!(running.metrics(), None);
    tokio::net::TcpStream::connect(second).await.expect_err("nobody listens");
    folder.reload(&mut running, &text("127.0.0.1:0")).await.expect("the host was started with them");
    let third = running.metrics().expect("they are served");
    assert!(scrape(third).await.contains(&key.public_key()));
    running.stop().await;
}

#[tokio::test]
async fn an_alias_may_pass_to_another_and_calls_follow_it() {
    let folder = Folder::new();
    let [one, two, caller] = [(); 3].map(|()| KeyPair::new_module());
    folder.sign("one.wasm", &one, &saying("one"), aliased(1, "demo/a", &[]));
    folder.sign("two.wasm", &two, &saying("two"), aliased(1, "demo/b", &[]));
    folder.sign("caller.wasm", &caller, &crate::guests::calling("demo/a"), caps(&["demo/a"]));
    let text =
        "actors:\n  - module: caller.wasm\n    calls: [demo/a]\n  - module: one.wasm\n  - module: two.wasm\n";
    let mut running = folder.start(text).await;
    assert_eq!(call(&running, &caller, "any", b"").await.expect("it answers"), "one");
    folder.sign("one.wasm", &one, &saying("one"), aliased(2, "demo/b", &[]));
    let error = folder.reload(&mut running, text).await.expect_err("nobody has the alias");
    assert!(error.starts_with("actors[0].calls[0]: there is no actor"), "{error}");
    let error = folder.reload(&mut running, &text.replace("    calls: [demo/a]\n", "")).await;
    let error = error.expect_err("the other is taken");
    assert!(error.contains("the call alias \"demo/b\""), "{error}");
    assert_eq!(call(&running, &caller, "any", b"").await.expect("it answers"), "one");
    folder.sign("two.wasm", &two, &saying("two"), aliased(2, "demo/a", &[]));
    let changes = folder.reload(&mut running, text).await.expect("they change places").to_string();
    assert!(changes.contains(&format!("~actor {} (calls)", caller.public_key())), "{changes}");
    assert_eq!(call(&running, &caller, "any", b"").await.expect("it answers"), "two");
    let links = actor(&running, &caller).info().links;
    assert_eq!(links, [two.public_key()]);
    running.stop().await;
}

/// Answers with a text, and traps on an operation of four letters.
fn trapping(text: &str) -> Vec<u8> {
    module(&format!(
        "(data (i32.const 3000) \"{text}\")
         (func (export \"__guest_call\") (param $operation i32) (param i32) (result i32)
           (if (i32.eq (local.get $operation) (i32.const 4)) (then unreachable))
           (call $guest_response (i32.const 3000) (i32.const {})) (i32.const 1))",
        text.len()
    ))
}

#[tokio::test]
async fn a_revision_that_does_not_prove_itself_goes_back_and_is_not_tried_again() {
    let folder = Folder::new();
    let key = KeyPair::new_module();
    let sign = |rev: i32| folder.sign("app.wasm", &key, &trapping(&rev.to_string()), revision(rev, &[]));
    let text = |calls: u32| {
        format!("actors:\n  - module: app.wasm\n    health: {{probation: {{calls: {calls}, failures: 1}}}}\n")
    };
    sign(1);
    let mut running = folder.start(&text(3)).await;
    sign(2);
    folder.reload(&mut running, &text(3)).await.expect("it is newer");
    call(&running, &key, "Trap", b"").await.expect_err("it traps");
    assert_eq!(call(&running, &key, "any", b"").await.expect("it answers"), "2", "one may fail");
    call(&running, &key, "Trap", b"").await.expect_err("it traps");
    assert_eq!(call(&running, &key, "any", b"").await.expect("it answers"), "1");
    let rolled_back = actor(&running, &key).info().rolled_back.expect("it is told");
    assert_eq!(rolled_back.revision, Some(2));

    let traces = Traces::of("pillion::reload");
    let line = traces.until_logged(async || {
        assert!(folder.reload(&mut running, &text(3)).await.expect("nothing is wrong with it").is_empty());
    });
    let line = line.await;
    assert!(line.contains("stays as it is") && line.contains("rolled back"), "{line}");
    assert_eq!(call(&running, &key, "any", b"").await.expect("it answers"), "1", "the file is the same");
    sign(3);
    folder.reload(&mut running, &text(3)).await.expect("it is newer");
    for _ in 0..3 {
        assert_eq!(call(&running, &key, "any", b"").await.expect("it answers"), "3");
    }
    for _ in 0..3 {
        call(&running, &key, "Trap", b"").await.expect_err("it traps");
    }
    assert_eq!(call(&running, &key, "any", b"").await.expect("it answers"), "3", "it is confirmed");
    running.stop().await;
}

#[tokio::test]
async fn a_watch_says_once_that_files_changed() {
    let folder = Folder::new();
    let key = KeyPair::new_module();
    folder.sign("app.wasm", &key, &saying("1"), caps(&[]));
    fs::create_dir_all(folder.path("policies/deep")).expect("made");
    let text = "tokens: [later.jwt]\npolicies: [policies]\nactors: [{module: app.wasm}]";
    folder.write("host.yaml", text);
    let manifest = folder.path("host.yaml");
    let mut watch = Watch::new(&manifest);
    watch.follow(folder.manifest(text).files(folder.directory.path()));
    assert!(!watch.changed() && !watch.changed(), "nothing has changed");
    let changes: [(&str, &dyn Fn()); 6] = [
        ("the manifest", &|| folder.write("host.yaml", &format!("{text}\n"))),
        ("a module", &|| folder.sign("app.wasm", &key, &saying("2"), caps(&[]))),
        ("a file that was missing", &|| folder.write("later.jwt", "any")),
        ("a file deep in a folder", &|| folder.write("policies/deep/data.json", "{}")),
        ("another file in its place", &|| {
            folder.write("next", "{}");
            fs::rename(folder.path("next"), folder.path("policies/deep/data.json")).expect("renamed");
        }),
        ("a file that is gone", &|| fs::remove_file(folder.path("later.jwt")).expect("removed")),
    ];
    for (what, change) in changes {
        change();
        assert!(!watch.changed(), "{what}: it may be written to yet");
        assert!(watch.changed(), "{what}");
        assert!(!watch.changed(), "{what}");
    }
    folder.write("unknown", "any");
    assert!(!watch.changed() && !watch.changed(), "a file that no manifest names");
    watch.forget_others(&manifest, &[]);
    folder.sign("app.wasm", &key, &saying("3"), caps(&[]));
    assert!(!watch.changed() && !watch.changed(), "it is watched no more");
}
