//! What a binding is given, and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use pillion_capabilities::binding::{Actor, Binding, Values};
use pillion_capabilities::blobstore::Memory as Blobs;
use pillion_capabilities::eventstreams::Memory as Events;
use pillion_capabilities::extras::Embedded;
use pillion_capabilities::logging::{Collected, Level};
use pillion_capabilities::messaging::Memory as Bus;
use pillion_capabilities::secrets::{Environment, ExposeSecret, Operation};
use pillion_capabilities::{
    BlobStore, Error, EventStreams, Extras, KeyValue, Logging, Memory, Messaging, Secrets,
};

use crate::providers::{prefix, runtime};

fn values<const N: usize>(pairs: [(&str, &str); N]) -> Values {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Asks for a binding with these values.
macro_rules! bind {
    ($provider:expr, $values:expr) => {{
        let (actor, values) = (Actor::default(), $values);
        let binding = Binding { name: "default", actor: &actor, values: &values };
        $provider.bind(Arc::clone(&$provider), &binding)
    }};
}

fn store() -> Arc<dyn KeyValue> {
    Arc::new(Memory::new())
}

#[test]
fn without_values_a_provider_serves_its_bindings_itself() {
    let store = store();
    assert!(Arc::ptr_eq(&bind!(store, Values::new()).unwrap().provider, &store));
    let log: Arc<dyn Logging> = Arc::new(Collected::new(1));
    assert!(Arc::ptr_eq(&bind!(log, Values::new()).unwrap().provider, &log));
}

#[test]
fn values_that_nobody_knows_are_refused_by_name() {
    fn check<T>(bound: Result<T, Error>, expected: &str) {
        let Err(Error::InvalidArgument(said)) = bound else { panic!("it is bound") };
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    let wrong = || values([("prefx", "s3cret")]);
    let (store, bus): (_, Arc<dyn Messaging>) = (store(), Arc::new(Bus::default()));
    check(bind!(store, wrong()), "memory knows no value \"prefx\" of a binding; it knows prefix");
    check(bind!(bus, wrong()), "memory knows no value \"prefx\" of a binding; it takes none");
    let extras: Arc<dyn Extras> = Arc::new(Embedded::new());
    check(bind!(extras, wrong()), "it takes none");
    let log: Arc<dyn Logging> = Arc::new(Collected::new(1));
    check(bind!(log, wrong()), "it knows level");
    check(bind!(log, values([("level", "loud")])), "\"loud\" is no level");
    let secrets: Arc<dyn Secrets> = Arc::new(Environment::new());
    check(bind!(secrets, wrong()), "it knows allow");
    for bad in ["", "a:b", ":", "a/b", "a\\b", "a\nb", "\0"] {
        check(bind!(store, prefix(bad)), "is no prefix of a binding");
        let events: Arc<dyn EventStreams> = Arc::new(Events::new(1, 1_000));
        check(bind!(events, prefix(bad)), "is no prefix of a binding");
    }
    let blobs: Arc<dyn BlobStore> = Arc::new(Blobs::new(1_000));
    for bad in [".hidden", &"x".repeat(255)] {
        assert!(matches!(bind!(blobs, prefix(bad)), Err(Error::InvalidArgument(_))), "{bad}");
    }
    let (actor, values) = (Actor::default(), wrong());
    let shown = format!("{:?}", Binding { name: "default", actor: &actor, values: &values });
    assert!(shown.contains("prefx") && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn parts_of_a_store_have_nothing_in_common() {
    let store = store();
    runtime().block_on(async {
        let names = ["a", "ab", "a|", "ключ"];
        let parts: Vec<_> = names.iter().map(|name| bind!(store, prefix(name)).unwrap().provider).collect();
        for (name, part) in names.iter().zip(&parts) {
            for key in ["k", ":k", "b:k", "a:k"] {
                assert!(part.get(key).wait().await.unwrap().is_none(), "{name} {key}");
                part.set(key, (*name).to_owned().into(), Default::default()).wait().await.unwrap();
            }
        }
        for (name, part) in names.iter().zip(&parts) {
            for key in ["k", ":k", "b:k", "a:k"] {
                let entry = part.get(key).wait().await.unwrap().unwrap();
                assert_eq!(entry.value, name.as_bytes(), "{key}");
            }
        }
        assert!(store.exists("ab:b:k").wait().await.unwrap());
        // What goes wrong is said of the key as the binding knows it.
        let errors = [
            parts[0].add("k", 1).wait().await.map(drop),
            parts[0].list_push("k", "x".into()).wait().await.map(drop),
            parts[0].set("", "x".into(), Default::default()).wait().await.map(drop),
        ];
        assert_eq!(errors[0], Err(Error::NotAnInteger { key: "k".to_owned() }));
        assert!(matches!(&errors[1], Err(Error::WrongType { key, .. }) if key == "k"), "{errors:?}");
        assert!(
            matches!(&errors[2], Err(Error::InvalidArgument(said)) if said.contains("empty")),
            "{errors:?}"
        );
    });
}

#[test]
fn lines_that_matter_too_little_are_not_written() {
    let collected = Arc::new(Collected::new(10));
    let log: Arc<dyn Logging> = Arc::clone(&collected) as _;
    runtime().block_on(async {
        for (level, expected) in [("off", 0), ("error", 1), ("info", 3), ("trace", 5)] {
            let bound = bind!(log, values([("level", level)])).unwrap().provider;
            let before = collected.counters().total();
            for level in [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
                bound.write("app", level, "text").wait().await.unwrap();
            }
            assert_eq!(collected.counters().total() - before, expected, "{level}");
        }
    });
}

#[test]
fn a_binding_reads_the_secrets_that_it_allows_and_no_others() {
    // What cargo gives every test in its environment.
    let environment = Arc::new(Environment::new().with_prefix("CARGO_PKG_"));
    let secrets: Arc<dyn Secrets> = Arc::clone(&environment) as _;
    let read = |allow: Option<&str>, name: &str| {
        let values = allow.map(|allow| values([("allow", allow)])).unwrap_or_default();
        let bound = bind!(secrets, values).unwrap().provider;
        runtime().block_on(async move {
            let single = bound.get(name).wait().await.map(|secret| secret.is_some());
            (single, bound.bulk().wait().await.unwrap())
        })
    };
    let shown = |bulk: BTreeMap<String, _>| bulk.into_keys().collect::<Vec<String>>();
    for allow in
        [None, Some(""), Some(" ,\n"), Some("OTHER"), Some("NAM"), Some("NAMES"), Some("X*"), Some("name")]
    {
        let before = environment.counters().of(Operation::Get);
        let (single, bulk) = read(allow, "NAME");
        let Err(Error::Denied { what, .. }) = single else { panic!("{allow:?} allows it") };
        assert!(what.contains("\"NAME\""), "{what}");
        assert!(!bulk.contains_key("NAME"));
        assert_eq!(environment.counters().of(Operation::Get), before, "the provider is not reached");
    }
    for allow in ["NAME", "OTHER, NAME", "OTHER\nNAME", "*", "NA*", "NAME*"] {
        let (single, bulk) = read(Some(allow), "NAME");
        assert_eq!(single, Ok(true), "{allow}");
        assert_eq!(bulk["NAME"]["NAME"].expose_secret(), "pillion-capabilities");
    }
    assert_eq!(read(Some("NAME VERSION"), "NAME").1.into_keys().collect::<Vec<_>>(), ["NAME", "VERSION"]);
    assert_eq!(read(Some("MISSING"), "MISSING").0, Ok(false));
    assert!(shown(read(Some("*"), "NAME").1).len() > 2);
}
