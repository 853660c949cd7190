//! The providers of `Configuration`: the promises of both, and what is each one's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::binding::{Actor, Binding};
use pillion_capabilities::configuration::{
    Changes, File, Item, Items, Keys, MOST_SUBSCRIPTIONS, Operation, Redis, Subscription,
};
use pillion_capabilities::testing::RedisServer;
use pillion_capabilities::{Answer, Configuration, Error};
use tempfile::TempDir;

use crate::log::Written;
use crate::providers::{prefix, runtime, until};

/// A provider, and how its values are written: all of them at one moment.
struct Place {
    store: Arc<dyn Configuration>,
    write: Box<Write>,
}

type Write = dyn Fn(&[(&str, &str)]) + Send + Sync;

const OFTEN: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(30);

fn with_file<F: Future<Output = ()>>(test: impl FnOnce(Place) -> F) {
    let directory = TempDir::new().unwrap();
    let [path, other] = ["values.json", "other"].map(|name| directory.path().join(name));
    fs::write(&path, "{}").unwrap();
    runtime().block_on(async {
        let store = Arc::new(File::open(&path, OFTEN).unwrap());
        let write = move |values: &[(&str, &str)]| {
            let values: BTreeMap<_, _> = values.iter().copied().collect();
            fs::write(&other, serde_json::to_vec(&values).unwrap()).unwrap();
            fs::rename(&other, &path).unwrap();
        };
        test(Place { store, write: Box::new(write) }).await;
    });
}

fn with_redis<F: Future<Output = ()>>(test: impl FnOnce(Place) -> F) {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    let client = redis::Client::open(server.url()).unwrap();
    runtime().block_on(async {
        let store = Arc::new(Redis::connect(&server.url(), OFTEN).await.unwrap());
        let write = move |values: &[(&str, &str)]| {
            let mut pipeline = redis::pipe();
            pipeline.atomic().cmd("FLUSHALL");
            for (key, value) in values {
                pipeline.set(*key, *value);
            }
            pipeline.exec(&mut client.get_connection().unwrap()).unwrap();
        };
        test(Place { store, write: Box::new(write) }).await;
    });
}

/// One binding's part of a file that has other keys too.
fn with_prefix<F: Future<Output = ()>>(test: impl FnOnce(Place) -> F) {
    with_file(|Place { store, write }| {
        let (actor, values) = (Actor::default(), prefix("own"));
        let binding = Binding { name: "default", actor: &actor, values: &values };
        let bound = store.bind(Arc::clone(&store), &binding).unwrap().provider;
        let write = move |values: &[(&str, &str)]| {
            let own: Vec<_> = values.iter().map(|(key, value)| (format!("own:{key}"), *value)).collect();
            let mut all: Vec<_> = own.iter().map(|(key, value)| (key.as_str(), *value)).collect();
            // It changes whenever the others do.
            let other = format!("{values:?}");
            all.push(("other:key", &other));
            write(&all);
        };
        test(Place { store: bound, write: Box::new(write) })
    });
}

macro_rules! for_each_provider {
    ($($promise:ident),+ $(,)?) => {$(
        mod $promise {
            #[test]
            fn file() {
                super::with_file(super::$promise);
            }

            #[test]
            fn prefixed() {
                super::with_prefix(super::$promise);
            }

            #[test]
            fn redis() {
                super::with_redis(super::$promise);
            }
        }
    )+};
}

for_each_provider! {
    changes_are_told_to_whom_they_concern,
    changes_made_together_are_told_together,
    changes_that_nobody_fetches_do_not_pile_up,
    items_are_read,
    subscriptions_end,
}

impl Place {
    async fn values(&self, keys: Keys) -> BTreeMap<String, String> {
        values(self.store.get(keys).wait().await.unwrap())
    }

    /// Waits until a call reads what was written.
    async fn holds(&self, expected: &[(&str, &str)]) {
        let expected = owned(expected);
        until("the change is there", async || self.values(Keys::All).await == expected).await;
    }

    async fn subscribe(&self, names: &[&str]) -> Subscription {
        self.store.subscribe(Keys::named(names.iter().copied())).wait().await.unwrap()
    }
}

