//! Dapr's `Resiliency` on the smaller building blocks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use dapr::dapr::proto::runtime::v1::unlock_response::Status;
use dapr::dapr::proto::runtime::v1::{
    GetBulkSecretRequest, GetConfigurationRequest, GetSecretRequest, InvokeBindingRequest,
    SubscribeConfigurationRequest, TryLockRequest, UnlockRequest,
};
use http::{Method, Response, StatusCode};
use pillion_capabilities::testing::RedisServer;
use serde_json::json;
use tempfile::TempDir;
use tonic::Code;

use crate::app::{App, Dead};
use crate::raw::{self, Raw};
use crate::resiliency::{failing, with};
use crate::sidecar::Sidecar;
use crate::wire::{self, Answer};
use crate::yaml::component;

/// The component `store` is tried again until it answers; `strict` is let be after its first failure.
const PATIENT_AND_STRICT: &str = "{
    policies: {
        retries: {patient: {duration: 5ms, maxRetries: -1}},
        circuitBreakers: {strict: {timeout: 1h, trip: consecutiveFailures >= 1}}},
    targets: {components: {
        store: {outbound: {retry: patient}},
        strict: {outbound: {circuitBreaker: strict}}}}}";

/// Waits until the provider of a component was reached so often.
async fn until_reached(sidecar: &Sidecar, component: &str, times: u64) {
    while sidecar.reached_at(component, None).await < times {
        tokio::task::yield_now().await;
    }
}

/// Both components over one server.
fn both(kind: &str, server: &RedisServer) -> String {
    let host = server.address().to_string();
    ["store", "strict"].map(|name| component(name, kind, &[("redisHost", &host)])).concat()
}

async fn invoke(sidecar: &Sidecar, binding: &str, operation: &str, path: &str, data: &str) -> Answer {
    let body = json!({"operation": operation, "data": data, "metadata": {"path": path}});
    sidecar.call("POST", &format!("/v1.0/bindings/{binding}"), body.to_string()).await
}

fn binding(name: &str, operation: &str, path: &str) -> InvokeBindingRequest {
    InvokeBindingRequest {
        name: name.to_owned(),
        data: b"grpc".to_vec(),
        metadata: HashMap::from([("path".to_owned(), path.to_owned())]),
        operation: operation.to_owned(),
    }
}

#[tokio::test]
async fn calls_of_output_bindings_are_tried_again_as_the_policy_says() {
    let server = failing().await;
    let url = format!("http://127.0.0.1:{}", server.port);
    let spec =
        "{policies: {retries: {quick: {duration: 1ms, maxRetries: 3, matching: {httpStatusCodes: '503'}}}},
        targets: {components: {web: {outbound: {retry: quick}}}}}";
    let sidecar = Sidecar::with(&with(&component("web", "bindings.http", &[("url", &url)]), spec), &[]);
    let mut client = wire::grpc(&sidecar.grpc()).await;

    let answer = invoke(&sidecar, "web", "create", "503/2", "http").await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"got 6"[..]));
    let asked = server.asked("/503/2");
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|asked| asked.method == Method::POST && asked.body == "\"http\""), "{asked:?}");
    let answer = client.invoke_binding(binding("web", "put", "503/1")).await.unwrap().into_inner();
    assert_eq!(answer.data, b"got 4");
    assert_eq!(server.asked("/503/1").len(), 2);

    // No more often than it says, and not where it is not worth it.
    let failed = client.invoke_binding(binding("web", "get", "503/9")).await.unwrap_err();
    assert_eq!((failed.code(), server.asked("/503/9").len()), (Code::Internal, 4));
    assert!(failed.message().ends_with("web: received status code 503"), "{failed:?}");
    invoke(&sidecar, "web", "get", "500/0", "").await;
    let message = invoke(&sidecar, "web", "get", "429/1", "").await.failed(500, "ERR_INVOKE_OUTPUT_BINDING");
    assert!(message.ends_with("received status code 429"), "{message}");
    assert_eq!(server.asked("/429/1").len(), 1);
}

