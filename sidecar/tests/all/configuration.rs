//! The configuration API.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use dapr::dapr::proto::runtime::v1::{
    GetConfigurationRequest, SubscribeConfigurationRequest, UnsubscribeConfigurationRequest,
};
use http::StatusCode;
use pillion_capabilities::testing::RedisServer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;

use crate::app::App;
use crate::gate::Gate;
use crate::sidecar::Sidecar;
use crate::wire;
use crate::yaml::component;

fn get(store: &str, keys: &[&str]) -> GetConfigurationRequest {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    GetConfigurationRequest { store_name: store.to_owned(), keys, metadata: HashMap::new() }
}

fn subscribe(store: &str, keys: &[&str]) -> SubscribeConfigurationRequest {
    let GetConfigurationRequest { store_name, keys, metadata } = get(store, keys);
    SubscribeConfigurationRequest { store_name, keys, metadata }
}

fn unsubscribe(store: &str, id: &str) -> UnsubscribeConfigurationRequest {
    UnsubscribeConfigurationRequest { store_name: store.to_owned(), id: id.to_owned() }
}

fn write(path: &Path, values: &Value) {
    let other = path.with_extension("new");
    fs::write(&other, values.to_string()).unwrap();
    fs::rename(&other, path).unwrap();
}

async fn app() -> App {
    App::start(|_| (StatusCode::OK, String::new())).await
}

/// What is the same over each provider: `change` sets a key's value and version.
async fn round(sidecar: &Sidecar, app: &App, change: impl Fn(&str, Option<(&str, &str)>)) {
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let item = json!({"value": "ten", "version": "1"});
    for version in ["v1.0", "v1.0-alpha1"] {
        let answer =
            sidecar.call("GET", &format!("/{version}/configuration/store?key=limit&key=no"), "").await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"limit": item})));
    }
    let everything = sidecar.call("GET", "/v1.0/configuration/store", "").await.json();
    assert_eq!((&everything["limit"], &everything["other"]["value"]), (&item, &json!("o")));
    sidecar.call("GET", "/v1.0/configuration/store?key=no", "").await.is_empty();
    let response = client.get_configuration(get("store", &["limit", "no"])).await.unwrap().into_inner();
    assert_eq!(response.items.len(), 1);
    assert_eq!((&*response.items["limit"].value, &*response.items["limit"].version), ("ten", "1"));
    assert_eq!(client.get_configuration(get("store", &[])).await.unwrap().into_inner().items.len(), 2);

    // The app is told over HTTP, a client over its stream, whose first message has only an id.
    let path = "/v1.0/configuration/store/subscribe?key=limit&key=later";
    let id = sidecar.call("GET", path, "").await.json()["id"].as_str().unwrap().to_owned();
    let mut stream =
        client.subscribe_configuration(subscribe("store", &["limit", "later"])).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert!(!first.id.is_empty() && first.id != id && first.items.is_empty(), "{first:?}");
    change("other", Some(("unheard", "5")));
    change("limit", Some(("twelve", "2")));
    let asked = app.until_asked("/configuration/store/limit", 1).await;
    assert_eq!(asked[0].method, "POST");
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    let expected = json!({"id": id, "items": {"limit": {"value": "twelve", "version": "2"}}});
    assert_eq!(asked[0].json(), expected);
    let told = stream.message().await.unwrap().unwrap();
    assert_eq!((&told.id, told.items.len(), &*told.items["limit"].value), (&first.id, 1, "twelve"));

    change("later", Some(("here", "1")));
    app.until_asked("/configuration/store/later", 1).await;
    assert_eq!(stream.message().await.unwrap().unwrap().items["later"].value, "here");
    change("later", None);
    let asked = app.until_asked("/configuration/store/later", 2).await;
    assert_eq!(asked[1].json()["items"], json!({"later": {}}), "it was removed");
    assert_eq!(stream.message().await.unwrap().unwrap().items["later"].value, "");

    // Both are ended by their ids, over either protocol, and the stream ends.
    let ended = sidecar.call("GET", &format!("/v1.0/configuration/store/{}/unsubscribe", first.id), "").await;
    assert_eq!(ended.json(), json!({"ok": true}));
    assert!(stream.message().await.unwrap().is_none());
    let ended = client.unsubscribe_configuration(unsubscribe("store", &id)).await.unwrap().into_inner();
    assert!(ended.ok && ended.message.is_empty());
    let again = client.unsubscribe_configuration(unsubscribe("store", &id)).await.unwrap().into_inner();
    assert!(!again.ok && again.message.contains(&id), "{again:?}");
    let again = sidecar.call("GET", &format!("/v1.0/configuration/store/{id}/unsubscribe"), "").await;
    assert_eq!((again.status.as_u16(), &again.json()["ok"]), (500, &json!(false)));
    // A later subscription hears of a later change; the ended one would have heard of it before.
    let path = "/v1.0/configuration/store/subscribe?key=limit";
    let later = sidecar.call("GET", path, "").await.json()["id"].as_str().unwrap().to_owned();
    change("limit", Some(("thirteen", "3")));
    let asked = app.until_asked("/configuration/store/limit", 2).await;
    assert_eq!(asked.iter().filter(|asked| asked.json()["id"] == *id).count(), 1);
    assert_eq!(asked[1].json()["id"], *later);
}

