//! Where the actor is asked: a host with providers, and the host for tests.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use pillion_capabilities::binding::Values;
use pillion_capabilities::blobstore::Files;
use pillion_capabilities::extras::Embedded;
use pillion_capabilities::httpclient::{Hyper, Options};
use pillion_capabilities::logging::Collected;
use pillion_capabilities::messaging::{Memory as Bus, SubscribeOptions};
use pillion_capabilities::secrets::{File as SecretsFile, Shape};
use pillion_capabilities::{KeyValue, Memory, configuration, eventstreams};
use pillion_host::dispatch::Provider;
use pillion_host::identity::{self, ActorClaims, Claims, KeyPair, TrustedIssuers};
use pillion_host::{ActorRef, Host, HostConfig, HttpOptions, HttpServer};
use pillion_sdk::testing::{self, HttpReply};
use pillion_sdk::{Error, EventStreams};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::answers::CONTRACTS;
use super::everything::answer;

/// The actor `everything`, with all that it may be bound to under `default` and `second`.
pub(super) trait World {
    fn name(&self) -> &'static str;

    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String>;

    /// Calls the same module with claims that grant nothing.
    fn call_ungranted(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String>;

    /// The URL of a server.
    fn server(&self) -> &str;

    /// The URL of an actor.
    fn actor(&self) -> &str;

    /// The key of the actor `other`, which has nothing to call.
    fn other(&self) -> &str;

    /// What was delivered to the actor, once it is as much.
    fn delivered(&self, count: usize) -> Vec<Vec<u8>>;

    /// Has requests on the topic `questions` answered.
    fn answer_questions(&self);

    /// Changes an item of the configuration, or takes it away.
    fn change(&self, key: &str, value: Option<&str>);

    /// What was logged: level and text.
    fn lines(&self) -> Vec<(String, String)>;
}

pub(super) struct Real {
    host: Host,
    actor: ActorRef,
    ungranted: ActorRef,
    other: String,
    store: Arc<Memory>,
    log: Arc<Collected>,
    /// What is in the file of the configuration.
    items: Mutex<BTreeMap<String, String>>,
    urls: [String; 2],
    // These end in this order.
    _server: HttpServer,
    runtime: Runtime,
    folder: TempDir,
}

pub(super) struct Fake {
    host: testing::Host,
    ungranted: testing::Host,
    /// How much of what was published and written is delivered.
    published: Cell<usize>,
    written: Cell<usize>,
}

/// No machine takes as long as that for what is waited for here.
const MINUTE: Duration = Duration::from_secs(60);

/// So often the file of the configuration is looked at.
const OFTEN: Duration = Duration::from_millis(2);

const SECRETS: &str = r#"{"token": "hunter2", "db": {"user": "ada"}, "other": "x"}"#;
const ITEMS: [(&str, &str); 2] = [("colour", "red"), ("size", "3")];
const KEY_OF_OTHER: &str = "MOTHER";

// === impl Real ===

impl Real {
    pub(super) fn open() -> Self {
        let runtime = Runtime::new().unwrap();
        let entered = runtime.enter();
        let folder = tempfile::tempdir().unwrap();
        let account = KeyPair::new_account();
        let host = Host::new(HostConfig {
            trust: TrustedIssuers::from([account.public_key()]).into(),
            cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("modules")),
            ..HostConfig::default()
        });
        let host = host.unwrap();
        let module = fs::read(pillion_artifacts::sdk_example("everything").unwrap()).unwrap();
        let load = |alias: Option<&str>, caps: Vec<String>| {
            let claims = ActorClaims { caps, call_alias: alias.map(str::to_owned), ..ActorClaims::default() };
            let claims = Claims::new(&account, &KeyPair::new_module(), claims);
            host.load(&identity::sign(&module, claims, &account).unwrap()).unwrap()
        };
        let other = load(Some("other"), vec!["wascc:http_server".to_owned()]);
        let called = ["other".to_owned(), other.key().to_owned()];
        let contracts = CONTRACTS.iter().map(|(contract, _)| (*contract).to_owned());
        let actor = load(None, contracts.chain(called).collect());
        let ungranted = load(None, Vec::new());
        host.link(&actor, &other).unwrap();

