//! PyPI's `dapr`.

use serde_json::{Value, json};

use super::program::Language::Python;
use super::stage::Stage;

#[tokio::test]
async fn state() {
    if !Python.is_there() {
        return;
    }
    let stage = Stage::alone();
    assert_eq!(Python.run("state", &stage, &[]).await, "save read delete bulk transaction etag ttl metadata");
}

#[tokio::test]
async fn secrets_configuration_bindings_and_locks() {
    if !Python.is_there() {
        return;
    }
    let Some(stage) = Stage::with_blocks().await else { return };
    assert_eq!(Python.run("blocks", &stage, &[]).await, "secrets configuration bindings locks");
}

#[tokio::test]
async fn invocation() {
    if !Python.is_there() {
        return;
    }
    for (app_protocol, app) in [("http", "fastapi_app"), ("grpc", "grpc_app")] {
        let stage = Stage::for_app(app_protocol);
        let _app = Python.start(app, &stage, &[]);
        stage.until_open().await;
        for protocol in ["http", "grpc"] {
            let done = Python.run("invocation", &stage, &[protocol, app_protocol]).await;
            assert_eq!(done, "post query bytes failure nobody", "{protocol} to {app}");
        }
    }
}

/// What an app tells of the events that `publish.py` published, whatever its protocol.
fn check_published(told: &[Value]) {
    let events: Vec<&Value> = told.iter().map(|told| &told["event"]).collect();
    assert!(told.iter().all(|told| told["topic"] == "plain"), "{told:?}");
    let with = |data: Value| {
        let found: Vec<_> = events.iter().filter(|event| event["data"] == data).collect();
        assert_eq!(found.len(), 1, "{data} in {events:?}");
        found[0]
    };
    for event in &events {
        assert_eq!((&event["topic"], &event["pubsubname"]), (&json!("plain"), &json!("pubsub")), "{event}");
        assert!(!event["id"].as_str().unwrap().is_empty(), "{event}");
    }
    for text in ["Hello, world!", "x", "one", "two"] {
        let event = with(json!(text));
        assert_eq!(
            (&event["datacontenttype"], &event["source"]),
            (&json!("text/plain"), &json!("app")),
            "{event}"
        );
    }
    assert_eq!(with(json!("Hello, world!"))["type"], "com.dapr.event.sent");
    assert_eq!(with(json!({"id": 1}))["datacontenttype"], "application/json");
    let own = with(json!({"id": 2}));
    assert_eq!(
        (&own["id"], &own["type"], &own["source"]),
        (&json!("my-id"), &json!("com.foo.bar"), &json!("here"))
    );
    let named = with(json!("x"));
    assert_eq!((&named["id"], &named["type"]), (&json!("named"), &json!("important")));
}

#[tokio::test]
async fn publish_to_apps_of_every_extension() {
    if !Python.is_there() {
        return;
    }
    for (protocol, app, subscriptions) in
        [("http", "fastapi_app", 4), ("http", "flask_app", 1), ("grpc", "grpc_app", 5)]
    {
        let stage = Stage::for_app(protocol);
        let mut app = Python.start(app, &stage, &[]);
        stage.until_subscribed(subscriptions).await;
        assert_eq!(Python.run("publish", &stage, &[]).await, "publish bulk failure");
        check_published(&app.next_of(6).await);
    }
}

#[tokio::test]
async fn answers_to_events() {
    if !Python.is_there() {
        return;
    }
    for (protocol, app, subscriptions) in [("http", "fastapi_app", 4), ("grpc", "grpc_app", 5)] {
        let stage = Stage::for_app(protocol);
        let mut app = Python.start(app, &stage, &[]);
        stage.until_subscribed(subscriptions).await;
        for status in ["SUCCESS", "DROP", "RETRY"] {
            stage.sidecar.call("POST", "/v1.0/publish/pubsub/routed", status).await.is_empty();
        }
        stage.sidecar.call("POST", "/v1.0/publish/pubsub/retried", "again").await.is_empty();
        let told = app.next_of(8).await;
        let seen = |topic: &str| {
            let found =
                told.iter().filter(|told| told["topic"] == topic).map(|told| told["event"]["data"].as_str());
            let mut found: Vec<&str> = found.map(Option::unwrap).collect();
            found.sort_unstable();
            found
        };
        assert_eq!(seen("routed"), ["DROP", "RETRY", "SUCCESS"]);
        // Where there are dead letters, what is to be retried goes there at once, too, unless a policy says otherwise.
        assert_eq!(seen("dead"), ["DROP", "RETRY"]);
        assert_eq!(seen("retried"), ["again"; 3]);
    }
}

#[tokio::test]
async fn rules_of_a_grpc_app() {
    if !Python.is_there() {
        return;
    }
    let stage = Stage::for_app("grpc");
    let mut app = Python.start("grpc_app", &stage, &[]);
    stage.until_subscribed(5).await;
    // The client names no route for what no rule is for: that is dropped.
    for kind in ["other", "important"] {
        let path = format!("/v1.0/publish/pubsub/ruled?metadata.cloudevent.type={kind}");
        stage.sidecar.call("POST", &path, kind).await.is_empty();
    }
    let told = app.next().await;
    assert_eq!((&told["topic"], &told["event"]["data"]), (&json!("by rule"), &json!("important")));
}

#[tokio::test]
async fn input_bindings() {
    if !Python.is_there() {
        return;
    }
    for (protocol, app) in [("http", "fastapi_app"), ("http", "flask_app"), ("grpc", "grpc_app")] {
        let stage = Stage::ticking_for_app(protocol);
        let mut app = Python.start(app, &stage, &[]);
        let tick = json!({"binding": "tick", "data": ""});
        assert_eq!(app.next_of(3).await, [tick.clone(), tick.clone(), tick], "{protocol}");
        stage.until_tick_taken().await;
    }
}

#[tokio::test]
async fn subscriptions_by_a_stream() {
    if !Python.is_there() {
        return;
    }
    let stage = Stage::for_app("http");
    assert_eq!(Python.run("stream", &stage, &[]).await, "events dead handler");
}
