//! Events on their way to an app that speaks HTTP, and what it says of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use serde_json::json;

use super::{BUS, beside, one, subscriber};

#[tokio::test]
async fn what_the_app_says_decides_what_becomes_of_an_event() {
    // How often an event is delivered, and whether it is a dead letter then.
    for (answer, times, dead) in [
        ((200, ""), 1, false),
        ((204, ""), 1, false),
        ((299, "OK"), 1, false),
        ((200, "{\"status\":\"SUCCESS\"}"), 1, false),
        ((200, "{\"status\":\"\"}"), 1, false),
        ((200, "[1"), 1, false),
        ((404, ""), 1, false),
        ((200, "{\"status\":\"DROP\"}"), 1, true),
        ((200, "{\"status\":\"RETRY\"}"), 1, true),
        ((200, "{\"status\":\"what\"}"), 1, true),
        ((500, ""), 1, true),
        ((301, ""), 1, true),
        ((400, ""), 1, true),
    ] {
        let subscriptions = json!([
            { "pubsubname": "bus", "topic": "t", "route": "/on", "deadLetterTopic": "dead" },
            { "pubsubname": "bus", "topic": "dead", "route": "/dead" },
            { "pubsubname": "bus", "topic": "last", "route": "/last" },
        ]);
        let app = subscriber(subscriptions, move |asked| match asked.path.as_str() {
            "/on" => answer,
            _ => (200, ""),
        })
        .await;
        let sidecar = beside(&app, BUS, 3).await;
        sidecar.call("POST", "/v1.0/publish/bus/t", "event").await.is_empty();
        app.until_asked("/on", 1).await;
        if dead {
            let letters = app.until_asked("/dead", 1).await;
            assert_eq!(letters[0].json()["data"], "event", "{answer:?}");
            assert_eq!(letters[0].json()["id"], app.asked("/on")[0].json()["id"], "as it was");
        } else {
            // One that comes later is there first: nothing is on its way any more.
            sidecar.call("POST", "/v1.0/publish/bus/last", "x").await.is_empty();
            app.until_asked("/last", 1).await;
            assert_eq!(app.asked("/dead").len(), 0, "{answer:?}");
        }
        assert_eq!(app.asked("/on").len(), times, "{answer:?}");
    }
}

#[tokio::test]
async fn an_event_comes_again_until_it_is_dealt_with() {
    for again in [(200, "{\"status\":\"RETRY\"}"), (503, ""), (200, "{\"status\":\"later\"}")] {
        let count = Arc::new(AtomicUsize::new(0));
        let app = subscriber(one("t"), move |_| match count.fetch_add(1, Ordering::Relaxed) {
            0..3 => again,
            _ => (200, ""),
        })
        .await;
        let sidecar = beside(&app, BUS, 1).await;
        sidecar.call("POST", "/v1.0/publish/bus/t", "event").await.is_empty();
        let asked = app.until_asked("/on/t", 4).await;
        assert!(asked.iter().all(|other| other.body == asked[0].body), "it is the same event");
        sidecar.call("POST", "/v1.0/publish/bus/t", "other").await.is_empty();
        let asked = app.until_asked("/on/t", 5).await;
        assert_eq!(asked[4].json()["data"], "other");
    }
}