fn values(items: Items) -> BTreeMap<String, String> {
    items.into_iter().map(|(key, item)| (key, item.value)).collect()
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The values of the next changes, a removal as none.
async fn next(subscription: &mut Subscription) -> Vec<(String, Option<String>)> {
    let changes =
        tokio::time::timeout(PATIENCE, subscription.next()).await.expect("no change is told").unwrap();
    changes.into_iter().map(|(key, item)| (key, item.map(|item| item.value))).collect()
}

fn told(pairs: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect()
}

async fn items_are_read(place: Place) {
    let Place { store, write } = &place;
    assert_eq!(store.get(Keys::All).wait().await, Ok(Items::new()));
    let held = [("a", "1"), ("b", "zwei"), ("c", ""), ("ключ", "a b\n")];
    write(&held);
    place.holds(&held).await;
    assert_eq!(place.values(Keys::named(["a", "c", "missing", ""])).await, owned(&[("a", "1"), ("c", "")]));
    assert_eq!(place.values(Keys::These(Default::default())).await, owned(&[]));
    let before = store.counters().of(Operation::Get);
    let answer = store.get(Keys::All);
    assert_eq!(matches!(answer, Answer::Ready(_)), store.always_ready());
    answer.wait().await.unwrap();
    drop(place.subscribe(&[]).await);
    store.unsubscribe("none").wait().await.unwrap();
    assert_eq!(store.counters().of(Operation::Get), before + 1);
    assert_eq!(store.counters().of(Operation::Subscribe), 1);
    assert_eq!(store.counters().of(Operation::Unsubscribe), 1);
}

async fn changes_are_told_to_whom_they_concern(place: Place) {
    (place.write)(&[("a", "1"), ("b", "1")]);
    place.holds(&[("a", "1"), ("b", "1")]).await;
    let mut both = place.subscribe(&["a", "b"]).await;
    let mut one = place.subscribe(&["b", "later"]).await;
    let mut all = place.subscribe(&[]).await;
    (place.write)(&[("a", "2"), ("b", "1")]);
    assert_eq!(next(&mut both).await, told(&[("a", Some("2"))]));
    assert_eq!(next(&mut all).await, told(&[("a", Some("2"))]));
    // What is there when a subscription begins is no change to it.
    let mut late = place.subscribe(&[]).await;
    (place.write)(&[("b", "3"), ("later", "1")]);
    assert_eq!(next(&mut both).await, told(&[("a", None), ("b", Some("3"))]));
    assert_eq!(next(&mut one).await, told(&[("b", Some("3")), ("later", Some("1"))]));
    let rest = told(&[("a", None), ("b", Some("3")), ("later", Some("1"))]);
    assert_eq!(next(&mut all).await, rest);
    assert_eq!(next(&mut late).await, rest);
}

async fn changes_made_together_are_told_together(place: Place) {
    let names: Vec<String> = (0..50).map(|number| format!("key {number}")).collect();
    let write = |value: &str| {
        let pairs: Vec<_> = names.iter().map(|name| (&**name, value)).collect();
        (place.write)(&pairs);
    };
    write("first");
    until("it is there", async || place.values(Keys::All).await.len() == names.len()).await;
    let mut subscription = place.subscribe(&[]).await;
    let reader = {
        let store = Arc::clone(&place.store);
        tokio::spawn(async move {
            loop {
                let seen = values(store.get(Keys::All).wait().await.unwrap());
                let first = seen.values().next().cloned().unwrap();
                assert!(seen.len() == 50 && seen.values().all(|value| *value == first), "{seen:?}");
                if first == "last" {
                    break;
                }
                tokio::task::yield_now().await;
            }
        })
    };
    for round in 0..20 {
        write(&round.to_string());
        // Some rounds may be overtaken by the next.
        if round % 3 == 0 {
            let changes = next(&mut subscription).await;
            assert_eq!(changes.len(), names.len());
            assert!(changes.iter().all(|(_, value)| *value == changes[0].1), "{changes:?}");
        }
    }
    write("last");
    loop {
        let changes = next(&mut subscription).await;
        assert!(changes.iter().all(|(_, value)| *value == changes[0].1), "{changes:?}");
        if changes[0].1.as_deref() == Some("last") {
            break;
        }
    }
    tokio::time::timeout(PATIENCE, reader).await.unwrap().unwrap();
}

async fn changes_that_nobody_fetches_do_not_pile_up(place: Place) {
    let mut subscription = place.subscribe(&["a"]).await;
    let mut watched = place.subscribe(&["a"]).await;
    for round in 0..10 {
        (place.write)(&[("a", &round.to_string())]);
        assert_eq!(next(&mut watched).await, told(&[("a", Some(&round.to_string()))]));
    }
    // One may be told a moment before the other, and neither while a subscription is ended.
    place.store.unsubscribe("none").wait().await.unwrap();
    assert_eq!(next(&mut subscription).await, told(&[("a", Some("9"))]));

    let mut many = Vec::new();
    while many.len() < MOST_SUBSCRIPTIONS - 2 {
        many.push(place.subscribe(&["a"]).await);
    }
    let error = place.store.subscribe(Keys::All).wait().await.map(drop).unwrap_err();
    assert!(matches!(error, Error::TooMuch { .. }), "{error:?}");
    many.clear();
    place.subscribe(&["a"]).await;
}

async fn subscriptions_end(place: Place) {
    let mut subscription = place.subscribe(&[]).await;
    let mut other = place.subscribe(&[]).await;
    assert_ne!(subscription.id(), other.id());
    let id = subscription.id().to_owned();
    (place.write)(&[("a", "1")]);
    next(&mut other).await;
    let waiting = tokio::spawn(async move {
        let first = subscription.next().await;
        (first, subscription.next().await)
    });
    until("the change was fetched", async || place.values(Keys::All).await.len() == 1).await;
    assert_eq!(place.store.unsubscribe(&id).wait().await, Ok(true));
    assert_eq!(place.store.unsubscribe(&id).wait().await, Ok(false));
    assert_eq!(place.store.unsubscribe("").wait().await, Ok(false));
    // What was told before the end is not lost.
    let (first, second) = tokio::time::timeout(PATIENCE, waiting).await.expect("it waits on").unwrap();
    assert_eq!(first.unwrap().len(), 1);
    assert_eq!(second, None);

    let dropped = place.subscribe(&[]).await;
    let id = dropped.id().to_owned();
    drop(dropped);
    assert_eq!(place.store.unsubscribe(&id).wait().await, Ok(false));
    drop(place);
    let ended: Option<Changes> = tokio::time::timeout(PATIENCE, other.next()).await.expect("it waits on");
    assert_eq!(ended, None, "the provider is gone");
}

/// The items of a file with this name and text.
fn file(name: &str, text: &str) -> Result<Items, Error> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    runtime().block_on(async { File::open(&path, OFTEN)?.get(Keys::All).wait().await })
}

