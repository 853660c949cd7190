//! The secrets API.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};

use dapr::dapr::proto::runtime::v1::{GetBulkSecretRequest, GetSecretRequest};
use serde_json::json;
use tempfile::TempDir;
use tonic::Code;

use crate::sidecar::{MEMORY, Sidecar, bare, errors, first_line, refused};
use crate::wire;
use crate::yaml::{component, configuration};

fn one(store: &str, key: &str) -> GetSecretRequest {
    GetSecretRequest { store_name: store.to_owned(), key: key.to_owned(), metadata: HashMap::new() }
}

fn all(store: &str) -> GetBulkSecretRequest {
    GetBulkSecretRequest { store_name: store.to_owned(), metadata: HashMap::new() }
}

fn map<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

const VARIABLES: [(&str, &str); 6] = [
    ("PILLION_S_ONE", "eins"),
    ("PILLION_S_TWO", "zwei"),
    ("PILLION_OTHER", "drei"),
    ("APP_API_TOKEN", "the app's own"),
    ("DAPR_API_TOKEN", "the sidecar's own"),
    ("dapr_lower", "also"),
];

#[tokio::test]
async fn environment() {
    let components = component("env", "secretstores.local.env", &[])
        + &component("part", "secretstores.local.env", &[("prefix", "PILLION_S_")]);
    let sidecar = Sidecar::with_environment(&components, &[], &VARIABLES);
    let token = [("dapr-api-token", "the sidecar's own")];
    let get = async |path: &str| wire::call(&sidecar.http(), "GET", path, &token, "").await;
    for (path, key, value) in [
        ("env/PILLION_S_ONE", "PILLION_S_ONE", "eins"),
        ("part/ONE", "ONE", "eins"),
        // As with Dapr, what is not there is empty, and so is what is not the app's to see.
        ("env/PILLION_NOTHING", "PILLION_NOTHING", ""),
        ("part/OTHER", "OTHER", ""),
        ("env/APP_API_TOKEN", "APP_API_TOKEN", ""),
        ("env/app_api_token", "app_api_token", ""),
        ("env/DAPR_API_TOKEN", "DAPR_API_TOKEN", ""),
        ("env/dapr_lower", "dapr_lower", ""),
        ("env/A%3DB", "A=B", ""),
        ("env/%00", "\0", ""),
        ("env/PILLION_S_ONE?metadata.version=1", "PILLION_S_ONE", "eins"),
    ] {
        let answer = get(&format!("/v1.0/secrets/{path}")).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({key: value})), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let part = get("/v1.0/secrets/part/bulk").await.json();
    assert_eq!(part, json!({"ONE": {"ONE": "eins"}, "TWO": {"TWO": "zwei"}}));
    let bulk = get("/v1.0/secrets/env/bulk").await.json();
    assert_eq!(bulk["PILLION_OTHER"], json!({"PILLION_OTHER": "drei"}));
    for hidden in ["APP_API_TOKEN", "DAPR_API_TOKEN", "dapr_lower"] {
        assert!(bulk.get(hidden).is_none(), "{hidden}");
    }
}

