//! Secrets, to the actors that may read them, and nowhere else.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use pillion_capabilities::Secrets;
use pillion_capabilities::binding::Values;
use pillion_capabilities::secrets::{Environment, File, Operation, Shape};
use pillion_codec::{List, SecretNames, SecretRequest, SecretResponse, SecretsResponse};
use pillion_host::dispatch::{Contract, Provider};
use pillion_host::identity::KeyPair;
use pillion_host::{ActorRef, Host, HostConfig};
use tempfile::TempDir;

use crate::guests::{Author, calling, caps};
use crate::traces::Traces;

const NAMESPACE: &str = "pillion:secrets";
/// What nobody but the actor may see.
const VALUE: &str = "hunter2-swordfish";

struct Fixture {
    _directory: TempDir,
    path: PathBuf,
    host: Host,
    actor: ActorRef,
    secrets: Arc<File>,
}

// === impl Fixture ===

impl Fixture {
    /// An actor that is bound to a file of secrets, of which it may read these.
    fn new(allow: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secrets.json");
        let text = format!(
            r#"{{"db": {{"user": "app", "password": "{VALUE}"}}, "token": "{VALUE}", "other": "x"}}"#
        );
        fs::write(&path, text).expect("written");
        let shape = Shape { multivalued: true, ..Shape::default() };
        let secrets = Arc::new(File::open(&path, shape).expect("it is a file of secrets"));
        let (host, actor) = loaded(&[NAMESPACE]);
        let values = allow.map(|allow| Values::from([("allow".to_owned(), allow.to_owned())]));
        let provider = Provider::secrets(Arc::clone(&secrets));
        host.bind_with(&actor, "default", provider, &values.unwrap_or_default()).expect("it is granted");
        Self { _directory: directory, path, host, actor, secrets }
    }

