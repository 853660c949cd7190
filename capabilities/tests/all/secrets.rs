//! The providers of `Secrets`: the promises of both, and what is each one's own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use pillion_capabilities::secrets::{Environment, ExposeSecret, File, Operation, Secret, Shape};
use pillion_capabilities::{Answer, Error, Result, Secrets};
use tempfile::TempDir;

use crate::children::child;
use crate::providers::runtime;

/// What cargo gives every test in its environment.
const PREFIX: &str = "CARGO_PKG_";

fn expected() -> BTreeMap<String, String> {
    let variables =
        std::env::vars().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value)));
    let expected: BTreeMap<_, _> = variables.collect();
    assert_eq!(expected["NAME"], "pillion-capabilities");
    expected
}

async fn promises(store: &dyn Secrets) {
    let bulk = store.bulk().wait().await.unwrap();
    let expected = expected();
    assert_eq!(bulk.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, value) in &expected {
        let single = BTreeMap::from([(name.clone(), value.clone())]);
        assert_eq!(shown(&bulk[name]), single);
        let answer = store.get(name);
        assert_eq!(matches!(answer, Answer::Ready(_)), store.always_ready());
        let got = answer.wait().await;
        assert!(!format!("{got:?}").contains("pillion-capabilities"), "{got:?}");
        assert_eq!(shown(&got.unwrap().unwrap()), single);
    }
    for missing in ["name", "NAME ", "MISSING", "NA\0ME", "NAME=", "=", "\0", "../NAME"] {
        assert!(store.get(missing).wait().await.unwrap().is_none(), "{missing:?}");
    }
    assert!(matches!(store.get("").wait().await, Err(Error::InvalidArgument(_))));
    assert!(!format!("{bulk:?}").contains("pillion-capabilities"));
    assert_eq!(store.counters().of(Operation::Bulk), 1);
    assert_eq!(store.counters().of(Operation::Get), expected.len() as u64 + 9);
}

fn shown(secret: &Secret) -> BTreeMap<String, String> {
    secret.iter().map(|(key, value)| (key.clone(), value.expose_secret().to_owned())).collect()
}

#[test]
fn the_environment_keeps_the_promises() {
    let store = Environment::new().with_prefix(PREFIX);
    assert!(store.always_ready());
    runtime().block_on(promises(&store));
    assert!(!format!("{store:?}").contains("pillion-capabilities"));
}

#[test]
fn a_file_keeps_the_promises() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("secrets.json");
    fs::write(&path, serde_json::to_vec(&expected()).unwrap()).unwrap();
    runtime().block_on(async {
        let store = File::open(&path, Shape::default()).unwrap();
        assert!(!store.always_ready());
        promises(&store).await;
        assert!(!format!("{store:?}").contains("pillion-capabilities"));
    });
}