#[tokio::test]
async fn file_over_both_protocols() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("secrets.json");
    fs::write(&file, r#"{"plain": "p", "db": {"user": "u", "tls": {"key": "k"}}, "port": 5}"#).unwrap();
    let path = file.to_str().unwrap();
    let kind = "secretstores.local.file";
    let components = [
        component("flat", kind, &[("secretsFile", path)]),
        component("dots", kind, &[("secretsFile", path), ("nestedSeparator", ".")]),
        component("multi", kind, &[("secretsFile", path), ("multiValued", "true")]),
    ];
    let sidecar = Sidecar::with(&components.concat(), &[]);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    for (store, key, expected) in [
        ("flat", "plain", map([("plain", "p")])),
        ("flat", "db:user", map([("db:user", "u")])),
        ("flat", "db:tls:key", map([("db:tls:key", "k")])),
        ("flat", "port", map([("port", "5")])),
        ("dots", "db.tls.key", map([("db.tls.key", "k")])),
        ("multi", "db", map([("user", "u"), ("tls:key", "k")])),
        ("multi", "plain", map([("plain", "p")])),
    ] {
        let answer = sidecar.call("GET", &format!("/v1.0/secrets/{store}/{key}"), "").await;
        assert_eq!(answer.json(), json!(expected), "{store} {key}");
        let response = client.get_secret(one(store, key)).await.unwrap().into_inner();
        assert_eq!(response.data, expected, "{store} {key}");
    }
    let bulk = sidecar.call("GET", "/v1.0/secrets/multi/bulk", "").await.json();
    let expected =
        json!({"plain": {"plain": "p"}, "db": {"user": "u", "tls:key": "k"}, "port": {"port": "5"}});
    assert_eq!(bulk, expected);
    let response = client.get_bulk_secret(all("multi")).await.unwrap().into_inner();
    assert_eq!(response.data["db"].secrets, map([("user", "u"), ("tls:key", "k")]));
    assert_eq!(response.data.len(), 3);

    // A secret that changes is another one at once.
    fs::write(&file, r#"{"plain": "q"}"#).unwrap();
    let answer = sidecar.call("GET", "/v1.0/secrets/flat/plain", "").await;
    assert_eq!(answer.json(), json!({"plain": "q"}));
    // What cannot be read fails, and does not show what is in it.
    fs::write(&file, r#"{"plain": "hush hush"#).unwrap();
    let said = sidecar.call("GET", "/v1.0/secrets/flat/plain", "").await.failed(500, "ERR_SECRET_GET");
    assert!(said.contains("it is no JSON") && !said.contains("hush"), "{said}");
}

#[tokio::test]
async fn failures_are_those_of_dapr() {
    let sidecar = Sidecar::memory();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    for path in ["/v1.0/secrets/store/k", "/v1.0/secrets/store/bulk"] {
        let said = sidecar.call("GET", path, "").await.failed(500, "ERR_SECRET_STORES_NOT_CONFIGURED");
        assert_eq!(said, "secret store is not configured");
    }
    let status = client.get_secret(one("store", "k")).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::FailedPrecondition, "secret store is not configured")
    );

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("secrets.json");
    fs::write(&file, "{}").unwrap();
    let file = [("secretsFile", file.to_str().unwrap())];
    let sidecar = Sidecar::with(&component("vault", "secretstores.local.file", &file), &[]);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    for path in ["/v1.0/secrets/store/k", "/v1.0/secrets/store/bulk"] {
        let said = sidecar.call("GET", path, "").await.failed(401, "ERR_SECRET_STORE_NOT_FOUND");
        assert_eq!(said, "failed finding secret store with key store");
    }
    let status = client.get_bulk_secret(all("store")).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let said = sidecar.call("GET", "/v1.0/secrets/vault/k", "").await.failed(500, "ERR_SECRET_GET");
    assert_eq!(said, "failed getting secret with key k from secret store vault: secret k not found");
    assert_eq!(client.get_secret(one("vault", "k")).await.unwrap_err().code(), Code::Internal);
    let answer = sidecar.call("POST", "/v1.0/secrets/vault/k", "").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET")));
}

#[tokio::test]
async fn scopes_say_what_the_app_may_read() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("config.yaml");
    let scopes = "  secrets:\n    scopes:\n    - storeName: env\n      defaultAccess: deny\n      \
                  allowedSecrets: [PILLION_S_ONE]\n";
    fs::write(&config, configuration(scopes)).unwrap();
    let components =
        component("env", "secretstores.local.env", &[]) + &component("open", "secretstores.local.env", &[]);
    let arguments = ["--config", config.to_str().unwrap()];
    let variables = VARIABLES.iter().copied().filter(|(name, _)| !name.contains("TOKEN")).collect::<Vec<_>>();
    let sidecar = Sidecar::with_environment(&components, &arguments, &variables);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let answer = sidecar.call("GET", "/v1.0/secrets/env/PILLION_S_ONE", "").await;
    assert_eq!(answer.json(), json!({"PILLION_S_ONE": "eins"}));
    for key in ["PILLION_S_TWO", "PATH"] {
        let said = sidecar.call("GET", &format!("/v1.0/secrets/env/{key}"), "").await;
        let said = said.failed(403, "ERR_PERMISSION_DENIED");
        assert_eq!(said, format!("access denied by policy to get \"{key}\" from \"env\""));
        let status = client.get_secret(one("env", key)).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
    }
    let bulk = sidecar.call("GET", "/v1.0/secrets/env/bulk", "").await.json();
    assert_eq!(bulk, json!({"PILLION_S_ONE": {"PILLION_S_ONE": "eins"}}));
    let bulk = client.get_bulk_secret(all("env")).await.unwrap().into_inner();
    assert_eq!(bulk.data.len(), 1);
    let answer = sidecar.call("GET", "/v1.0/secrets/open/PILLION_S_TWO", "").await;
    assert_eq!(answer.json(), json!({"PILLION_S_TWO": "zwei"}));

    fs::write(&config, configuration(&scopes.replace("deny", "dney"))).unwrap();
    let said = refused(&components, &arguments);
    assert!(said.contains("\"dney\" is neither allow nor deny"), "{said}");
    let twice = format!("{scopes}    - storeName: env\n");
    fs::write(&config, configuration(&twice)).unwrap();
    let said = refused(&components, &arguments);
    assert!(said.contains("\"env\" storeName is repeated"), "{said}");
}