#[tokio::test]
async fn an_output_binding_that_is_silent_is_given_up_and_one_that_fails_is_let_be() {
    let count = AtomicUsize::new(0);
    let server = Raw::start(move |request| {
        let silent = request.uri().path() == "/silent" || count.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if silent {
                std::future::pending::<()>().await;
            }
            Response::new(raw::full("at last"))
        }
    })
    .await;
    let dead = Dead::new();
    let url = |address: &str| format!("http://{address}/");
    let (url, gone) = (url(&format!("127.0.0.1:{}", server.port)), url(&dead.address().to_string()));
    let components = ["web", "brief"].map(|name| component(name, "bindings.http", &[("url", &url)])).concat()
        + &component("gone", "bindings.http", &[("url", &gone)]);
    let spec = "{policies: {timeouts: {short: 100ms}, retries: {quick: {duration: 1ms}},
            circuitBreakers: {strict: {timeout: 1h, trip: consecutiveFailures >= 1}}},
        targets: {components: {
            web: {outbound: {timeout: short, retry: quick}},
            brief: {outbound: {timeout: short}},
            gone: {outbound: {circuitBreaker: strict}}}}}";
    let sidecar = Sidecar::with(&with(&components, spec), &[]);
    assert_eq!(&invoke(&sidecar, "web", "get", "", "").await.body[..], b"at last");
    assert!(sidecar.reached_at("web", None).await >= 2);
    let message =
        invoke(&sidecar, "brief", "get", "silent", "").await.failed(500, "ERR_INVOKE_OUTPUT_BINDING");
    assert!(message.ends_with("brief: context deadline exceeded"), "{message}");

    // What is the caller's own affair opens no circuit.
    let mut client = wire::grpc(&sidecar.grpc()).await;
    for path in ["../up", "../up", "x"] {
        let failed = client.invoke_binding(binding("gone", "get", path)).await.unwrap_err();
        assert_eq!(failed.message().contains("invalid path"), path != "x", "{failed:?}");
        assert!(!failed.message().contains("circuit breaker"), "{failed:?}");
    }
    let failed = client.invoke_binding(binding("gone", "get", "x")).await.unwrap_err();
    assert!(failed.message().ends_with("gone: circuit breaker is open"), "{failed:?}");
    let message = invoke(&sidecar, "gone", "get", "", "").await.failed(500, "ERR_INVOKE_OUTPUT_BINDING");
    assert!(message.ends_with("gone: circuit breaker is open"), "{message}");
}

#[tokio::test]
async fn files_are_tried_again_where_the_folder_fails() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("files");
    let components = component("files", "bindings.localstorage", &[("rootPath", root.to_str().unwrap())]);
    let spec = "{policies: {retries: {quick: {duration: 1ms, maxRetries: 2}}},
        targets: {components: {files: {outbound: {retry: quick}}}}}";
    let sidecar = Sidecar::with(&with(&components, spec), &[]);
    let call = async |operation: &str, name: &str| {
        let body = json!({"operation": operation, "data": "x", "metadata": {"fileName": name}});
        sidecar.call("POST", "/v1.0/bindings/files", body.to_string()).await
    };
    assert_eq!(call("create", "").await.status, StatusCode::OK);
    // A file that is not there is not there a second time.
    let message = call("get", "none").await.failed(500, "ERR_INVOKE_OUTPUT_BINDING");
    assert!(message.ends_with("file not found: none"), "{message}");
    assert_eq!(sidecar.reached_at("files", Some("get")).await, 1);
    std::fs::remove_dir_all(&root).unwrap();
    let message = call("create", "new").await.failed(500, "ERR_INVOKE_OUTPUT_BINDING");
    assert!(message.contains("error creating file new: "), "{message}");
    assert_eq!(sidecar.reached_at("files", Some("create")).await, 1 + 3);
}

