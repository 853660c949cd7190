//! Component files, good and bad.

use std::process::{Command, Stdio};

use crate::sidecar::{MEMORY, Sidecar, bare, errors, first_line, redb, redis, refusal, refused};
use crate::yaml::configuration;

#[tokio::test]
async fn a_file_may_hold_many_documents() {
    let other = MEMORY.replace("name: store", "name: other");
    let not_ours = format!("{}scopes: [somebody-else]\n", MEMORY.replace("name: store", "name: hidden"));
    let ours = format!("{}scopes: [app]\n", MEMORY.replace("name: store", "name: scoped"));
    let passed_over = configuration("  features: []\n");
    let sidecar = Sidecar::with(
        &["---\n# a comment\n", MEMORY, &other, &not_ours, &ours, &passed_over].join("---\n"),
        &[],
    );
    let components = sidecar.call("GET", "/v1.0/metadata", "").await.json()["components"].clone();
    let names: Vec<_> = components.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["store", "other", "scoped"]);
    // They are two stores, not one.
    sidecar.call("POST", "/v1.0/state/store", r#"[{"key":"k","value":1}]"#).await.is_empty();
    sidecar.call("GET", "/v1.0/state/other/k", "").await.is_empty();
}

#[test]
fn an_unknown_type_is_named_with_its_file() {
    let said = refused(&MEMORY.replace("state.in-memory", "state.oracle"), &[]);
    assert!(said.contains("components.yaml: component store has type state.oracle"), "{said}");
    assert!(said.contains("state.redis"), "it tells what there is: {said}");
}

#[tokio::test]
async fn what_is_not_for_state_is_passed_over() {
    let other = MEMORY.replace("name: store", "name: events").replace("state.in-memory", "conversation.echo");
    let sidecar = Sidecar::with(&format!("{other}---\n{MEMORY}"), &[]);
    let components = sidecar.call("GET", "/v1.0/metadata", "").await.json()["components"].clone();
    assert_eq!(components.as_array().unwrap().len(), 1, "{components}");
    // But a kind that Dapr does not have is a slip.
    let said = refused(&MEMORY.replace("state.in-memory", "stat.in-memory"), &[]);
    assert!(said.contains("component store has type stat.in-memory"), "{said}");
}

#[tokio::test]
async fn a_component_may_be_done_without() {
    let broken = MEMORY.replace("name: store", "name: broken").replace("state.in-memory", "state.redb");
    let said = refused(&broken, &[]);
    assert!(said.contains("setting path is missing"), "{said}");
    let ignored = format!("{broken}  ignoreErrors: true\n");
    let sidecar = Sidecar::with(&format!("{ignored}---\n{MEMORY}"), &[]);
    sidecar.call("GET", "/v1.0/state/broken/k", "").await.failed(400, "ERR_STATE_STORE_NOT_FOUND");
    sidecar.call("GET", "/v1.0/state/store/k", "").await.is_empty();
}

#[test]
fn fields_without_effect_are_warned_of() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("store.yaml");
    std::fs::write(&file, format!("{MEMORY}  initTimeout: 5s\nextra:\n  secretStore: vault\n")).unwrap();
    let free = ["--dapr-http-port=0", "--dapr-grpc-port=0", "--enable-metrics=false", "--resources-path"];
    let mut command = bare(free);
    let (child, _) = first_line(command.arg(folder.path()).stderr(Stdio::piped()));
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let said = errors(child);
    for field in ["spec.initTimeout", "extra"] {
        assert!(said.contains(&format!("component store: {field} has no effect")), "{said}");
    }
    assert!(!said.contains("apiVersion"), "{said}");
}

/// Some editors begin a file with a mark that it is UTF-8.
#[tokio::test]
async fn a_mark_of_utf_8_is_none_of_a_file() {
    let folder = tempfile::TempDir::new().unwrap();
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, format!("\u{feff}{}", configuration("  features: []\n"))).unwrap();
    let sidecar = Sidecar::with(&format!("\u{feff}{MEMORY}"), &["--config", config.to_str().unwrap()]);
    sidecar.call("GET", "/v1.0/state/store/k", "").await.is_empty();
}