        let (store, log) = (Arc::new(Memory::new()), Arc::new(Collected::new(100)));
        for provider in
            [Provider::key_value(Arc::clone(&store)), Provider::messaging(Arc::new(Bus::default()))]
        {
            host.bind(&actor, "default", provider).unwrap();
        }
        host.bind(&actor, "second", Provider::key_value(Arc::new(Memory::new()))).unwrap();
        host.bind(&actor, "second", Provider::messaging(Arc::new(Bus::default()))).unwrap();
        for provider in shared(folder.path(), &log) {
            host.bind(&actor, "default", provider.clone()).unwrap();
            host.bind(&actor, "second", provider).unwrap();
        }
        fs::write(folder.path().join("secrets.json"), SECRETS).unwrap();
        let shape = Shape { multivalued: true, ..Shape::default() };
        let secrets = Arc::new(SecretsFile::open(folder.path().join("secrets.json"), shape).unwrap());
        for (binding, allow) in [("default", "token db missing"), ("second", "token")] {
            let values = Values::from([("allow".to_owned(), allow.to_owned())]);
            host.bind_with(&actor, binding, Provider::secrets(Arc::clone(&secrets)), &values).unwrap();
        }
        drop(entered);
        let (server, urls) = runtime.block_on(async {
            let inbox = SubscribeOptions { concurrency: 1, ..SubscribeOptions::default() };
            host.subscribe(&actor, "default", "inbox", inbox).await.unwrap();
            let stream = eventstreams::SubscribeOptions {
                concurrency: 1,
                ..eventstreams::SubscribeOptions::default()
            };
            host.subscribe_events(&actor, "default", "s", stream).await.unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let server = host.serve_http(&other, listener, HttpOptions::default()).unwrap();
            let urls = [start().await, format!("http://{}", server.address())];
            (server, urls)
        });
        let items = ITEMS.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let (items, other) = (Mutex::new(BTreeMap::from(items)), other.key().to_owned());
        Self { host, actor, ungranted, other, store, log, items, urls, _server: server, runtime, folder }
    }

    fn ask(&self, actor: &ActorRef, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        let answer = self.runtime.block_on(self.host.call(actor, operation, payload).wait());
        answer.map(|bytes| bytes.to_vec()).map_err(|failure| failure.to_string())
    }
}

/// The providers that are the same under both bindings.
fn shared(folder: &Path, log: &Arc<Collected>) -> [Provider; 6] {
    fs::create_dir(folder.join("blobs")).unwrap();
    fs::write(folder.join("items.json"), json(&ITEMS.into_iter().collect::<BTreeMap<_, _>>())).unwrap();
    let mut options = Options::default();
    options.allow = vec!["127.0.0.1".parse().unwrap()];
    options.allow_private = true;
    [
        Provider::blob_store(Arc::new(Files::open(folder.join("blobs")).unwrap())),
        Provider::http_client(Arc::new(Hyper::new(options).unwrap())),
        Provider::logging(Arc::clone(log)),
        Provider::configuration(Arc::new(
            configuration::File::open(folder.join("items.json"), OFTEN).unwrap(),
        )),
        Provider::event_streams(Arc::new(eventstreams::Memory::new(100, 1 << 20))),
        Provider::extras(Arc::new(Embedded::new())),
    ]
}

impl World for Real {
    fn name(&self) -> &'static str {
        "the host"
    }

    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.ask(&self.actor, operation, payload)
    }

    fn call_ungranted(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.ask(&self.ungranted, operation, payload)
    }

    fn server(&self) -> &str {
        &self.urls[0]
    }

    fn actor(&self) -> &str {
        &self.urls[1]
    }

    fn other(&self) -> &str {
        &self.other
    }

    fn delivered(&self, count: usize) -> Vec<Vec<u8>> {
        let there = async {
            loop {
                let items = self.store.list_range("delivered", 0, -1).wait().await.unwrap();
                if items.len() >= count {
                    return items.iter().map(|item| item.to_vec()).collect();
                }
                tokio::task::yield_now().await;
            }
        };
        self.runtime.block_on(async { timeout(MINUTE, there).await.unwrap() })
    }

    fn answer_questions(&self) {
        let options = SubscribeOptions::default();
        self.runtime.block_on(self.host.subscribe(&self.actor, "default", "questions", options)).unwrap();
    }

    fn change(&self, key: &str, value: Option<&str>) {
        let mut items = self.items.lock().unwrap();
        match value {
            Some(value) => drop(items.insert(key.to_owned(), value.to_owned())),
            None => drop(items.remove(key)),
        }
        fs::write(self.folder.path().join("new"), json(&items)).unwrap();
        fs::rename(self.folder.path().join("new"), self.folder.path().join("items.json")).unwrap();
    }

    fn lines(&self) -> Vec<(String, String)> {
        let lines = self.log.lines();
        assert!(lines.iter().all(|line| line.source == self.actor.key()));
        lines.into_iter().map(|line| (format!("{:?}", line.level), line.text)).collect()
    }
}

