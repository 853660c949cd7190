//! Configuration, to actors, and its changes.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pillion_capabilities::binding::Values;
use pillion_capabilities::configuration::{File, Operation, Redis};
use pillion_capabilities::testing::RedisServer;
use pillion_capabilities::{Answer, Configuration, Error, KeyValue, Memory};
use pillion_codec::{
    ConfigurationChange, ConfigurationItem, ConfigurationItems, ConfigurationKeys, List, Map, SubscriptionId,
    Unsubscribed,
};
use pillion_host::dispatch::{Contract, Provider};
use pillion_host::identity::{ActorClaims, KeyPair};
use pillion_host::{ActorRef, Host, HostConfig};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::guests::{Author, caps, collecting};
use crate::provider::Fake;
use crate::traces::Traces;

/// No machine takes as long as that for what is waited for here.
const MINUTE: Duration = Duration::from_secs(60);
const OFTEN: Duration = Duration::from_millis(2);
const NAMESPACE: &str = "pillion:configuration";

/// Writes these values, and no others.
type Write = dyn Fn(&[(&str, &str)]);

/// An actor that keeps the changes that it gets in a list.
struct Fixture {
    author: Author,
    module: KeyPair,
    host: Host,
    actor: ActorRef,
    store: Arc<Memory>,
    configuration: Arc<dyn Configuration>,
    write: Box<Write>,
}

/// A change as the actor got it: the subscription, what is there, and what is not any more.
type Seen = (String, Vec<(String, String)>, Vec<String>);

// === impl Fixture ===

impl Fixture {
    fn new(configuration: Arc<dyn Configuration>, write: Box<Write>) -> Self {
        let (author, module) = (Author::new(), KeyPair::new_module());
        let host = author.host(HostConfig::default());
        let actor =
            host.load(&signed(&author, &module, 1, &["wascc:keyvalue", NAMESPACE])).expect("it loads");
        let store = Arc::new(Memory::new());
        host.bind(&actor, "default", Provider::key_value(Arc::clone(&store))).expect("granted");
        host.bind(&actor, "default", Arc::clone(&configuration)).expect("granted");
        Self { author, module, host, actor, store, configuration, write }
    }

    fn of_file() -> Self {
        let (file, write) = file();
        Self::new(file, write)
    }