#[tokio::test]
async fn over_a_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("values.json");
    let values = std::cell::RefCell::new(json!({"limit": {"value": "ten", "version": 1}, "other": "o"}));
    write(&path, &values.borrow());
    let app = app().await;
    let components = component("store", "configuration.local.file", &[("path", path.to_str().unwrap())]);
    let sidecar = Sidecar::with(&components, &["--app-port", &app.port.to_string()]);
    round(&sidecar, &app, |key, item| {
        match item {
            Some((value, version)) => {
                values.borrow_mut()[key] = json!({"value": value, "version": version});
            }
            None => drop(values.borrow_mut().as_object_mut().unwrap().remove(key)),
        }
        write(&path, &values.borrow());
    })
    .await;
}

#[tokio::test]
async fn over_redis() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    let mut redis = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    redis::cmd("MSET").arg(&["limit", "ten||1", "other", "o"]).exec(&mut redis).unwrap();
    let app = app().await;
    let host = server.address().to_string();
    let components = component("store", "configuration.redis", &[("redisHost", &host)]);
    let sidecar = Sidecar::with(&components, &["--app-port", &app.port.to_string()]);
    let redis = std::cell::RefCell::new(redis);
    round(&sidecar, &app, |key, item| {
        let mut command = redis::cmd(if item.is_some() { "SET" } else { "DEL" });
        command.arg(key);
        if let Some((value, version)) = item {
            command.arg(format!("{value}||{version}"));
        }
        command.exec(&mut *redis.borrow_mut()).unwrap();
    })
    .await;
}

/// Of several keys that changed together it is told of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_that_the_app_is_being_told_of_is_told_before_the_sidecar_stops() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("values.json");
    write(&path, &json!({"a": "1", "b": "1"}));
    let (gate, arrived) = (Gate::default(), Gate::default());
    let (closed, here) = (gate.clone(), arrived.clone());
    let app = App::start(move |asked| {
        if asked.method == "POST" {
            here.open();
            closed.pass();
        }
        (StatusCode::OK, String::new())
    })
    .await;
    let components = component("store", "configuration.local.file", &[("path", path.to_str().unwrap())]);
    let arguments = ["--app-port", &app.port.to_string(), "--dapr-graceful-shutdown-seconds", "60"];
    let mut sidecar = Sidecar::with(&components, &arguments);
    let subscribed = sidecar.call("GET", "/v1.0/configuration/store/subscribe?key=a&key=b", "").await;
    assert!(subscribed.json()["id"].is_string());
    write(&path, &json!({"a": "2", "b": "2"}));
    arrived.pass();
    sidecar.begin_to_stop().await;
    gate.open();
    assert!(sidecar.wait().await.success());
    for key in ["a", "b"] {
        assert_eq!(app.asked(&format!("/configuration/store/{key}")).len(), 1, "{key}");
    }
}

#[tokio::test]
async fn failures_are_those_of_dapr() {
    let sidecar = Sidecar::memory();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    for path in ["store", "store/subscribe", "store/id/unsubscribe"] {
        let answer = sidecar.call("GET", &format!("/v1.0/configuration/{path}"), "").await;
        let said = answer.failed(500, "ERR_CONFIGURATION_STORE_NOT_CONFIGURED");
        assert_eq!(said, "configuration stores not configured");
    }
    let status = client.get_configuration(get("store", &[])).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("values.yaml");
    fs::write(&path, "limit: 10\n").unwrap();
    let components = component("store", "configuration.local.file", &[("path", path.to_str().unwrap())]);
    let sidecar = Sidecar::with(&components, &[]);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    for path in ["other", "other/subscribe", "other/id/unsubscribe"] {
        let answer = sidecar.call("GET", &format!("/v1.0/configuration/{path}"), "").await;
        let said = answer.failed(400, "ERR_CONFIGURATION_STORE_NOT_FOUND");
        assert_eq!(said, "configuration store other not found");
    }
    assert_eq!(client.get_configuration(get("other", &[])).await.unwrap_err().code(), Code::InvalidArgument);
    let status = client.subscribe_configuration(subscribe("other", &[])).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    // Nobody is there to be told.
    let answer = sidecar.call("GET", "/v1.0/configuration/store/subscribe", "").await;
    answer.failed(500, "ERR_APP_CHANNEL_NIL");
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_their_clients_and_the_sidecar() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("values.json");
    fs::write(&path, "{}").unwrap();
    let components = component("store", "configuration.local.file", &[("path", path.to_str().unwrap())]);
    let mut sidecar = Sidecar::with(&components, &["--dapr-graceful-shutdown-seconds", "600"]);
    let mut streams = Vec::new();
    // A connection has a thousand streams at most; the store, 1,024 subscriptions.
    let (mut client, mut other) = (wire::grpc(&sidecar.grpc()).await, wire::grpc(&sidecar.grpc()).await);
    for number in 0..1024 {
        let client = if number % 2 == 0 { &mut client } else { &mut other };
        let mut stream = client.subscribe_configuration(subscribe("store", &[])).await.unwrap().into_inner();
        assert!(!stream.message().await.unwrap().unwrap().id.is_empty());
        streams.push(stream);
    }
    let status = client.subscribe_configuration(subscribe("store", &[])).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("more than 1024 subscriptions"), "{status}");
    // One client goes, and there is room for another.
    drop(streams.pop());
    loop {
        if let Ok(stream) = client.subscribe_configuration(subscribe("store", &[])).await {
            streams.push(stream.into_inner());
            break;
        }
        tokio::task::yield_now().await;
    }
    // The sidecar does not wait for those that would go on for ever.
    sidecar.signal("TERM");
    for stream in &mut streams {
        while let Some(message) = stream.message().await.unwrap() {
            assert!(message.items.is_empty());
        }
    }
    assert!(sidecar.wait().await.success());
}