#[test]
fn json_and_yaml_say_the_same() {
    let json = r#"{"text":"t","truth":true,"natural":7,"negative":-7,"half":0.5,
                   "full":{"value":"v","version":3,"metadata":{"owner":"me"}}, "short": {"value": 1}}"#;
    let yaml = "text: t\ntruth: true\nnatural: 7\nnegative: -7\nhalf: 0.5\n\
                full: {value: v, version: 3, metadata: {owner: me}}\nshort:\n  value: 1\n";
    let items = file("values.json", json).unwrap();
    assert_eq!(file("values.yaml", yaml), Ok(items.clone()));
    let expected = [
        ("full", "v"),
        ("half", "0.5"),
        ("natural", "7"),
        ("negative", "-7"),
        ("short", "1"),
        ("text", "t"),
        ("truth", "true"),
    ];
    assert_eq!(values(items.clone()), owned(&expected));
    let metadata = owned(&[("owner", "me")]);
    assert_eq!(items["full"], Item { value: "v".to_owned(), version: "3".to_owned(), metadata });
    // A version that is made of the value is the same for the same value alone.
    let again = file("again.yml", "text: t\nother: u").unwrap();
    assert_eq!(again["text"].version, items["text"].version);
    assert_ne!(again["text"].version, again["other"].version);
    assert_eq!(again["text"].version.len(), 32);
    assert_eq!(file("empty.yaml", ""), Ok(Items::new()));
}

#[test]
fn a_file_that_is_no_configuration_is_refused() {
    let large = format!("a: {}", "x".repeat(5 << 20));
    let bomb: String = std::iter::once("a0: &a0 [x, x]\n".to_owned())
        .chain((1..40).map(|n| format!("a{n}: &a{n} [*a{m}, *a{m}, *a{m}, *a{m}]\n", m = n - 1)))
        .collect();
    for (name, text) in [
        ("values.json", ""),
        ("values.json", "[]"),
        ("values.json", "a: 1"),
        ("values.json", "{\"a\": 1"),
        ("values.yaml", "- a"),
        ("values.yaml", "a: [1]"),
        ("values.yaml", "a: {b: 1}"),
        ("values.yaml", "a: null"),
        ("values.yaml", "a: {value: 1, versoin: 2}"),
        ("values.yaml", "a: {value: {b: 1}}"),
        ("values.yaml", &large),
        ("values.yaml", &bomb),
        ("values.yaml", "a: \u{0}"),
    ] {
        let error = file(name, text).unwrap_err();
        let text = text.get(..40.min(text.len()));
        assert!(error.to_string().contains(name), "{text:?}: {error}");
        assert!(error.to_string().len() < 1000, "{text:?}: {error}");
    }
    assert!(matches!(File::open("/no/such/file", Duration::ZERO), Err(Error::InvalidArgument(_))));
    assert!(
        matches!(File::open("/no/such/file", OFTEN), Err(Error::InvalidArgument(_))),
        "outside a runtime"
    );
    let error = runtime().block_on(async { File::open("/no/such/file", OFTEN).unwrap_err() });
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}

