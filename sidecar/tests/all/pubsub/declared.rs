//! Subscriptions that files declare, and what metadata tells of all.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{BUS, beside, subscriber, until_subscribed};
use crate::app::App;
use crate::sidecar::{Sidecar, refused};

fn declared(name: &str, version: &str, rest: &str) -> String {
    format!(
        "apiVersion: dapr.io/{version}\nkind: Subscription\nmetadata:\n  name: {name}\nspec:\n  pubsubname: bus\n{rest}"
    )
}

async fn nothing() -> App {
    App::start(|_| (http::StatusCode::NOT_FOUND, String::new())).await
}

#[tokio::test]
async fn files_declare_what_the_app_subscribes_to() {
    let components = [
        BUS.to_owned(),
        declared("old", "v1alpha1", "  topic: old\n  route: on-old\n  deadLetterTopic: dead\n  metadata:\n    a: 1\n"),
        declared(
            "new",
            "v2alpha1",
            "  topic: new\n  routes:\n    rules:\n    - match: event.type == 'x'\n      path: /x\n    default: /rest\n",
        ) + "scopes: [app, other]\n",
        declared("hidden", "v2alpha1", "  topic: hidden\n  routes: {default: /hidden}\n") + "scopes: [other]\n",
        declared("twice", "v1alpha1", "  topic: old\n  route: /twice\n"),
        declared("unknown", "v1alpha1", "  topic: lost\n  route: /lost\n").replace("pubsubname: bus", "pubsubname: none"),
    ]
    .join("---\n");
    let app = App::start(|asked| match asked.path.as_str() {
        "/dapr/subscribe" => (http::StatusCode::NOT_FOUND, String::new()),
        _ => (http::StatusCode::OK, String::new()),
    })
    .await;
    let sidecar = beside(&app, &components, 2).await;
    let metadata = sidecar.call("GET", "/v1.0/metadata", "").await.json();
    assert_eq!(
        metadata["subscriptions"],
        json!([
            {
                "pubsubname": "bus", "topic": "old", "metadata": {"a": "1"}, "deadLetterTopic": "dead",
                "rules": [{"match": "", "path": "on-old"}], "type": "DECLARATIVE",
            },
            {
                "pubsubname": "bus", "topic": "new", "metadata": {}, "deadLetterTopic": "",
                "rules": [{"match": "event.type == 'x'", "path": "/x"}, {"match": "", "path": "/rest"}],
                "type": "DECLARATIVE",
            },
        ])
    );
    assert_eq!(metadata["components"][0]["type"], "pubsub.in-memory");
    sidecar.call("POST", "/v1.0/publish/bus/old", "o").await.is_empty();
    sidecar.call("POST", "/v1.0/publish/bus/new?metadata.cloudevent.type=x", "n").await.is_empty();
    sidecar.call("POST", "/v1.0/publish/bus/new", "r").await.is_empty();
    for (path, data) in [("/on-old", "o"), ("/x", "n"), ("/rest", "r")] {
        assert_eq!(app.until_asked(path, 1).await[0].json()["data"], data);
    }
}

#[tokio::test]
async fn what_the_app_says_goes_before_what_is_declared() {
    let components = format!("{BUS}---\n{}", declared("d", "v1alpha1", "  topic: t\n  route: /declared\n"));
    let said = json!([{ "PubsubName": "bus", "Topic": "t", "Route": "/said" }]);
    let app = subscriber(said, |_| (200, "")).await;
    let sidecar = beside(&app, &components, 1).await;
    sidecar.call("POST", "/v1.0/publish/bus/t", "x").await.is_empty();
    app.until_asked("/said", 1).await;
    assert_eq!(app.asked("/declared").len(), 0);
}

#[tokio::test]
async fn what_is_wrong_in_what_the_app_says_is_passed_over_alone() {
    let right = json!({ "pubsubname": "bus", "topic": "right", "route": "/right" });
    let wrong = [
        json!(1),
        json!({}),
        json!({ "pubsubname": "bus" }),
        json!({ "pubsubname": "bus", "topic": "t" }),
        json!({ "pubsubname": "bus", "topic": "t", "route": "a b" }),
        json!({ "pubsubname": "bus", "topic": "t", "route": "\u{0}" }),
        json!({ "pubsubname": "bus", "topic": "t", "routes": { "rules": [{ "match": "((", "path": "/x" }] } }),
        json!({ "pubsubname": "bus", "topic": "t", "route": "/x", "metadata": {"rawPayload": "maybe"} }),
        json!({ "pubsubname": "none", "topic": "t", "route": "/x" }),
        json!({ "pubsubname": "bus", "topic": "t", "route": "/x", "deadLetterTopic": "t" }),
        json!({ "pubsubname": "bus", "topic": [], "route": {} }),
    ];
    let mut said = wrong.to_vec();
    said.push(right);
    let app = subscriber(Value::Array(said), |_| (200, "")).await;
    let sidecar = beside(&app, BUS, 1).await;
    assert_eq!(until_subscribed(&sidecar, 1).await[0]["topic"], "right");
    sidecar.call("POST", "/v1.0/publish/bus/right", "x").await.is_empty();
    app.until_asked("/right", 1).await;
}