#[test]
fn what_the_environment_hides_is_not_there() {
    let output = child("secrets::hidden_variables", Path::new("/"), &[])
        .envs([("APP_API_TOKEN", "hidden"), ("Dapr_Http_Port", "hidden"), ("OPEN", "open")])
        .env("BROKEN", OsStr::from_bytes(b"no \xff text"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "needs an environment; what_the_environment_hides_is_not_there starts it"]
fn hidden_variables() {
    runtime().block_on(async {
        let store = Environment::new().hiding(["app_api_token", "DAPR_"]);
        let bulk = store.bulk().wait().await.unwrap();
        for hidden in ["APP_API_TOKEN", "Dapr_Http_Port"] {
            assert!(store.get(hidden).wait().await.unwrap().is_none());
            assert!(!bulk.contains_key(hidden));
        }
        assert_eq!(shown(&bulk["OPEN"])["OPEN"], "open");
        assert!(!bulk.contains_key("BROKEN"));
        let error = store.get("BROKEN").wait().await.unwrap_err().to_string();
        assert!(error.contains("BROKEN") && !error.contains("text"), "{error}");
        // A prefix is no way around.
        let store = Environment::new().with_prefix("APP_").hiding(["APP_API_TOKEN"]);
        assert!(store.get("API_TOKEN").wait().await.unwrap().is_none());
    });
}

/// What a file of this text and shape holds.
async fn read(
    text: &str,
    separator: &str,
    multivalued: bool,
) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("secrets.json");
    fs::write(&path, text).unwrap();
    let store = File::open(&path, Shape { separator: separator.to_owned(), multivalued })?;
    let bulk = store.bulk().wait().await?;
    Ok(bulk.iter().map(|(name, secret)| (name.clone(), shown(secret))).collect())
}

fn table(rows: &[(&str, &[(&str, &str)])]) -> BTreeMap<String, BTreeMap<String, String>> {
    let values =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    rows.iter().map(|(name, pairs)| ((*name).to_owned(), values(pairs))).collect()
}

#[test]
fn nested_secrets_have_flat_names() {
    let text = r#"{"plain":"p","sql":{"user":"u","pass":{"old":"o","new":"n"}},"list":["a",{"b":1}],
                   "number":1.50,"big":12345678901234567890,"truth":true,"nothing":null,"":"e","empty":{}}"#;
    runtime().block_on(async {
        let flat = read(text, ":", false).await.unwrap();
        let rows = [
            ("plain", "p"),
            ("sql:user", "u"),
            ("sql:pass:old", "o"),
            ("sql:pass:new", "n"),
            ("list:0", "a"),
            ("list:1:b", "1"),
            ("number", "1.5"),
            ("big", "12345678901234567890"),
            ("truth", "true"),
            ("nothing", ""),
            ("", "e"),
        ];
        assert_eq!(flat.len(), rows.len());
        for (name, value) in rows {
            assert_eq!(flat[name], BTreeMap::from([(name.to_owned(), value.to_owned())]));
        }
        let nested =
            read(r#"{"plain":"p","sql":{"user":"u","pass":{"old":"o"}},"empty":{}}"#, "__", true).await;
        let expected = table(&[
            ("plain", &[("plain", "p")]),
            ("sql", &[("user", "u"), ("pass__old", "o")]),
            ("empty", &[]),
        ]);
        assert_eq!(nested, Ok(expected));
    });
}

#[test]
fn a_file_that_is_none_of_secrets_is_refused_without_showing_it() {
    let deep = format!("{}\"hush\"{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let large = format!("{{\"a\":\"{}\"}}", "hush".repeat(2 << 20));
    let refused = [
        "",
        "hush",
        "\"hush\"",
        "[\"hush\"]",
        "{\"a\":\"hush",
        "{\"a\":hush}",
        "{\"a\":\"hush\"}{",
        "{\"a\":\"\\uD800hush\"}",
        "{\"a:b\":\"hush\",\"a\":{\"b\":\"hush\"}}",
        &deep,
        &large,
    ];
    runtime().block_on(async {
        for text in refused {
            for multivalued in [false, true] {
                let result = read(text, ":", multivalued).await;
                if multivalued && text.starts_with("{\"a:b\"") {
                    assert!(result.is_ok());
                    continue;
                }
                let error = result.unwrap_err();
                assert!(matches!(error, Error::Failed { .. } | Error::TooMuch { .. }), "{error:?}");
                assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
                assert!(error.to_string().contains("secrets.json"), "{error}");
            }
        }
        assert!(matches!(read("{}", "", false).await, Err(Error::InvalidArgument(_))));
        let error = File::open("/no/such/secrets.json", Shape::default()).unwrap_err();
        assert!(error.to_string().contains("/no/such/secrets.json"), "{error}");
    });
}

#[test]
fn a_changed_file_is_read_again() {
    let directory = TempDir::new().unwrap();
    let [path, other] = ["secrets.json", "other.json"].map(|name| directory.path().join(name));
    fs::write(&path, r#"{"k":"0"}"#).unwrap();
    runtime().block_on(async {
        let store = File::open(&path, Shape::default()).unwrap();
        let value = async || {
            store.get("k").wait().await.map(|secret| secret.unwrap()["k"].expose_secret().to_owned())
        };
        // Of the same length, and at once: nothing but what is in it tells the states apart.
        for round in 1..=9 {
            fs::write(&path, format!(r#"{{"k":"{round}"}}"#)).unwrap();
            assert_eq!(value().await.unwrap(), round.to_string());
            fs::write(&other, format!(r#"{{"k":"{round}+"}}"#)).unwrap();
            fs::rename(&other, &path).unwrap();
            assert_eq!(value().await.unwrap(), format!("{round}+"));
        }
        fs::write(&path, r#"{"k":"hush"#).unwrap();
        let error = value().await.unwrap_err();
        assert!(!error.to_string().contains("hush"), "{error}");
        fs::remove_file(&path).unwrap();
        assert!(value().await.is_err());
        fs::write(&path, r#"{"k":"back"}"#).unwrap();
        assert_eq!(value().await.unwrap(), "back");
    });
}
