//! Health, metadata, shutdown, and what is not there.

use std::sync::Arc;

use dapr::dapr::proto::runtime::v1::{
    ActiveActorsCount, GetMetadataRequest, GetMetadataResponse, SetMetadataRequest, ShutdownRequest,
};
use http::StatusCode;
use pillion_capabilities::testing::RedisServer;
use pillion_sidecar::{Flags, Server};
use serde_json::{Value, json};

use crate::app::App;
use crate::pubsub::{BUS, until_subscribed};
use crate::sidecar::{MEMORY, Sidecar, redb, redis};
use crate::wire::{self, At};

#[tokio::test]
async fn health() {
    let sidecar = Sidecar::memory();
    for path in
        ["/v1.0/healthz", "/v1.0/healthz/outbound", "/v1.0/healthz?appid=app", "/v1.0/healthz/outbound/"]
    {
        sidecar.call("GET", path, "").await.is_empty();
    }
    let answer = sidecar.call("GET", "/v1.0/healthz?appid=other", "").await;
    assert_eq!(answer.failed(500, "ERR_HEALTH_APPID_NOT_MATCH"), "dapr app-id does not match");
}

#[tokio::test]
async fn a_sidecar_that_does_not_serve_is_not_healthy() {
    let sidecar = Arc::new(pillion_sidecar::Sidecar::new("app", Vec::new()));
    for (path, error, said) in [
        ("/v1.0/healthz", "ERR_HEALTH_NOT_READY", "dapr is not ready"),
        ("/v1.0/healthz?appid=other", "ERR_HEALTH_NOT_READY", "dapr is not ready"),
        ("/v1.0/healthz/outbound", "ERR_OUTBOUND_HEALTH_NOT_READY", "dapr outbound is not ready"),
    ] {
        assert_eq!(wire::call_within(&sidecar, path).await.failed(500, error), said, "{path}");
    }
    let server = Server::listen(&Flags::local("app"), Arc::clone(&sidecar)).await.unwrap();
    wire::call_within(&sidecar, "/v1.0/healthz").await.is_empty();
    wire::call_within(&sidecar, "/v1.0/healthz/outbound").await.is_empty();
    server.run(std::future::ready(())).await;
    wire::call_within(&sidecar, "/v1.0/healthz").await.failed(500, "ERR_HEALTH_NOT_READY");
    wire::call_within(&sidecar, "/v1.0/healthz/outbound").await.failed(500, "ERR_OUTBOUND_HEALTH_NOT_READY");
}

#[tokio::test]
async fn the_public_port_has_health_and_metadata_alone_and_asks_for_no_token() {
    let token = [("DAPR_API_TOKEN", "secret")];
    let sidecar = Sidecar::with_environment(MEMORY, &["--dapr-public-port", "0"], &token);
    let public = sidecar.text("public");
    assert!(public.starts_with("127.0.0.1:"), "{public}");
    let call = async |method: &str, path: &str| {
        wire::call(&At::Tcp(public.clone()), method, path, &[("dapr-api-token", "wrong")], "").await
    };
    call("GET", "/v1.0/healthz").await.is_empty();
    call("GET", "/v1.0/healthz/outbound").await.is_empty();
    assert_eq!(call("GET", "/v1.0/metadata").await.json()["id"], "app");
    for (method, path) in [
        ("GET", "/v1.0/state/store/k"),
        ("POST", "/v1.0/state/store"),
        ("PATCH", "/v1.0/state/store/k"),
        ("PUT", "/v1.0/metadata/k"),
        ("POST", "/v1.0/shutdown"),
        ("GET", "/metrics"),
    ] {
        call(method, path).await.failed(404, "ERR_DIRECT_INVOKE");
    }
    assert_eq!(sidecar.reached(None).await, 0);
    let everywhere = ["--dapr-public-port", "0", "--dapr-public-listen-address", "0.0.0.0"];
    assert!(Sidecar::with("", &everywhere).text("public").starts_with("0.0.0.0:"));
    assert!(Sidecar::memory().ready()["public"].is_null());
}

