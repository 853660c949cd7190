//! What bindings are given, and what their providers are told of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pillion_capabilities::binding::{Actor, Binding, Bound, Told, Values};
use pillion_capabilities::blobstore::Memory as Blobs;
use pillion_capabilities::eventstreams::{Memory as Events, Query, Start, SubscribeOptions};
use pillion_capabilities::keyvalue::{Change, Entry, Etag, SetOptions, When};
use pillion_capabilities::logging::{Collected, Level};
use pillion_capabilities::messaging::Memory as Bus;
use pillion_capabilities::{Answer, BlobStore, Counters, EventStreams, KeyValue, Memory, Operation, Result};
use pillion_codec::{
    Blob, BlobList, Container, Event, EventValues, GetRequest, GetResponse, SetRequest, WriteLogRequest,
};
use pillion_host::dispatch::{Contract, Provider};
use pillion_host::identity::{ActorClaims, KeyPair};
use pillion_host::{ActorRef, Host, HostConfig};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::guests::{Author, calling, caps, collecting, keyvalue};

const MINUTE: Duration = Duration::from_secs(60);

fn values(name: &str, value: &str) -> Values {
    Values::from([(name.to_owned(), value.to_owned())])
}

/// A host with two actors that are granted the same.
fn two(wasm: &[u8], granted: &[&str]) -> (Host, [ActorRef; 2]) {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let actor = |_| host.load(&author.sign(&KeyPair::new_module(), wasm, caps(granted))).expect("it loads");
    let actors = [0, 1].map(actor);
    (host, actors)
}

async fn call(host: &Host, actor: &ActorRef, operation: &str, encode: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut payload = Vec::new();
    encode(&mut payload);
    host.call(actor, operation, &payload).wait().await.expect("it is answered")
}

#[tokio::test]
async fn two_actors_share_a_store_without_seeing_each_others_keys() {
    let (host, actors) = two(&keyvalue(), &["wascc:keyvalue"]);
    let store = Arc::new(Memory::new());
    for (actor, prefix) in actors.iter().zip(["one", "two"]) {
        let provider = Provider::key_value(Arc::clone(&store));
        host.bind_with(actor, "default", provider, &values("prefix", prefix)).expect("a prefix");
        let set = SetRequest { key: "k", value: prefix.as_bytes(), expires: 0 };
        call(&host, actor, "Set", |out| set.encode(out)).await;
    }
    for (actor, expected) in actors.iter().zip(["one", "two"]) {
        let answer = call(&host, actor, "Get", |out| GetRequest { key: "k" }.encode(out)).await;
        let answer = GetResponse::decode(&answer).expect("a response");
        assert_eq!(answer, GetResponse { value: expected.as_bytes(), exists: true });
        let answer = call(&host, actor, "Get", |out| GetRequest { key: "one:k" }.encode(out)).await;
        assert!(!GetResponse::decode(&answer).expect("a response").exists);
    }
    for key in ["one:k", "two:k"] {
        assert!(store.exists(key).wait().await.expect("it answers"), "{key}");
    }
    assert!(!store.exists("k").wait().await.expect("it answers"));
    assert_eq!(host.inventory().actors[0].bindings[0].provider, "memory");
}

#[tokio::test]
async fn two_actors_share_a_store_without_seeing_each_others_objects() {
    let (host, actors) = two(&calling("wascc:blobstore"), &["wascc:blobstore"]);
    let store = Arc::new(Blobs::new(1 << 20));
    for (actor, prefix) in actors.iter().zip(["one", "two"]) {
        let provider = Provider::blob_store(Arc::clone(&store));
        host.bind_with(actor, "default", provider, &values("prefix", prefix)).expect("a prefix");
        call(&host, actor, "CreateContainer", |out| Container { id: "c" }.encode(out)).await;
        store.put(&format!("{prefix}:c"), prefix, Bytes::from("x")).wait().await.expect("it is there");
    }
    for (actor, expected) in actors.iter().zip(["one", "two"]) {
        let answer = call(&host, actor, "ListObjects", |out| Container { id: "c" }.encode(out)).await;
        let BlobList { blobs } = BlobList::decode(&answer).expect("a list");
        let blobs: Vec<_> = blobs.iter().collect();
        assert_eq!(blobs, [Blob { id: expected, container: "c", byte_size: 1 }]);
    }
}