/// As in Go, `null` is as good as nothing.
#[tokio::test]
async fn fields_may_be_null() {
    let null = format!("{MEMORY}  ignoreErrors:\n  metadata:\nscopes: null\nauth:\n");
    let other = MEMORY.replace("metadata:\n", "scopes:\nmetadata:\n").replace("name: store", "name: other");
    assert!(other.contains("scopes"));
    let subscription = "apiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: {name: s}\nscopes:\n\
                        spec: {topic: t, pubsubname: p, routes: {default: /x}}\n";
    let sidecar = Sidecar::with(&format!("{null}---\n{other}---\n{subscription}---\nkind:\n"), &[]);
    for store in ["store", "other"] {
        sidecar.call("GET", &format!("/v1.0/state/{store}/k"), "").await.is_empty();
    }
}

#[test]
fn bad_yaml_is_named_with_its_line() {
    let broken = MEMORY.replace("  type: state.in-memory", "  type: [state.in-memory");
    let said = refused(&broken, &[]);
    assert!(said.contains("components.yaml:"), "{said}");
    assert!(said.contains("line 7") || said.contains("line 8"), "{said}");
    let incomplete = MEMORY.replace("  type: state.in-memory\n", "");
    let said = refused(&format!("{MEMORY}---\n{incomplete}"), &[]);
    assert!(said.contains("missing field `type`") && said.contains("components.yaml:"), "{said}");
    assert!(refused("just text", &[]).contains("components.yaml"));
    let version = refused(&MEMORY.replace("v1alpha1", "v9"), &[]);
    assert!(version.contains("apiVersion is \"dapr.io/v9\""), "{version}");
}

#[test]
fn one_name_is_one_component() {
    let said = refused(&format!("{MEMORY}---\n{MEMORY}"), &[]);
    assert!(said.contains("two components are named store"), "{said}");
}

#[test]
fn settings_are_checked() {
    let with = |setting: &str| format!("{MEMORY}  metadata:\n  - name: keyPrefix\n{setting}");
    let said = refused(&with("    value: a||b\n"), &[]);
    assert!(said.contains("keyPrefix 'a||b' can't contain '||'"), "{said}");
    let said = refused(&with("    secretKeyRef: {name: a, key: b}\n"), &[]);
    assert!(said.contains("setting keyPrefix: secretKeyRef needs a store"), "{said}");
    let said = refused(&with("    envRef: DAPR_API_TOKEN\n"), &[]);
    assert!(said.contains("DAPR_API_TOKEN, which is the sidecar's own"), "{said}");
    let said = refused(&with("    envRef: PILLION_NO_SUCH_VARIABLE\n"), &[]);
    assert!(said.contains("PILLION_NO_SUCH_VARIABLE, which is not set"), "{said}");
    let said = refused(&with("    value: [a]\n"), &[]);
    assert!(said.contains("not a text"), "{said}");
    let said = refused(&MEMORY.replace("in-memory", "redb"), &[]);
    assert!(said.contains("path"), "{said}");
    let said = refused(&MEMORY.replace("in-memory", "redis"), &[]);
    assert!(said.contains("redisHost"), "{said}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let said = refusal(&bare(["--resources-path", "/no/such/folder"]).output().unwrap());
    assert!(said.contains("cannot read /no/such/folder"), "{said}");
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
}

/// Of a state store a tag may be part of a path, as of its keys' prefix.
#[tokio::test]
async fn settings_may_have_tags() {
    let folder = tempfile::TempDir::new().unwrap();
    let store = redb(&folder.path().join("{appID}.{podName}.{namespace}.redb"));
    let said = refused(&store, &[]);
    assert!(said.contains("component store: setting path: it names {podName}"), "{said}");
    assert!(said.contains("the variable POD_NAME is not set; set it, or use"), "{said}");
    let environment = [("POD_NAME", "app-0"), ("NAMESPACE", "production")];
    let sidecar = Sidecar::with_environment(&store, &[], &environment);
    assert!(folder.path().join("app.app-0.production.app.redb").exists());
    drop(sidecar);
    // Two apps that name the prefix alike keep their keys apart all the same.
    let Some(server) = pillion_capabilities::testing::RedisServer::start_or_skip().unwrap() else { return };
    let store = redis(server.address()) + "  - name: keyPrefix\n    value: \"of-{appID}\"\n";
    let sidecar = Sidecar::with(&store, &[]);
    sidecar.call("POST", "/v1.0/state/store", r#"[{"key":"k","value":1}]"#).await.is_empty();
    let other = Sidecar::with(&store, &["--app-id", "other"]);
    other.call("GET", "/v1.0/state/store/k", "").await.is_empty();
    let mut client = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query(&mut client).unwrap();
    assert_eq!(keys, ["of-app||k"]);
}