    async fn call(&self, operation: &str, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Bytes, String> {
        call(&self.host, &self.actor, operation, encode).await
    }

    async fn get(&self, secret: &str) -> Result<Vec<(String, String)>, String> {
        let answer = self.call("Get", |out| SecretRequest { secret }.encode(out)).await?;
        let SecretResponse { exists, values } = SecretResponse::decode(&answer).expect("a response");
        assert_eq!(exists, !values.is_empty());
        Ok(values.iter().map(|(key, value)| (key.to_owned(), value.expose().to_owned())).collect())
    }

    /// The names of the secrets that are answered, with their values in all.
    async fn bulk(&self, names: &[&str]) -> Result<Vec<(String, usize)>, String> {
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let request = SecretNames { secrets: List::new(&names) };
        let answer = self.call("BulkGet", |out| request.encode(out)).await?;
        let SecretsResponse { secrets } = SecretsResponse::decode(&answer).expect("a response");
        Ok(secrets.iter().map(|(name, values)| (name.to_owned(), values.len())).collect())
    }
}

fn loaded(granted: &[&str]) -> (Host, ActorRef) {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let actor = author.sign(&KeyPair::new_module(), &calling(NAMESPACE), caps(granted));
    let actor = host.load(&actor).expect("it loads");
    (host, actor)
}

async fn call(
    host: &Host,
    actor: &ActorRef,
    operation: &str,
    encode: impl FnOnce(&mut Vec<u8>),
) -> Result<Bytes, String> {
    let mut payload = Vec::new();
    encode(&mut payload);
    host.call(actor, operation, &payload).wait().await.map_err(|failure| failure.to_string())
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[tokio::test]
async fn an_actor_reads_the_secrets_that_its_binding_allows_and_no_others() {
    let fixture = Fixture::new(Some("db, missing to*"));
    assert_eq!(fixture.get("db").await, Ok(vec![pair("password", VALUE), pair("user", "app")]));
    assert_eq!(fixture.get("token").await, Ok(vec![pair("token", VALUE)]));
    assert_eq!(fixture.get("missing").await, Ok(vec![]));
    let two = |names: [&str; 2], counts: [usize; 2]| {
        Ok(names.into_iter().map(str::to_owned).zip(counts).collect::<Vec<_>>())
    };
    assert_eq!(fixture.bulk(&[]).await, two(["db", "token"], [2, 1]));
    assert_eq!(fixture.bulk(&["token", "missing", "db", "db"]).await, two(["db", "token"], [2, 1]));

    let before = fixture.secrets.counters().total();
    for denied in [fixture.get("other").await.map(drop), fixture.bulk(&["other", "db"]).await.map(drop)] {
        let error = denied.expect_err("it is not named");
        assert!(error.contains("\"other\"") && error.contains("is not allowed; name it in"), "{error}");
    }
    assert_eq!(fixture.secrets.counters().total(), before, "the provider is not reached");

    // Nothing is allowed unless it is named.
    let fixture = Fixture::new(None);
    fixture.get("db").await.expect_err("nothing is named");
    assert_eq!(fixture.bulk(&[]).await, Ok(vec![]));
    assert_eq!(fixture.secrets.counters().of(Operation::Get), 0);
}

#[tokio::test]
async fn secrets_come_from_the_environment() {
    let (host, actor) = loaded(&[NAMESPACE]);
    // What cargo gives every test in its environment.
    let environment = Arc::new(Environment::new().with_prefix("CARGO_PKG_"));
    let values = Values::from([("allow".to_owned(), "NAME".to_owned())]);
    host.bind_with(&actor, "default", Provider::secrets(environment), &values).expect("it is granted");
    assert!(actor.always_ready());
    let answer = call(&host, &actor, "Get", |out| SecretRequest { secret: "NAME" }.encode(out)).await;
    let answer = answer.expect("it is allowed");
    let response = SecretResponse::decode(&answer).expect("a response");
    assert_eq!(response.values.iter().next().map(|(_, value)| value.expose()), Some("pillion-host"));
}

#[tokio::test]
async fn whoever_is_not_granted_secrets_never_reaches_them() {
    let (host, actor) = loaded(&["wascc:keyvalue"]);
    let environment = Arc::new(Environment::new());
    let error = host.bind(&actor, "default", Provider::secrets(Arc::clone(&environment)));
    let error = error.expect_err("not granted").to_string();
    assert!(error.contains("do not grant pillion:secrets"), "{error}");
    let error = call(&host, &actor, "BulkGet", |_| {}).await.expect_err("not granted");
    assert!(error.contains("do not grant pillion:secrets"), "{error}");
    let (host, actor) = loaded(&[NAMESPACE]);
    let error = call(&host, &actor, "BulkGet", |_| {}).await.expect_err("not bound");
    assert!(error.contains("no provider is bound for pillion:secrets"), "{error}");
    assert_eq!(environment.counters().total(), 0);
}

#[tokio::test]
async fn requests_for_secrets_that_are_none_are_errors_of_the_guest() {
    let fixture = Fixture::new(Some("*"));
    let before = fixture.secrets.counters().total();
    for (operation, payload) in
        [("Get", &b"\xc1"[..]), ("Get", b""), ("BulkGet", b"\x81\xa7secrets\x91\xc4\x01\xff")]
    {
        let error =
            fixture.call(operation, |out| out.extend_from_slice(payload)).await.expect_err("no request");
        assert!(
            error.contains(&format!("the request of pillion:secrets {operation} is malformed")),
            "{error}"
        );
    }
    let error = fixture.call("Set", |_| {}).await.expect_err("no such operation");
    assert_eq!(error, "pillion:secrets has no operation \"Set\"");
    assert_eq!(fixture.secrets.counters().total(), before);
    let error = fixture.get("").await.expect_err("no name");
    assert!(error.contains("empty"), "{error}");
}

#[tokio::test]
async fn no_value_of_a_secret_is_shown_by_host_log_or_error() {
    let traces = Traces::all();
    let _default = tracing::subscriber::set_default(traces.clone());
    let fixture = Fixture::new(Some("*"));
    fixture.get("db").await.expect("it is allowed");
    fixture.bulk(&[]).await.expect("they are allowed");
    // A file with the value in it, which is none of secrets, and one that is gone.
    fs::write(&fixture.path, format!("{{\"db\": \"{VALUE}")).expect("written");
    let mut shown = vec![fixture.get("db").await.expect_err("it is no file of secrets")];
    fs::remove_file(&fixture.path).expect("it was there");
    shown.push(fixture.bulk(&["db"]).await.expect_err("it is gone"));
    assert!(shown.iter().all(|error| error.contains("secrets.json")), "{shown:?}");
    let provider = Provider::secrets(Arc::clone(&fixture.secrets));
    shown.push(format!("{provider:?} {:?} {:?} {:?}", fixture.secrets, fixture.host, fixture.actor));
    shown.push(format!("{:?}", fixture.host.inventory()));
    shown.extend(traces.lines());
    assert!(shown.iter().all(|text| !text.contains("hunter2") && !text.contains("swordfish")), "{shown:?}");
    fixture.host.unbind(&fixture.actor, "default", Contract::Secrets).expect("it is bound");
}