#[tokio::test]
async fn two_actors_share_streams_without_seeing_each_others_events() {
    let wasm = collecting("DeliverEvent", "wascc:eventstreams");
    let (host, actors) = two(&wasm, &["wascc:keyvalue", "wascc:eventstreams"]);
    let events = Arc::new(Events::new(10, 1 << 20));
    let mut stores = Vec::new();
    for (actor, prefix) in actors.iter().zip(["one", "two"]) {
        let store = Arc::new(Memory::new());
        host.bind(actor, "default", Provider::key_value(Arc::clone(&store))).expect("granted");
        stores.push(store);
        let provider = Provider::event_streams(Arc::clone(&events));
        host.bind_with(actor, "default", provider, &values("prefix", prefix)).expect("a prefix");
        let options = SubscribeOptions { start: Start::Eldest, ..SubscribeOptions::default() };
        host.subscribe_events(actor, "default", "s", options).await.expect("it is bound");
    }
    for (actor, said) in actors.iter().zip(["one", "two"]) {
        let pairs = [("said", said.as_bytes())];
        let event = Event { event_id: "", stream: "s", values: EventValues::new(&pairs) };
        call(&host, actor, "WriteEvent", |out| event.encode(out)).await;
    }
    for (store, expected) in stores.iter().zip(["one", "two"]) {
        let there = async {
            loop {
                let items = store.list_range("k", 0, -1).wait().await.expect("it is a list");
                if !items.is_empty() {
                    return items;
                }
                tokio::task::yield_now().await;
            }
        };
        let delivered = timeout(MINUTE, there).await.expect("it is delivered");
        let Event { stream, values, .. } = Event::decode(&delivered[0]).expect("an event");
        let values: Vec<_> = values.iter().collect();
        assert_eq!((stream, values, delivered.len()), ("s", vec![("said", expected.as_bytes())], 1));
    }
    let written = events.query("one:s", Query::default()).wait().await.expect("it answers");
    assert_eq!(written.len(), 1);
}

#[tokio::test]
async fn a_binding_says_which_of_its_lines_are_logged() {
    let (host, actors) = two(&calling("wascc:logging"), &["wascc:logging"]);
    let log = Arc::new(Collected::new(10));
    for (actor, level) in actors.iter().zip(["warn", "debug"]) {
        let provider = Provider::logging(Arc::clone(&log));
        host.bind_with(actor, "default", provider, &values("level", level)).expect("a level");
        call(&host, actor, "WriteLog", |out| WriteLogRequest { level: 3, body: "x" }.encode(out)).await;
    }
    let lines: Vec<_> = log.lines().into_iter().map(|line| (line.source, line.level)).collect();
    assert_eq!(lines, [(actors[1].key().to_owned(), Level::Info)]);
}