    async fn call(&self, operation: &str, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Bytes, String> {
        let mut payload = Vec::new();
        encode(&mut payload);
        let answer = self.host.call(&self.actor, operation, &payload).wait().await;
        answer.map_err(|failure| failure.to_string())
    }

    async fn with_keys(&self, operation: &str, keys: &[&str]) -> Result<Bytes, String> {
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        self.call(operation, |out| ConfigurationKeys { keys: List::new(&keys) }.encode(out)).await
    }

    async fn get(&self, keys: &[&str]) -> Vec<(String, String)> {
        let answer = self.with_keys("Get", keys).await.expect("it is answered");
        items(ConfigurationItems::decode(&answer).expect("items").items)
    }

    async fn subscribe(&self, keys: &[&str]) -> Result<String, String> {
        let answer = self.with_keys("Subscribe", keys).await?;
        Ok(SubscriptionId::decode(&answer).expect("an id").id.to_owned())
    }

    async fn unsubscribe(&self, id: &str) -> bool {
        let answer = self.call("Unsubscribe", |out| SubscriptionId { id }.encode(out)).await;
        Unsubscribed::decode(&answer.expect("it is answered")).expect("an answer").ended
    }

    /// What was delivered so far, once it is so.
    async fn seen(&self, so: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let there = async {
            loop {
                let delivered = self.store.list_range("k", 0, -1).wait().await.expect("it is a list");
                let delivered: Vec<_> = delivered.iter().map(|message| seen(message)).collect();
                if so(&delivered) {
                    return delivered;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(MINUTE, there).await.expect("it comes to be so")
    }
}

/// A watched file, and how it is written.
fn file() -> (Arc<dyn Configuration>, Box<Write>) {
    let directory = TempDir::new().expect("a directory");
    let [path, other] = ["values.json", "other"].map(|name| directory.path().join(name));
    fs::write(&path, r#"{"a": "1", "b": "2"}"#).expect("written");
    let file = Arc::new(File::open(&path, OFTEN).expect("it is a configuration"));
    let write = move |values: &[(&str, &str)]| {
        let values: BTreeMap<_, _> = values.iter().copied().collect();
        fs::write(&other, serde_json::to_vec(&values).expect("JSON")).expect("written");
        fs::rename(&other, &path).expect("renamed");
        // It is there as long as this is.
        assert!(directory.path().exists());
    };
    (file, Box::new(write))
}

fn signed(author: &Author, module: &KeyPair, rev: i32, granted: &[&str]) -> Vec<u8> {
    let claims = ActorClaims { rev: Some(rev), ..caps(granted) };
    author.sign(module, &collecting("DeliverConfiguration", NAMESPACE), claims)
}

fn items(items: Map<'_, ConfigurationItem<'_>>) -> Vec<(String, String)> {
    items.iter().map(|(key, item)| (key.to_owned(), item.value.to_owned())).collect()
}

fn seen(message: &[u8]) -> Seen {
    let ConfigurationChange { id, items: there, removed } =
        ConfigurationChange::decode(message).expect("a change");
    let removed = removed.iter().map(|key| String::from_utf8_lossy(key).into_owned());
    (id.to_owned(), items(there), removed.collect())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn an_actor_reads_its_configuration_and_is_told_of_changes(fixture: Fixture) {
    assert_eq!(fixture.get(&[]).await, pairs(&[("a", "1"), ("b", "2")]));
    assert_eq!(fixture.get(&["b", "missing"]).await, pairs(&[("b", "2")]));
    let all = fixture.subscribe(&[]).await.expect("it is bound");
    let one = fixture.subscribe(&["b"]).await.expect("it is bound");
    (fixture.write)(&[("a", "1"), ("b", "3"), ("c", "4")]);
    let told = |seen: &[Seen], id: &str| seen.iter().filter(|(it, ..)| it == id).cloned().collect::<Vec<_>>();
    let items = |seen: &[Seen], id: &str| {
        told(seen, id).into_iter().flat_map(|(_, items, _)| items).collect::<Vec<_>>()
    };
    let delivered = fixture.seen(|seen| items(seen, &all).len() + items(seen, &one).len() >= 3).await;
    // Each once. Of all keys, those that are new may be found by another look than those that are changed.
    assert_eq!(items(&delivered, &all), pairs(&[("b", "3"), ("c", "4")]));
    assert_eq!(told(&delivered, &one), [(one.clone(), pairs(&[("b", "3")]), vec![])]);
    let before = told(&delivered, &all);
    assert!(before.iter().all(|(_, _, removed)| removed.is_empty()), "{before:?}");

    assert!(fixture.unsubscribe(&all).await);
    assert!(!fixture.unsubscribe(&all).await, "it has ended");
    (fixture.write)(&[("a", "1")]);
    let delivered = fixture.seen(|seen| told(seen, &one).len() >= 2).await;
    assert_eq!(told(&delivered, &one)[1], (one, vec![], vec!["b".to_owned()]));
    assert_eq!(told(&delivered, &all), before, "nothing more is told");
    assert_eq!(fixture.get(&[]).await, pairs(&[("a", "1")]));
    assert_eq!(fixture.configuration.counters().of(Operation::Unsubscribe), 1);
}

#[tokio::test]
async fn configuration_in_a_file() {
    an_actor_reads_its_configuration_and_is_told_of_changes(Fixture::of_file()).await;
}

#[tokio::test]
async fn configuration_in_redis() {
    let Some(mut server) = RedisServer::start_or_skip().expect("it starts") else { return };
    let provider = Arc::new(Redis::connect(&server.url(), OFTEN).await.expect("it is there"));
    let address = server.address();
    let write = move |values: &[(&str, &str)]| {
        // As the tests have no client of their own: the plain protocol.
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(address).expect("it listens");
        let mut commands = "MULTI\r\nFLUSHALL\r\n".to_owned();
        for (key, value) in values {
            commands.push_str(&format!("SET {key} {value}\r\n"));
        }
        commands.push_str("EXEC\r\nQUIT\r\n");
        stream.write_all(commands.as_bytes()).expect("written");
        let mut answers = String::new();
        stream.read_to_string(&mut answers).expect("answered");
        assert!(!answers.contains("-ERR"), "{answers}");
    };
    write(&[("a", "1"), ("b", "2")]);
    let fixture = Fixture::new(provider, Box::new(write));
    an_actor_reads_its_configuration_and_is_told_of_changes(fixture).await;

    let provider = Arc::new(Redis::connect(&server.url(), OFTEN).await.expect("it is there"));
    let fixture = Fixture::new(provider, Box::new(|_| {}));
    server.stop().expect("it stops");
    for operation in ["Get", "Subscribe"] {
        let error = fixture.with_keys(operation, &["a"]).await.expect_err("the server is gone");
        assert!(error.contains("cannot be reached"), "{error}");
    }
}

#[tokio::test]
async fn subscriptions_to_the_configuration_outlive_updates_and_end_with_their_binding() {
    let fixture = Fixture::of_file();
    let Fixture { author, module, host, actor, configuration, write, .. } = &fixture;
    let first = fixture.subscribe(&["a"]).await.expect("it is bound");
    let update = signed(author, module, 2, &["wascc:keyvalue", NAMESPACE]);
    host.update(actor, &update, None).await.expect("it is newer");
    write(&[("a", "2")]);
    let delivered = fixture.seen(|seen| !seen.is_empty()).await;
    assert_eq!(delivered, [(first, pairs(&[("a", "2")]), vec![])]);

    host.unbind(actor, "default", Contract::Configuration).expect("it is bound");
    let error = fixture.subscribe(&["a"]).await.expect_err("not bound");
    assert!(error.contains("no provider is bound for pillion:configuration"), "{error}");
    host.bind(actor, "default", Arc::clone(configuration)).expect("granted");
    let second = fixture.subscribe(&["a"]).await.expect("it is bound");
    write(&[("a", "3")]);
    let delivered = fixture.seen(|seen| seen.len() >= 2).await;
    assert_eq!(delivered[1], (second.clone(), pairs(&[("a", "3")]), vec![]));

    // What is granted no longer is told no longer, though another grant follows.
    for (rev, granted) in [(3, &["wascc:keyvalue"][..]), (4, &["wascc:keyvalue", NAMESPACE])] {
        host.update(actor, &signed(author, module, rev, granted), None).await.expect("it is newer");
    }
    host.bind(actor, "default", Arc::clone(configuration)).expect("granted");
    let third = fixture.subscribe(&["a"]).await.expect("it is bound");
    write(&[("a", "4")]);
    let delivered = fixture.seen(|seen| seen.len() >= 3).await;
    assert_eq!(delivered[2], (third, pairs(&[("a", "4")]), vec![]));
    assert_eq!(delivered.len(), 3);
    assert!(!fixture.unsubscribe(&second).await, "another binding's is not there");
}

#[tokio::test]
async fn a_change_waits_for_an_actor_whose_token_has_expired() {
    let traces = Traces::of("pillion::delivery");
    let _default = tracing::subscriber::set_default(traces.clone());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let (author, module) = (Author::new(), KeyPair::new_module());
    let granted = || caps(&["wascc:keyvalue", NAMESPACE]);
    let wasm = collecting("DeliverConfiguration", NAMESPACE);
    let (configuration, write) = file();
    let store = Arc::new(Memory::new());
    // A machine that takes longer than that to subscribe is given another, valid for twice as long.
    let mut valid = 2;
    let (host, actor, id) = loop {
        let host = author.host(HostConfig::default());
        let signed = author.sign_until(&module, &wasm, granted(), Some(now() + valid));
        if let Ok(actor) = host.load(&signed) {
            host.bind(&actor, "default", Provider::key_value(Arc::clone(&store))).expect("granted");
            host.bind(&actor, "default", Arc::clone(&configuration)).expect("granted");
            if let Ok(answer) = host.call(&actor, "Subscribe", b"\x80").wait().await {
                break (host, actor, SubscriptionId::decode(&answer).expect("an id").id.to_owned());
            }
        }
        valid *= 2;
        assert!(valid < 128, "a minute is not enough");
    };
    while !actor.info().expired {
        tokio::time::sleep(OFTEN).await;
    }
    write(&[("a", "2"), ("b", "2")]);
    let held = async {
        while !traces.lines().iter().any(|line| line.contains("token expired at") && line.contains("held")) {
            tokio::task::yield_now().await;
        }
    };
    timeout(MINUTE, held).await.expect("it is held");
    assert!(store.list_range("k", 0, -1).wait().await.expect("it answers").is_empty());
    let update = author.sign(&module, &wasm, ActorClaims { rev: Some(1), ..granted() });
    host.update(&actor, &update, None).await.expect("it is newer");
    let delivered = async {
        loop {
            let items = store.list_range("k", 0, -1).wait().await.expect("it is a list");
            if let Some(item) = items.first() {
                break seen(item);
            }
            tokio::task::yield_now().await;
        }
    };
    let delivered = timeout(MINUTE, delivered).await.expect("it is delivered");
    assert_eq!(delivered, (id, pairs(&[("a", "2")]), vec![]));
}

#[tokio::test]
async fn a_change_that_an_actor_fails_to_deal_with_comes_again_and_is_given_up_at_last() {
    let fixture = Fixture::of_file();
    let Fixture { host, actor, write, .. } = &fixture;
    let pushes = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&pushes);
    // Five failures give up the first change.
    let store = Fake::pushing(move || match count.fetch_add(1, Ordering::SeqCst) {
        0..5 => Answer::Ready(Err(Error::InvalidArgument("not now".to_owned()))),
        number => Answer::Ready(Ok(number.into())),
    });
    host.unbind(actor, "default", Contract::KeyValue).expect("it is bound");
    host.bind(actor, "default", Provider::key_value(store)).expect("granted");
    let traces = Traces::of("pillion::delivery");
    let _default = tracing::subscriber::set_default(traces.clone());
    fixture.subscribe(&["a"]).await.expect("it is bound");
    let until = async |expected: u32| {
        let there = async {
            while pushes.load(Ordering::SeqCst) < expected {
                tokio::task::yield_now().await;
            }
        };
        timeout(MINUTE, there).await.expect("it is tried so often");
    };
    write(&[("a", "2")]);
    until(5).await;
    let given_up = async {
        while !traces.lines().iter().any(|line| line.contains("a change of the configuration was given up")) {
            tokio::task::yield_now().await;
        }
    };
    timeout(MINUTE, given_up).await.expect("it is said");
    let lines = traces.lines();
    assert!(lines.iter().any(|line| line.contains("keys=[\"a\"]") && line.contains("not now")), "{lines:?}");
    write(&[("a", "3")]);
    until(6).await;
}

#[tokio::test]
async fn a_binding_has_so_many_subscriptions_to_the_configuration_and_no_more() {
    let fixture = Fixture::of_file();
    let mut ids = Vec::new();
    let error = loop {
        match fixture.subscribe(&[]).await {
            Ok(id) => ids.push(id),
            Err(error) => break error,
        }
    };
    assert_eq!(ids.len(), 16);
    assert!(error.contains("more than 16 subscriptions of a binding to the configuration"), "{error}");
    assert!(fixture.unsubscribe(&ids[7]).await);
    fixture.subscribe(&[]).await.expect("one has ended");

    // Another actor cannot end it.
    let other = Fixture::new(Arc::clone(&fixture.configuration), Box::new(|_| {}));
    assert!(!other.unsubscribe(&ids[0]).await);
    assert!(fixture.unsubscribe(&ids[0]).await);
}

#[tokio::test]
async fn requests_for_configuration_that_are_none_are_errors_of_the_guest() {
    let fixture = Fixture::of_file();
    let before = fixture.configuration.counters().total();
    for (operation, payload) in
        [("Get", &b"\xc1"[..]), ("Subscribe", b"\x81\xa4keys\x91\xc4\x01\xff"), ("Unsubscribe", b"\x80")]
    {
        let error =
            fixture.call(operation, |out| out.extend_from_slice(payload)).await.expect_err("no request");
        let expected = format!("the request of pillion:configuration {operation} is malformed");
        assert!(error.contains(&expected), "{error}");
    }
    let error = fixture.call("Set", |_| {}).await.expect_err("no such operation");
    assert_eq!(error, "pillion:configuration has no operation \"Set\"");
    assert_eq!(fixture.configuration.counters().total(), before);

    let (host, actor) = (&fixture.host, &fixture.actor);
    let values = Values::from([("alow".to_owned(), "x".to_owned())]);
    let error = host.bind_with(actor, "other", Arc::clone(&fixture.configuration), &values);
    assert!(error.expect_err("no such value").to_string().contains("\"alow\""));
}

#[test]
fn without_a_runtime_no_change_is_promised() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let file = runtime.block_on(async { file().0 });
    let fixture = Fixture::new(file, Box::new(|_| {}));
    let error = runtime.block_on(fixture.subscribe(&[])).expect_err("nobody would deliver them");
    assert!(error.contains("make the provider within a tokio runtime"), "{error}");
    assert_eq!(runtime.block_on(fixture.get(&["a"])), pairs(&[("a", "1")]));
}
