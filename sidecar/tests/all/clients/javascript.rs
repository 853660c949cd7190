//! npm's `@dapr/dapr`.

use serde_json::json;

use super::program::Language::JavaScript;
use super::stage::Stage;

#[tokio::test]
async fn state() {
    if !JavaScript.is_there() {
        return;
    }
    for protocol in ["http", "grpc"] {
        let stage = Stage::alone();
        let done = JavaScript.run("state", &stage, &[protocol]).await;
        assert_eq!(done, "save read bulk delete transaction etag ttl metadata", "{protocol}");
    }
}

#[tokio::test]
async fn secrets_configuration_bindings_and_locks() {
    if !JavaScript.is_there() {
        return;
    }
    for protocol in ["http", "grpc"] {
        let Some(stage) = Stage::with_blocks().await else { return };
        let done = JavaScript.run("blocks", &stage, &[protocol]).await;
        assert_eq!(done, "secrets configuration bindings locks", "{protocol}");
    }
}

#[tokio::test]
async fn invocation() {
    if !JavaScript.is_there() {
        return;
    }
    for app_protocol in ["http", "grpc"] {
        let stage = Stage::for_app(app_protocol);
        let _app = JavaScript.start("app", &stage, &[app_protocol]);
        stage.until_open().await;
        for protocol in ["http", "grpc"] {
            let done = JavaScript.run("invocation", &stage, &[protocol, app_protocol]).await;
            assert_eq!(done, "get post headers query failures", "{protocol} to {app_protocol}");
        }
    }
}

#[tokio::test]
async fn publish_and_subscribe() {
    if !JavaScript.is_there() {
        return;
    }
    for app_protocol in ["http", "grpc"] {
        for protocol in ["http", "grpc"] {
            let stage = Stage::for_app(app_protocol);
            let mut app = JavaScript.start("app", &stage, &[app_protocol]);
            stage.until_subscribed(if app_protocol == "http" { 7 } else { 6 }).await;
            let done = JavaScript.run("publish", &stage, &[protocol, app_protocol]).await;
            assert_eq!(done, "publish raw rules answers bulk failure", "{protocol} to {app_protocol}");
            let bulk = if app_protocol == "http" { "bulk" } else { "plain" };
            let mut expected = vec![
                json!({"topic": "plain", "data": "Hello, world!"}),
                json!({"topic": "plain", "data": {"message": "json"}}),
                json!({"topic": "plain", "data": {"message": "cloud"}}),
                json!({"topic": "plain", "data": {"message": "cloud"}}),
                json!({"topic": "raw", "data": {"message": "raw"}}),
                json!({"topic": "by rule", "data": "first"}),
                json!({"topic": "by default", "data": "second"}),
                json!({"topic": "answered", "data": "take"}),
                json!({"topic": "retried", "data": "again"}),
                json!({"topic": "retried", "data": "again"}),
                json!({"topic": "retried", "data": "again"}),
                json!({"topic": "answered", "data": "drop"}),
                json!({"topic": "dead", "data": "drop"}),
                json!({"topic": bulk, "data": "one"}),
                json!({"topic": bulk, "data": {"two": 2}}),
                json!({"topic": bulk, "data": "three"}),
            ];
            expected.sort_by_key(ToString::to_string);
            assert_eq!(app.next_of(expected.len()).await, expected, "{protocol} to {app_protocol}");
        }
    }
}

#[tokio::test]
async fn input_bindings() {
    if !JavaScript.is_there() {
        return;
    }
    // Over HTTP its parser makes an object of no body.
    for (protocol, data) in [("http", json!({})), ("grpc", json!(""))] {
        let stage = Stage::ticking_for_app(protocol);
        let mut app = JavaScript.start("app", &stage, &[protocol]);
        let tick = json!({"binding": "tick", "data": data});
        assert_eq!(app.next_of(3).await, [tick.clone(), tick.clone(), tick], "{protocol}");
        stage.until_tick_taken().await;
    }
}