/// A component's setting may be a secret of a store, wherever in the files the store is.
#[tokio::test]
async fn settings_may_be_secrets() {
    let reference = |name: &str, key: &str, store: &str| {
        format!(
            "---\n{MEMORY}  metadata:\n  - name: keyPrefix\n    secretKeyRef:\n      name: {name}\n{key}auth:\n  \
             secretStore: {store}\n"
        )
    };
    let vault = component("vault", "secretstores.local.env", &[("prefix", "PILLION_S_")]);
    let right = reference("ONE", "      key: ONE\n", "vault") + &vault;
    let sidecar = Sidecar::with_environment(&right, &[], &VARIABLES[..3]);
    sidecar.call("POST", "/v1.0/state/store", r#"[{"key":"k","value":1}]"#).await.is_empty();
    // Without a key it is the one of that name.
    Sidecar::with_environment(&(reference("ONE", "", "vault") + &vault), &[], &VARIABLES[..3]);
    for (components, expected) in [
        (
            reference("ONE", "", "other") + &vault,
            "names secret store other, which is not there; there are [vault]",
        ),
        (reference("NOTHING", "", "vault") + &vault, "names NOTHING of secret NOTHING, which has no value"),
        (
            reference("ONE", "      key: other\n", "vault") + &vault,
            "names other of secret ONE, which has no value",
        ),
        (reference("ONE", "", "''") + &vault, "needs a store"),
    ] {
        let said = refused(&components, &[]);
        assert!(said.contains("component store: setting keyPrefix: secretKeyRef"), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

/// Neither what goes wrong nor what goes well shows a value.
#[tokio::test]
async fn no_value_is_ever_logged() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("vault.json");
    fs::write(&file, r#"{"url": "hush-hush-secret", "fine": "hush-hush-secret"}"#).unwrap();
    let vault = component("vault", "secretstores.local.file", &[("secretsFile", file.to_str().unwrap())]);
    let broken = component("broken", "bindings.http", &[]).replace("metadata:\n  -", "metadata:\n  -")
        + "  - name: url\n    secretKeyRef: {name: url}\n  ignoreErrors: true\nauth: {secretStore: vault}\n";
    let resources = folder.path().join("resources");
    fs::create_dir(&resources).unwrap();
    fs::write(resources.join("all.yaml"), vault + &broken).unwrap();
    let free = ["--dapr-http-port=0", "--dapr-grpc-port=0", "--enable-metrics=false", "--enable-api-logging"];
    let mut command = bare(free);
    command.arg("--log-level=debug").arg("--resources-path").arg(&resources);
    let (child, ready) = first_line(command.stderr(Stdio::piped()));
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let at = wire::At::Tcp(ready["http"].as_str().unwrap().to_owned());
    let answer = wire::call(&at, "GET", "/v1.0/secrets/vault/fine", &[], "").await;
    assert_eq!(answer.json(), json!({"fine": "hush-hush-secret"}));
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let said = errors(child);
    assert!(said.contains("component broken") && said.contains("setting url"), "{said}");
    assert!(said.contains("/v1.0/secrets/vault/fine") && !said.contains("hush-hush"), "{said}");
}