#[tokio::test]
async fn values_that_a_provider_does_not_know_bind_nothing() {
    let (host, [actor, _]) = two(&keyvalue(), &["wascc:keyvalue", "wascc:messaging"]);
    let store = || Provider::key_value(Arc::new(Memory::new()));
    for (provider, values, expected) in [
        (store(), values("prefx", "s3cret"), "memory knows no value \"prefx\" of a binding; it knows prefix"),
        (store(), values("prefix", "a:b"), "\"a:b\" is no prefix of a binding"),
        (Provider::messaging(Arc::new(Bus::default())), values("prefix", "s3cret"), "it takes none"),
    ] {
        let contract = provider.contract();
        let error = host.bind_with(&actor, "default", provider, &values).expect_err(expected).to_string();
        let refused = format!("the provider refuses the actor's binding \"default\" for {contract}: ");
        assert!(error.starts_with(&refused) && error.contains(expected), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    assert!(actor.info().bindings.is_empty());
    host.bind(&actor, "default", store()).expect("the name is free");
}

/// A store that writes down what it is told of its bindings, and waits with `get` until it is let.
struct Telling {
    store: Memory,
    told: Arc<Mutex<Vec<String>>>,
    go: Option<Arc<Notify>>,
}

/// What wants to know of one binding.
struct Binder {
    name: String,
    told: Arc<Mutex<Vec<String>>>,
}

impl Binder {
    fn note(&self, what: &str) {
        self.told.lock().expect("unpoisoned").push(format!("{} {what}", self.name));
    }
}

impl Told for Binder {
    fn update(&self, actor: &Actor) {
        self.note(&format!("updated {}", said(actor)));
    }

    fn end(&self) {
        self.note("ended");
    }
}

fn said(actor: &Actor) -> String {
    let Actor { name, capabilities, tags, expires, .. } = actor;
    format!("{} {capabilities:?} {tags:?} {expires:?}", name.as_deref().unwrap_or_default())
}

impl Telling {
    fn new(go: Option<Arc<Notify>>) -> (Arc<Self>, Arc<Mutex<Vec<String>>>) {
        let told = Arc::<Mutex<Vec<String>>>::default();
        (Arc::new(Self { store: Memory::new(), told: Arc::clone(&told), go }), told)
    }
}

impl KeyValue for Telling {
    fn bind(&self, this: Arc<dyn KeyValue>, binding: &Binding<'_>) -> Result<Bound<dyn KeyValue>> {
        binding.knows(self.name(), &["color"])?;
        let Actor { key, issuer, .. } = binding.actor;
        assert_eq!((key.len(), &key[..1], issuer.len(), &issuer[..1]), (56, "M", 56, "A"));
        let binder = Binder { name: binding.name.to_owned(), told: Arc::clone(&self.told) };
        binder.note(&format!("bound {:?} {}", binding.values, said(binding.actor)));
        Ok(Bound { provider: this, told: Some(Arc::new(binder)) })
    }
    fn name(&self) -> &'static str {
        "telling"
    }
    fn counters(&self) -> &Counters<Operation> {
        self.store.counters()
    }
    fn always_ready(&self) -> bool {
        self.go.is_none()
    }
    fn get(&self, key: &str) -> Answer<Option<Entry>> {
        let Some(go) = self.go.clone() else { return self.store.get(key) };
        let found = self.store.get(key);
        Answer::pending(async move {
            go.notified().await;
            found.wait().await
        })
    }
    fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Answer<Etag> {
        self.store.set(key, value, options)
    }
    fn delete(&self, key: &str, when: When) -> Answer<bool> {
        self.store.delete(key, when)
    }
    fn exists(&self, key: &str) -> Answer<bool> {
        self.store.exists(key)
    }
    fn add(&self, key: &str, delta: i64) -> Answer<i64> {
        self.store.add(key, delta)
    }
    fn list_push(&self, key: &str, value: Bytes) -> Answer<u64> {
        self.store.list_push(key, value)
    }
    fn list_range(&self, key: &str, start: i64, stop: i64) -> Answer<Vec<Bytes>> {
        self.store.list_range(key, start, stop)
    }
    fn list_remove(&self, key: &str, value: Bytes) -> Answer<u64> {
        self.store.list_remove(key, value)
    }
    fn list_clear(&self, key: &str) -> Answer<bool> {
        self.store.list_clear(key)
    }
    fn set_add(&self, key: &str, member: Bytes) -> Answer<u64> {
        self.store.set_add(key, member)
    }
    fn set_remove(&self, key: &str, member: Bytes) -> Answer<u64> {
        self.store.set_remove(key, member)
    }
    fn set_members(&self, key: &str) -> Answer<Vec<Bytes>> {
        self.store.set_members(key)
    }
    fn set_union(&self, keys: &[&str]) -> Answer<Vec<Bytes>> {
        self.store.set_union(keys)
    }
    fn set_intersection(&self, keys: &[&str]) -> Answer<Vec<Bytes>> {
        self.store.set_intersection(keys)
    }
    fn bulk_get(&self, keys: &[&str]) -> Answer<Vec<Option<Entry>>> {
        self.store.bulk_get(keys)
    }
    fn transact(&self, changes: Vec<Change>) -> Answer<()> {
        self.store.transact(changes)
    }
}

#[tokio::test]
async fn a_provider_is_told_of_its_bindings_the_claims_and_their_end() {
    let (author, module) = (Author::new(), KeyPair::new_module());
    let host = author.host(HostConfig::default());
    let (telling, told) = Telling::new(None);
    let taken = || std::mem::take(&mut *told.lock().expect("unpoisoned"));
    let signed = |rev, name: &str, granted: &[&str]| {
        let tags = vec!["web".to_owned()];
        let claims = ActorClaims { rev: Some(rev), name: Some(name.to_owned()), tags, ..caps(granted) };
        author.sign_until(&module, &keyvalue(), claims, Some(4_000_000_000))
    };
    let both = &["wascc:keyvalue", "wasmcloud:keyvalue"];
    let actor = host.load(&signed(1, "first", both)).expect("it loads");
    let provider = || Provider::key_value(Arc::clone(&telling));
    host.bind_with(&actor, "", provider(), &values("color", "red")).expect("it is known");
    host.bind(&actor, "other", provider()).expect("it needs none");
    let claims = r#"["wascc:keyvalue", "wasmcloud:keyvalue"] ["web"] Some(4000000000)"#;
    assert_eq!(
        taken(),
        [
            format!("default bound {{\"color\": \"red\"}} first {claims}"),
            format!("other bound {{}} first {claims}")
        ]
    );
    let error = host.bind_with(&actor, "third", provider(), &values("colour", "red")).expect_err("unknown");
    assert!(
        error.to_string().contains("telling knows no value \"colour\" of a binding; it knows color"),
        "{error}"
    );
    host.bind(&actor, "other", provider()).expect_err("it is taken");
    assert_eq!(taken(), Vec::<String>::new(), "nobody is told of what is not bound");

    host.update(&actor, &signed(2, "second", both), None).await.expect("it is newer");
    assert_eq!(
        taken(),
        [format!("default updated second {claims}"), format!("other updated second {claims}")]
    );
    host.update(&actor, &signed(2, "third", both), None).await.expect_err("it is no newer");
    host.unbind(&actor, "other", Contract::KeyValue).expect("it is bound");
    assert_eq!(taken(), ["other ended"]);
    host.update(&actor, &signed(3, "third", &[]), None).await.expect("it is newer");
    assert_eq!(taken(), ["default ended"], "it is granted no longer");

    host.update(&actor, &signed(4, "fourth", both), None).await.expect("it is newer");
    host.bind(&actor, "default", provider()).expect("granted");
    taken();
    host.remove(&actor).expect("it is there");
    assert_eq!(taken(), ["default ended"]);
    let actor = host.load(&signed(5, "fifth", both)).expect("it loads");
    host.bind(&actor, "default", provider()).expect("granted");
    taken();
    drop(host);
    assert_eq!(taken(), ["default ended"]);
}

#[tokio::test]
async fn a_binding_ends_when_its_last_call_has() {
    let go = Arc::new(Notify::new());
    let (telling, told) = Telling::new(Some(Arc::clone(&go)));
    let ended = || told.lock().expect("unpoisoned").iter().any(|line| line == "default ended");
    let (host, [actor, _]) = two(&keyvalue(), &["wascc:keyvalue"]);
    host.bind(&actor, "default", Provider::key_value(telling)).expect("granted");
    let mut payload = Vec::new();
    GetRequest { key: "k" }.encode(&mut payload);
    let pillion_host::Call::Pending(mut under_way) = host.call(&actor, "Get", &payload) else {
        panic!("its provider waits")
    };
    // Once polled, it is with the provider.
    let polled =
        std::future::poll_fn(|context| std::task::Poll::Ready(under_way.as_mut().poll(context))).await;
    assert!(polled.is_pending());
    host.unbind(&actor, "default", Contract::KeyValue).expect("it is bound");
    assert!(!ended(), "a call is under way");
    go.notify_one();
    under_way.await.expect("it is answered");
    assert!(ended());
    let error = host.call(&actor, "Get", &payload).wait().await.expect_err("not bound any more");
    assert!(error.to_string().contains("no provider is bound"), "{error}");
}
