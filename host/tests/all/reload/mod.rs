//! A running host takes a changed manifest.

mod parts;
mod under_way;

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