#[tokio::test]
async fn an_app_subscribes_to_no_more_than_its_scopes_say() {
    let scoped = format!("{BUS}  metadata:\n  - name: subscriptionScopes\n    value: app=mine\n");
    let said = json!([
        { "pubsubname": "bus", "topic": "theirs", "route": "/theirs" },
        { "pubsubname": "bus", "topic": "mine", "route": "/mine" },
    ]);
    let app = subscriber(said, |_| (200, "")).await;
    let sidecar = beside(&app, &scoped, 1).await;
    for topic in ["theirs", "mine"] {
        sidecar.call("POST", &format!("/v1.0/publish/bus/{topic}"), "x").await.is_empty();
    }
    app.until_asked("/mine", 1).await;
    assert_eq!(app.asked("/theirs").len(), 0);
}

#[test]
fn what_is_wrong_in_a_file_is_named() {
    for (version, rest, message) in [
        ("v1alpha1", "  topic: t\n", "subscription wrong: it has no route"),
        ("v1alpha1", "  route: /x\n", "missing field `topic`"),
        ("v1alpha1", "  topic: ''\n  route: /x\n", "subscription wrong: topic is missing"),
        ("v3", "  topic: t\n  route: /x\n", "that of a Subscription is dapr.io/v1alpha1 or dapr.io/v2alpha1"),
        (
            "v2alpha1",
            "  topic: t\n  routes:\n    rules:\n    - {match: 'event.type ==', path: /x}\n",
            "subscription wrong: the rule \"event.type ==\" is no expression of CEL",
        ),
        ("v1alpha1", "  topic: t\n  route: 'a b'\n", "the path \"a b\" is none"),
        (
            "v1alpha1",
            "  topic: t\n  route: x\n  metadata: {rawPayload: 5}\n",
            "rawPayload value must be a valid boolean",
        ),
        ("v1alpha1", "  topic: t\n  route: x\n  metadata: {a: [1]}\n", "metadata.a is not a text"),
    ] {
        let said = refused(&format!("{BUS}---\n{}", declared("wrong", version, rest)), &[]);
        assert!(said.contains(message) && said.contains("components.yaml"), "{said}");
    }
}

#[tokio::test]
async fn a_reload_begins_and_ends_what_changed_and_nothing_else() {
    let app = App::start(|asked| match asked.path.as_str() {
        "/dapr/subscribe" => (http::StatusCode::NOT_FOUND, String::new()),
        _ => (http::StatusCode::OK, String::new()),
    })
    .await;
    let configuration = tempfile::NamedTempFile::new().unwrap();
    let text = "kind: Configuration\nspec:\n  features:\n  - name: HotReload\n    enabled: true\n";
    std::fs::write(configuration.path(), text).unwrap();
    let arguments =
        ["--app-port", &app.port.to_string(), "--config", &configuration.path().display().to_string()];
    let sidecar = Sidecar::with(
        &format!("{BUS}---\n{}", declared("a", "v1alpha1", "  topic: a\n  route: /a\n")),
        &arguments,
    );
    until_subscribed(&sidecar, 1).await;
    let file = sidecar.folder().join("resources/more.yaml");
    std::fs::write(&file, declared("b", "v1alpha1", "  topic: b\n  route: /b\n")).unwrap();
    until_subscribed(&sidecar, 2).await;
    for topic in ["a", "b"] {
        sidecar.call("POST", &format!("/v1.0/publish/bus/{topic}"), "x").await.is_empty();
        app.until_asked(&format!("/{topic}"), 1).await;
    }
    // What is wrong changes nothing.
    std::fs::write(&file, declared("b", "v1alpha1", "  topic: b\n")).unwrap();
    let other = sidecar.folder().join("resources/other.yaml");
    std::fs::write(&other, declared("c", "v1alpha1", "  topic: c\n  route: /c\n")).unwrap();
    until_subscribed(&sidecar, 3).await;
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(&other).unwrap();
    let left = until_subscribed(&sidecar, 1).await;
    assert_eq!(left[0]["topic"], "a");
    sidecar.call("POST", "/v1.0/publish/bus/b", "x").await.is_empty();
    sidecar.call("POST", "/v1.0/publish/bus/a", "x").await.is_empty();
    app.until_asked("/a", 2).await;
    assert_eq!(app.asked("/b").len(), 1);
}

#[tokio::test]
async fn an_app_that_has_no_subscriptions_is_asked_once() {
    let app = nothing().await;
    let sidecar = Sidecar::with(BUS, &["--app-port", &app.port.to_string()]);
    app.until_asked("/dapr/subscribe", 1).await;
    until_subscribed(&sidecar, 0).await;
    sidecar.call("POST", "/v1.0/publish/bus/t", "to nobody").await.is_empty();
    assert_eq!(app.asked("/").len(), 1);
}

/// An answer counts whole or not at all, and its length is bounded as that of any other.
#[tokio::test]
async fn a_list_of_subscriptions_that_is_too_long_is_not_taken() {
    let asked_before = AtomicBool::new(false);
    let app = App::start(move |asked| match asked.path.as_str() {
        "/dapr/subscribe" => {
            let list = super::one("t").to_string();
            let long = !asked_before.swap(true, Ordering::SeqCst);
            (http::StatusCode::OK, if long { format!("{list:2048}") } else { format!("{list:1024}") })
        }
        _ => (http::StatusCode::OK, String::new()),
    })
    .await;
    let sidecar = Sidecar::with(BUS, &["--app-port", &app.port.to_string(), "--max-body-size", "1Ki"]);
    until_subscribed(&sidecar, 1).await;
    assert_eq!(app.asked("/dapr/subscribe").len(), 2);
}