#[tokio::test]
async fn reading_secrets_has_policies() {
    let folder = TempDir::new().unwrap();
    let (file, away) = (folder.path().join("secrets.json"), folder.path().join("away"));
    std::fs::write(&file, r#"{"a": "one"}"#).unwrap();
    let settings = [("secretsFile", file.to_str().unwrap())];
    let components =
        ["store", "strict"].map(|name| component(name, "secretstores.local.file", &settings)).concat();
    let sidecar = Sidecar::with(&with(&components, PATIENT_AND_STRICT), &[]);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let mut second = client.clone();
    let secret = |store: &str| GetSecretRequest {
        store_name: store.to_owned(),
        key: "a".to_owned(),
        metadata: HashMap::new(),
    };
    let all = |store: &str| GetBulkSecretRequest { store_name: store.to_owned(), metadata: HashMap::new() };
    // A secret that is not there opens no circuit, and is not looked for again.
    for store in ["strict", "store"] {
        let message = sidecar.call("GET", &format!("/v1.0/secrets/{store}/b"), "").await;
        assert!(message.failed(500, "ERR_SECRET_GET").contains("secret b not found"));
        assert_eq!(sidecar.reached_at(store, None).await, 1);
    }
    std::fs::rename(&file, &away).unwrap();
    let message = sidecar.call("GET", "/v1.0/secrets/strict/a", "").await.failed(500, "ERR_SECRET_GET");
    assert!(message.contains("it is not there; make it first"), "{message}");
    let message = sidecar.call("GET", "/v1.0/secrets/strict/bulk", "").await.failed(500, "ERR_SECRET_GET");
    assert!(message.contains("circuit breaker is open"), "{message}");
    let failed = client.get_secret(secret("strict")).await.unwrap_err();
    assert!(failed.message().contains("secret store strict cannot be reached: circuit breaker is open"));
    let (one, bulk, grpc, ()) = tokio::join!(
        sidecar.call("GET", "/v1.0/secrets/store/a", ""),
        second.get_bulk_secret(all("store")),
        client.get_secret(secret("store")),
        async {
            until_reached(&sidecar, "store", 1 + 10).await;
            std::fs::rename(&away, &file).unwrap();
        }
    );
    assert_eq!((one.status.as_u16(), one.json()), (200, json!({"a": "one"})));
    assert_eq!(bulk.unwrap().into_inner().data["a"].secrets["a"], "one");
    assert_eq!(grpc.unwrap().into_inner().data["a"], "one");
}

#[tokio::test]
async fn reading_configuration_has_policies() {
    let Some(mut server) = RedisServer::start_or_skip().unwrap() else { return };
    let sidecar = Sidecar::with(&with(&both("configuration.redis", &server), PATIENT_AND_STRICT), &[]);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let mut second = client.clone();
    let get = |store: &str| GetConfigurationRequest {
        store_name: store.to_owned(),
        keys: vec!["limit".to_owned()],
        metadata: HashMap::new(),
    };
    let subscribe = |store: &str| {
        let GetConfigurationRequest { store_name, keys, metadata } = get(store);
        SubscribeConfigurationRequest { store_name, keys, metadata }
    };
    let mut stream = client.subscribe_configuration(subscribe("strict")).await.unwrap().into_inner();
    let id = stream.message().await.unwrap().unwrap().id;
    let before = sidecar.reached_at("store", None).await;
    server.stop().unwrap();
    let path = "/v1.0/configuration/strict?key=limit";
    sidecar.call("GET", path, "").await.failed(500, "ERR_CONFIGURATION_GET");
    let message = sidecar.call("GET", path, "").await.failed(500, "ERR_CONFIGURATION_GET");
    assert!(message.contains("configuration store strict cannot be reached: circuit breaker is open"));
    let failed = client.get_configuration(get("strict")).await.unwrap_err();
    assert!(failed.message().contains("circuit breaker is open"), "{failed:?}");
    // A subscription ends all the same.
    let ended = sidecar.call("GET", &format!("/v1.0/configuration/strict/{id}/unsubscribe"), "").await;
    assert_eq!(ended.json(), json!({"ok": true}));

    let (one, two, mut stream, ()) = tokio::join!(
        sidecar.call("GET", "/v1.0/configuration/store?key=limit", ""),
        client.get_configuration(get("store")),
        async { second.subscribe_configuration(subscribe("store")).await.unwrap().into_inner() },
        async {
            until_reached(&sidecar, "store", before + 6).await;
            server.restart().unwrap();
        }
    );
    one.is_empty();
    assert!(two.unwrap().into_inner().items.is_empty());
    assert!(!stream.message().await.unwrap().unwrap().id.is_empty());
}

fn try_lock(store: &str, resource: &str) -> TryLockRequest {
    TryLockRequest {
        store_name: store.to_owned(),
        resource_id: resource.to_owned(),
        lock_owner: "ann".to_owned(),
        expiry_in_seconds: 600,
    }
}

fn unlock(store: &str, resource: &str) -> UnlockRequest {
    let TryLockRequest { store_name, resource_id, lock_owner, .. } = try_lock(store, resource);
    UnlockRequest { store_name, resource_id, lock_owner }
}

/// What asks for a lock, or gives it back, over HTTP.
fn body(resource: &str) -> String {
    json!({"resourceId": resource, "lockOwner": "ann", "expiryInSeconds": 600}).to_string()
}

#[tokio::test]
async fn locks_have_policies() {
    let Some(mut server) = RedisServer::start_or_skip().unwrap() else { return };
    let sidecar = Sidecar::with(&with(&both("lock.redis", &server), PATIENT_AND_STRICT), &[]);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let (mut second, mut third) = (client.clone(), client.clone());
    server.stop().unwrap();
    sidecar.call("POST", "/v1.0-alpha1/lock/strict", body("a")).await.failed(500, "ERR_TRY_LOCK");
    for (way, code) in [("lock", "ERR_TRY_LOCK"), ("unlock", "ERR_UNLOCK")] {
        let message = sidecar.call("POST", &format!("/v1.0-alpha1/{way}/strict"), body("a")).await;
        let message = message.failed(500, code);
        assert!(
            message.contains("lock store strict cannot be reached: circuit breaker is open"),
            "{message}"
        );
    }
    let failed = third.try_lock_alpha1(try_lock("strict", "a")).await.unwrap_err();
    assert!(failed.message().contains("circuit breaker is open"), "{failed:?}");

    // What has a policy waits for the server; what was not locked is told not to be.
    let (http, grpc, free, gone, ()) = tokio::join!(
        sidecar.call("POST", "/v1.0-alpha1/lock/store", body("a")),
        client.try_lock_alpha1(try_lock("store", "b")),
        sidecar.call("POST", "/v1.0-alpha1/unlock/store", body("c")),
        second.unlock_alpha1(unlock("store", "d")),
        async {
            until_reached(&sidecar, "store", 8).await;
            server.restart().unwrap();
        }
    );
    assert_eq!(http.json(), json!({"success": true}));
    assert!(grpc.unwrap().into_inner().success);
    assert_eq!(free.json(), json!({"status": 1}));
    assert_eq!(gone.unwrap().into_inner().status(), Status::LockDoesNotExist);
    // One that is held is held, with the first try.
    assert_eq!(
        sidecar.call("POST", "/v1.0-alpha1/lock/store", body("b")).await.json(),
        json!({"success": false})
    );
}

/// Waits until a paused server has a try of the component `store`, and nobody waits for that one any more.
async fn until_lost(sidecar: &Sidecar, redis: &mut redis::Connection) {
    let mut said = || redis::cmd("INFO").arg("clients").query::<String>(redis).unwrap();
    while said().contains("blocked_clients:0") {
        tokio::task::yield_now().await;
    }
    // One that is begun comes after those that were given up.
    let tries = sidecar.reached_at("store", None).await;
    until_reached(sidecar, "store", tries + 1).await;
}

#[tokio::test]
async fn a_lock_that_a_lost_try_may_have_taken_is_not_said_to_be_somebody_elses() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    let host = server.address().to_string();
    let spec = "{policies: {timeouts: {short: 50ms}, retries: {patient: {duration: 5ms, maxRetries: -1}}},
        targets: {components: {store: {outbound: {timeout: short, retry: patient}}}}}";
    // The same locks, but for the policy.
    let components = ["store", "plain"].map(|name| component(name, "lock.redis", &[("redisHost", &host)]));
    let sidecar = Sidecar::with(&with(&components.concat(), spec), &[]);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let mut redis = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let tell = |redis: &mut redis::Connection, words: &[&str]| {
        redis::cmd("CLIENT").arg(words).exec(redis).unwrap();
    };
    let maybe = "it is taken, maybe by one of ";

    // The server takes each try, and does what it says once nobody waits for the first any more.
    tell(&mut redis, &["PAUSE", "600000", "WRITE"]);
    let (http, ()) = tokio::join!(sidecar.call("POST", "/v1.0-alpha1/lock/store", body("http")), async {
        until_lost(&sidecar, &mut redis).await;
        tell(&mut redis, &["UNPAUSE"]);
    });
    let message = http.failed(500, "ERR_TRY_LOCK");
    assert!(message.contains(maybe), "{message}");
    let unlocked = sidecar.call("POST", "/v1.0-alpha1/unlock/plain", body("http")).await;
    assert_eq!(unlocked.json(), json!({"status": 0}), "it was this owner's");

    tell(&mut redis, &["PAUSE", "600000", "WRITE"]);
    let (grpc, ()) = tokio::join!(client.try_lock_alpha1(try_lock("store", "grpc")), async {
        until_lost(&sidecar, &mut redis).await;
        tell(&mut redis, &["UNPAUSE"]);
    });
    let failed = grpc.unwrap_err();
    assert!(failed.code() == Code::Internal && failed.message().contains(maybe), "{failed:?}");
    let unlocked = client.unlock_alpha1(unlock("plain", "grpc")).await.unwrap().into_inner();
    assert_eq!(unlocked.status(), Status::Success);
}

#[tokio::test]
async fn events_of_input_bindings_are_tried_again() {
    let app = App::start(|asked| match asked.method {
        Method::POST => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        _ => (StatusCode::OK, String::new()),
    })
    .await;
    let spec = "{policies: {retries: {quick: {duration: 1ms, maxRetries: 2}}},
        targets: {components: {tick: {inbound: {retry: quick}}}}}";
    let components =
        component("tick", "bindings.cron", &[("schedule", "@every 20ms"), ("direction", "input")]);
    let port = app.port.to_string();
    let _sidecar = Sidecar::with(&with(&components, spec), &["--app-port", &port]);
    // Other events come meanwhile: one is known by its time.
    let mut by_time: HashMap<String, usize> = HashMap::new();
    for count in 1.. {
        let asked = app.until_asked("/tick", count).await.swap_remove(count - 1);
        *by_time.entry(asked.header("readtimeutc").unwrap().to_owned()).or_default() += 1;
        assert!(by_time.values().all(|tries| *tries <= 3), "{by_time:?}");
        if by_time.values().filter(|tries| **tries == 3).count() == 3 {
            break;
        }
    }
}