// === impl Fake ===

impl Fake {
    pub(super) fn open() -> Self {
        let [host, ungranted, other] = [(); 3].map(|()| testing::Host::new());
        host.bind("second");
        ungranted.bind("second");
        CONTRACTS.iter().for_each(|(contract, _)| ungranted.deny(contract));
        host.secret("token", "hunter2");
        host.secret_key("db", "user", "ada");
        ITEMS.iter().for_each(|(key, value)| host.configure(key, value));
        for name in ["other", KEY_OF_OTHER] {
            let other = other.clone();
            host.serve_actor(name, move |operation, payload| {
                other.call(answer, operation, payload).map_err(Error::into_text)
            });
        }
        host.serve_http(move |request| {
            if let Some(path) = request.url.strip_prefix("http://actor") {
                return other.http(answer, &request.method, path, &request.body).map_err(Error::into_text);
            }
            let path = request.url.strip_prefix("http://server").ok_or("no such server")?;
            let field = |name: &str| {
                let mut fields = request.header.iter();
                fields.find_map(|(field, value)| field.eq_ignore_ascii_case(name).then_some(value.as_str()))
            };
            let (status, body) =
                serve(&request.method, path, [field("content-type"), field("x-field")], &request.body);
            let header = ["one", "two"].map(|value| ("X-Handled".to_owned(), value.to_owned())).to_vec();
            Ok(HttpReply { status, header, body })
        });
        Self { host, ungranted, published: Cell::new(0), written: Cell::new(0) }
    }
}

impl World for Fake {
    fn name(&self) -> &'static str {
        "the host for tests"
    }

    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.host.call(answer, operation, payload).map_err(Error::into_text)
    }

    fn call_ungranted(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        self.ungranted.call(answer, operation, payload).map_err(Error::into_text)
    }

    fn server(&self) -> &'static str {
        "http://server"
    }

    fn actor(&self) -> &'static str {
        "http://actor"
    }

    fn other(&self) -> &'static str {
        KEY_OF_OTHER
    }

    fn delivered(&self, _: usize) -> Vec<Vec<u8>> {
        let published = self.host.published();
        for message in &published[self.published.replace(published.len())..] {
            if (message.binding.as_str(), message.subject.as_str()) == ("default", "inbox") {
                self.host.deliver(answer, "inbox", &message.reply_to, &message.body).unwrap();
            }
        }
        let events = self.host.run(|| EventStreams::new().query("s", None, 0)).unwrap();
        for event in events.iter().skip(self.written.replace(events.iter().count())) {
            let values: Vec<_> = event.values.iter().collect();
            self.host.deliver_event(answer, "s", event.event_id, &values).unwrap();
        }
        self.host.deliver_chunks(answer).unwrap();
        let delivered = self.host.run(|| pillion_sdk::KeyValue::new().range("delivered", 0, -1)).unwrap();
        delivered.iter().map(<[u8]>::to_vec).collect()
    }

    fn answer_questions(&self) {
        self.host.serve_requests(|subject, body| {
            assert_eq!(subject, "questions");
            Ok([b"re: ", body].concat())
        });
    }

    fn change(&self, key: &str, value: Option<&str>) {
        self.host.change(answer, key, value).unwrap();
    }

    fn lines(&self) -> Vec<(String, String)> {
        self.host.lines().into_iter().map(|(level, text)| (format!("{level:?}"), text)).collect()
    }
}

// === free functions ===

fn json<K: AsRef<str>, V: AsRef<str>>(items: &BTreeMap<K, V>) -> String {
    let item = |(key, value): (&K, &V)| format!("{:?}: {:?}", key.as_ref(), value.as_ref());
    format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(", "))
}

/// What the server answers: what it was asked.
fn serve(method: &str, target: &str, fields: [Option<&str>; 2], body: &[u8]) -> (u16, Vec<u8>) {
    let status = match target {
        "/missing" => 404,
        "/broken" => 503,
        _ => 200,
    };
    let fields = fields.map(|field| field.unwrap_or("-")).join(" ");
    (status, [format!("{method} {target} {fields} ").as_bytes(), body].concat())
}

/// Starts that server; answers where.
async fn start() -> String {
    async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let field = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap());
        let fields = [field(CONTENT_TYPE.as_str()), field("x-field")];
        let (status, body) = serve(head.method.as_str(), &head.uri.to_string(), fields, &body);
        let response =
            Response::builder().status(status).header("x-handled", "one").header("x-handled", "two");
        Ok(response.body(Full::new(body.into())).unwrap())
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                // The client may go before.
                let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
            });
        }
    });
    format!("http://{address}")
}