#[test]
fn a_broken_file_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("values.yaml");
    fs::write(&path, "a: 1\nb: 1\n").unwrap();
    // One thread for the test and the watch, so that what is complained of is heard here.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (log, _listening) = Written::listen();
    runtime.block_on(async {
        let store = File::open(&path, OFTEN).unwrap();
        let mut subscription = store.subscribe(Keys::All).wait().await.unwrap();
        let breaks: [fn(&Path); 3] = [
            |path| fs::write(path, "a: [").unwrap(),
            |path| fs::remove_file(path).unwrap(),
            |path| fs::create_dir(path).unwrap(),
        ];
        for (number, break_it) in breaks.into_iter().enumerate() {
            break_it(&path);
            let complaints = || log.text().matches("kept as it was").count();
            until("it is complained of", async || complaints() > number).await;
            let items = store.get(Keys::All).wait().await.unwrap();
            assert_eq!(values(items), owned(&[("a", "1"), ("b", "1")]));
            assert_eq!(complaints(), number + 1, "{}", log.text());
        }
        fs::remove_dir(&path).unwrap();
        fs::write(&path, "a: 1\nb: 2\n").unwrap();
        assert_eq!(next(&mut subscription).await, told(&[("b", Some("2"))]));
    });
}

#[test]
fn redis_values_have_versions_as_dapr_writes_them() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let store = Redis::connect(&server.url(), OFTEN).await.unwrap();
        let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        let mut pipeline = redis::pipe();
        pipeline.set("plain", "v").set("versioned", "v||2").set("odd", "a||b||3").set("empty", "||");
        pipeline.set("bytes", b"\xff").lpush("list", "v").hset("hash", "data", "v");
        pipeline.exec(&mut connection).unwrap();
        let items = store.get(Keys::All).wait().await.unwrap();
        let versions: Vec<_> =
            items.iter().map(|(key, item)| (&**key, &*item.value, &*item.version)).collect();
        assert_eq!(
            versions,
            [("empty", "", ""), ("odd", "a||b", "3"), ("plain", "v", ""), ("versioned", "v", "2")]
        );
        let named = store.get(Keys::named(["bytes", "list", "hash", "versioned"])).wait().await.unwrap();
        assert_eq!(named.len(), 1);
        // Another version of the same value is a change.
        let mut subscription = store.subscribe(Keys::named(["versioned"])).wait().await.unwrap();
        redis::cmd("SET").arg("versioned").arg("v||3").exec(&mut connection).unwrap();
        let changes = tokio::time::timeout(PATIENCE, subscription.next()).await.unwrap().unwrap();
        assert_eq!(changes["versioned"].as_ref().unwrap().version, "3");

        let mut pipeline = redis::pipe();
        for number in 0..10_001 {
            pipeline.set(number, "v");
        }
        pipeline.exec(&mut connection).unwrap();
        let error = store.get(Keys::All).wait().await.unwrap_err();
        assert!(matches!(error, Error::TooMuch { .. }), "{error:?}");
        assert!(matches!(
            Redis::connect(&server.url(), Duration::ZERO).await,
            Err(Error::InvalidArgument(_))
        ));
    });
}

#[test]
fn a_redis_that_comes_back_is_looked_at_again() {
    let Some(mut server) = RedisServer::start_or_skip().unwrap() else { return };
    let set = |server: &RedisServer, value: &str| {
        let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        redis::cmd("SET").arg("a").arg(value).exec(&mut connection).unwrap();
    };
    runtime().block_on(async {
        set(&server, "1");
        let store = Redis::connect(&server.url(), OFTEN).await.unwrap();
        let mut subscription = store.subscribe(Keys::named(["a"])).wait().await.unwrap();
        server.stop().unwrap();
        let error = store.get(Keys::All).wait().await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        server.restart().unwrap();
        // The new server has nothing, and nobody was told while there was none.
        assert_eq!(next(&mut subscription).await, told(&[("a", None)]));
        set(&server, "2");
        assert_eq!(next(&mut subscription).await, told(&[("a", Some("2"))]));
    });
}