#[tokio::test]
async fn metadata_tells_what_each_type_of_component_can_do() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut components = vec![redb(&folder.path().join("store.redb"))];
    let mut expected = vec![("state.redb", vec!["ETAG", "TRANSACTIONAL", "TTL"])];
    let server = RedisServer::start_or_skip().unwrap();
    if let Some(server) = &server {
        components.push(redis(server.address()).replace("name: store\n", "name: other\n"));
        let more = vec!["ETAG", "TRANSACTIONAL", "TTL", "DELETE_WITH_PREFIX", "KEYS_LIKE", "ACTOR"];
        expected.push(("state.redis", more));
    }
    let sidecar = Sidecar::with(&components.join("---\n"), &[]);
    let body = sidecar.call("GET", "/v1.0/metadata", "").await.json();
    let found: Vec<_> = body["components"].as_array().unwrap().iter().collect();
    assert_eq!(found.len(), expected.len(), "{body}");
    for (found, (kind, capabilities)) in found.into_iter().zip(expected) {
        assert_eq!((&found["type"], &found["capabilities"]), (&json!(kind), &json!(capabilities)));
    }
}

#[tokio::test]
async fn metadata_over_both_protocols() {
    let sidecar = Sidecar::memory();
    sidecar.call("PUT", "/v1.0/metadata/from%20http", "one").await.is_empty();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let set = SetMetadataRequest { key: "from grpc".to_owned(), value: "two".to_owned() };
    client.set_metadata(set).await.unwrap();

    let body = sidecar.call("GET", "/v1.0/metadata", "").await.json();
    assert_eq!(body["id"], "app");
    assert_eq!(
        body["components"],
        json!([{"name": "store", "type": "state.in-memory", "version": "v1",
            "capabilities": ["ETAG", "TRANSACTIONAL", "TTL", "DELETE_WITH_PREFIX", "KEYS_LIKE"]}])
    );
    let version = body["runtimeVersion"].as_str().unwrap();
    assert_eq!(
        body["extended"],
        json!({"daprRuntimeVersion": version, "from http": "one", "from grpc": "two"})
    );
    let response = client.get_metadata(GetMetadataRequest {}).await.unwrap().into_inner();
    assert_eq!((response.id.as_str(), response.runtime_version.as_str()), ("app", version));
    assert_eq!(response.registered_components[0].r#type, "state.in-memory");
    assert_eq!(response.extended_metadata["from http"], "one");
    sidecar.call("PUT", "/v1.0/metadata/k", b"\xff".to_vec()).await.failed(400, "ERR_MALFORMED_REQUEST");
}

#[tokio::test]
async fn metadata_says_the_same_over_both_protocols() {
    let app = App::start(|asked| match asked.path.as_str() {
        "/dapr/subscribe" => {
            let rules = json!([{ "match": "event.type == 'a'", "path": "a" }]);
            let routes = json!({ "rules": rules, "default": "b" });
            let metadata = json!({ "rawPayload": "true" });
            let subscription = json!({ "pubsubname": "bus", "topic": "t", "routes": routes,
                "metadata": metadata, "deadLetterTopic": "dead" });
            (StatusCode::OK, json!([subscription]).to_string())
        }
        _ => (StatusCode::OK, String::new()),
    })
    .await;
    let port = app.port.to_string();
    let arguments = ["--app-port", &port, "--app-max-concurrency", "3", "--enable-app-health-check"];
    let sidecar = Sidecar::with(&format!("{MEMORY}---\n{BUS}"), &arguments);
    until_subscribed(&sidecar, 1).await;
    for sidecar in [sidecar, Sidecar::memory()] {
        sidecar.call("PUT", "/v1.0/metadata/k", "v").await.is_empty();
        let http = sidecar.call("GET", "/v1.0/metadata", "").await.json();
        let mut client = wire::grpc(&sidecar.grpc()).await;
        let grpc = client.get_metadata(GetMetadataRequest {}).await.unwrap().into_inner();
        assert_eq!(as_http(grpc), http);
    }
}

/// What HTTP says where gRPC says this.
fn as_http(grpc: GetMetadataResponse) -> Value {
    // What only Dapr has is nowhere.
    assert_eq!((grpc.http_endpoints, grpc.scheduler, grpc.workflows), (Vec::new(), None, None));
    let components = grpc.registered_components.into_iter().map(|it| {
        json!({ "name": it.name, "type": it.r#type, "version": it.version, "capabilities": it.capabilities })
    });
    let subscriptions = grpc.subscriptions.into_iter().map(|it| {
        let kind = it.r#type().as_str_name();
        let rules = it.rules.clone().unwrap_or_default().rules.into_iter();
        json!({
            "pubsubname": it.pubsub_name,
            "topic": it.topic,
            "metadata": it.metadata,
            "deadLetterTopic": it.dead_letter_topic,
            "rules": rules.map(|it| json!({ "match": it.r#match, "path": it.path })).collect::<Vec<_>>(),
            "type": kind,
        })
    });
    let app = grpc.app_connection_properties.map_or(json!({}), |it| {
        let mut app = json!({ "port": it.port, "protocol": it.protocol, "channelAddress": it.channel_address,
            "maxConcurrency": it.max_concurrency });
        if let Some(health) = it.health {
            app["health"] = json!({
                "healthCheckPath": health.health_check_path,
                "healthProbeInterval": health.health_probe_interval,
                "healthProbeTimeout": health.health_probe_timeout,
                "healthThreshold": health.health_threshold,
            });
        }
        app
    });
    let actors = grpc.actor_runtime.expect("it is told that there are no actors");
    let status = actors.runtime_status().as_str_name();
    let count = |it: ActiveActorsCount| json!({ "type": it.r#type, "count": it.count });
    json!({
        "id": grpc.id,
        "runtimeVersion": grpc.runtime_version,
        "enabledFeatures": grpc.enabled_features,
        "actors": actors.active_actors.into_iter().map(count).collect::<Vec<_>>(),
        "components": components.collect::<Vec<_>>(),
        "extended": grpc.extended_metadata,
        "subscriptions": subscriptions.collect::<Vec<_>>(),
        "appConnectionProperties": app,
        "actorRuntime": {
            "runtimeStatus": status, "hostReady": actors.host_ready, "placement": actors.placement,
        },
    })
}

#[tokio::test]
async fn shutdown_over_http() {
    let mut sidecar = Sidecar::memory();
    sidecar.call("POST", "/v1.0/shutdown", "").await.is_empty();
    assert!(sidecar.wait().await.success());
}

#[tokio::test]
async fn shutdown_over_grpc() {
    let mut sidecar = Sidecar::memory();
    wire::grpc(&sidecar.grpc()).await.shutdown(ShutdownRequest {}).await.unwrap();
    assert!(sidecar.wait().await.success());
}

#[tokio::test]
async fn what_is_not_there() {
    let sidecar = Sidecar::memory();
    for path in [
        "/",
        "/v1.0",
        "/v1.0/nothing",
        "/v1.0/state",
        "/v1.0/state/store/a/b",
        "/v2/state/store/k",
        "/v1.0/publish",
        "/a/b/c/d/e/f/g/h/i",
    ] {
        let message = sidecar.call("GET", path, "").await.failed(404, "ERR_DIRECT_INVOKE");
        assert_eq!(message, "failed getting app id either from the URL path or the header dapr-app-id");
    }
    for (method, path, allowed) in [
        ("PATCH", "/v1.0/state/store/k", "GET, DELETE"),
        ("GET", "/v1.0/state/store", "POST, PUT"),
        ("GET", "/v1.0-alpha1/state/store/query", "POST, PUT"),
        ("POST", "/v1.0/metadata/k", "PUT"),
        ("POST", "/v1.0/healthz", "GET"),
        ("GET", "/v1.0/shutdown", "POST"),
        ("GET", "/v1.0/publish/pubsub/topic", "POST, PUT"),
        ("GET", "/v1.0-alpha1/publish/bulk/pubsub/topic", "POST, PUT"),
    ] {
        let answer = sidecar.call(method, path, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some(allowed)), "{method} {path}");
    }
    assert_eq!(sidecar.reached(None).await, 0);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let sidecar = Sidecar::memory();
    for (path, status) in [("/", 200), ("/metrics", 200), ("/other", 404)] {
        let answer = wire::call(&At::Tcp(sidecar.text("metrics")), "GET", path, &[], "").await;
        assert_eq!(answer.status.as_u16(), status);
        if status == 200 {
            assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
        }
    }
    sidecar.call("GET", "/v1.0/state/store/k", "").await.is_empty();
    assert_eq!(sidecar.reached(Some("get")).await, 1);
    assert_eq!(sidecar.reached(None).await, 1);
}