#[tokio::test]
async fn rules_say_which_path_an_event_is_for() {
    let subscriptions = json!([{
        "pubsubname": "bus", "topic": "t", "deadLetterTopic": "dead",
        "routes": {
            "rules": [
                { "match": "event.type == 'widget' && event.data.n > 1", "path": "/many" },
                { "match": "event.type == 'widget'", "path": "/widgets" },
            ],
            "default": "/others",
        },
    }, {
        "pubsubname": "bus", "topic": "dead", "route": "/dead",
    }, {
        "pubsubname": "bus", "topic": "bound",
        "routes": { "rules": [{ "match": "event.data.wanted", "path": "/wanted" }] },
    }]);
    let app = subscriber(subscriptions, |_| (200, "")).await;
    let sidecar = beside(&app, BUS, 3).await;
    let publish = async |topic: &str, kind: &str, body: &str| {
        let path = format!("/v1.0/publish/bus/{topic}?metadata.cloudevent.type={kind}");
        let headers = [("content-type", "application/json")];
        crate::wire::call(&sidecar.http(), "POST", &path, &headers, body).await.is_empty();
    };
    publish("t", "widget", r#"{"n": 2}"#).await;
    publish("t", "widget", r#"{"n": 1}"#).await;
    publish("t", "gadget", "{}").await;
    for (path, kind) in [("/many", "widget"), ("/widgets", "widget"), ("/others", "gadget")] {
        assert_eq!(app.until_asked(path, 1).await[0].json()["type"], kind);
    }
    // A rule that cannot be asked fails the event.
    publish("t", "widget", "[]").await;
    assert_eq!(app.until_asked("/dead", 1).await[0].json()["data"], json!([]));
    // What meets no rule goes.
    publish("bound", "x", r#"{"wanted": false}"#).await;
    publish("bound", "x", r#"{"wanted": true}"#).await;
    app.until_asked("/wanted", 1).await;
    assert_eq!(app.asked("/").len(), 6, "with the question for subscriptions");
}

#[tokio::test]
async fn what_is_no_event_is_never_lost() {
    let subscriptions = json!([
        { "pubsubname": "bus", "topic": "t", "route": "/on", "deadLetterTopic": "dead" },
        { "pubsubname": "bus", "topic": "dead", "route": "/dead", "metadata": {"rawPayload": "true"} },
    ]);
    let app = subscriber(subscriptions, |_| (200, "")).await;
    let sidecar = beside(&app, BUS, 2).await;
    for (index, body) in
        [&b"not json"[..], b"[1]", b"\xff\xfe", b"", b"null", b"{\"a\":"].into_iter().enumerate()
    {
        sidecar.call("POST", "/v1.0/publish/bus/t?metadata.rawPayload=true", body).await.is_empty();
        let letters = app.until_asked("/dead", index + 1).await;
        let text = letters[index].json()["data_base64"].as_str().unwrap().to_owned();
        assert_eq!(base64::engine::general_purpose::STANDARD.decode(text).unwrap(), body);
    }
    assert_eq!(app.asked("/on").len(), 0);
}

#[tokio::test]
async fn an_event_that_has_expired_is_not_delivered() {
    let subscriptions = json!([
        { "pubsubname": "bus", "topic": "t", "route": "/on", "deadLetterTopic": "dead" },
        // As it is: a dead letter that has expired is no more delivered than another.
        { "pubsubname": "bus", "topic": "dead", "route": "/dead", "metadata": {"rawPayload": "true"} },
    ]);
    let app = subscriber(subscriptions, |_| (200, "")).await;
    let sidecar = beside(&app, BUS, 2).await;
    let expired = r#"{"id":"late","expiration":"2001-01-01T00:00:00Z"}"#;
    sidecar.call("POST", "/v1.0/publish/bus/t?metadata.rawPayload=true", expired).await.is_empty();
    let letter = app.until_asked("/dead", 1).await[0].json();
    assert_eq!(letter["data_base64"], base64::engine::general_purpose::STANDARD.encode(expired));
    assert_eq!(app.asked("/on").len(), 0);
    sidecar.call("POST", "/v1.0/publish/bus/t?metadata.ttlInSeconds=600", "x").await.is_empty();
    assert!(app.until_asked("/on", 1).await[0].json()["expiration"].is_string());
}

#[tokio::test]
async fn metrics_count_what_is_published_and_delivered() {
    let subscriptions = json!([
        { "pubsubname": "bus", "topic": "t", "route": "/on", "deadLetterTopic": "dead" },
        { "pubsubname": "bus", "topic": "many", "route": "/many", "bulkSubscribe": {"enabled": true, "maxMessagesCount": 2} },
    ]);
    let app = subscriber(subscriptions, |asked| match (asked.path.as_str(), asked.json()["data"].as_str()) {
        ("/on", Some("drop")) => (200, "{\"status\":\"DROP\"}"),
        ("/on", Some("fail")) => (500, ""),
        ("/many", _) => (404, ""),
        _ => (200, ""),
    })
    .await;
    let sidecar = beside(&app, BUS, 2).await;
    for data in ["good", "good", "drop", "fail"] {
        sidecar.call("POST", "/v1.0/publish/bus/t", data).await.is_empty();
    }
    let entries = r#"[{"entryId":"a","event":"x"},{"entryId":"b","event":"y"}]"#;
    sidecar.call("POST", "/v1.0/publish/bulk/bus/many", entries).await.is_empty();
    let mut missing = vec![
        ("dapr_component_pubsub_egress_count", "success=\"true\",topic=\"t\"", "4"),
        ("dapr_component_bulk_pubsub_egress_count", "success=\"true\",topic=\"many\"", "1"),
        ("dapr_component_pubsub_ingress_count", "process_status=\"success\",topic=\"t\"", "2"),
        ("dapr_component_pubsub_ingress_count", "process_status=\"drop\",topic=\"t\"", "1"),
        ("dapr_component_pubsub_ingress_count", "process_status=\"retry\",topic=\"t\"", "1"),
        ("dapr_component_bulk_pubsub_ingress_count", "process_status=\"drop\",topic=\"many\"", "2"),
    ];
    while !missing.is_empty() {
        let at = crate::wire::At::Tcp(sidecar.text("metrics"));
        let answer = crate::wire::call(&at, "GET", "/metrics", &[], "").await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        missing.retain(|(name, labels, count)| {
            !text.lines().any(|line| {
                line.starts_with(name) && line.contains(labels) && line.ends_with(&format!(" {count}"))
            })
        });
    }
}
