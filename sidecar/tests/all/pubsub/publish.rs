//! What a publisher says, as it reaches an app.

use serde_json::{Value, json};

use super::{BUS, beside, one, subscriber};
use crate::wire;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const NO_PARENT: &str = "00-00000000000000000000000000000000-0000000000000000-00";

#[tokio::test]
async fn an_event_reaches_the_app_in_daprs_envelope() {
    let app = subscriber(one("orders/new"), |_| (200, "")).await;
    let sidecar = beside(&app, BUS, 1).await;
    let headers = [("content-type", "application/json"), ("traceparent", PARENT), ("tracestate", "a=b")];
    let body = r#"{"order": 1.50}"#;
    for method in ["POST", "PUT"] {
        let path = "/v1.0/publish/bus/orders%2Fnew";
        wire::call(&sidecar.http(), method, path, &headers, body).await.is_empty();
    }
    wire::call(&sidecar.http_socket(), "POST", "/v1.0/publish/bus/orders/new?", &[], "text").await.is_empty();
    let asked = app.until_asked("/on/orders/new", 3).await;
    let known = asked.iter().find(|asked| asked.json()["data"] == json!({"order": 1.5})).unwrap();
    assert_eq!(
        (known.method.as_str(), known.header("content-type")),
        ("POST", Some("application/cloudevents+json"))
    );
    assert_eq!((known.header("traceparent"), known.header("tracestate")), (Some(PARENT), Some("a=b")));
    assert_eq!(known.header("pubsubname"), Some("bus"));
    let mut event = known.json();
    let fields = event.as_object_mut().unwrap();
    assert_eq!(fields.remove("id").unwrap().as_str().unwrap().len(), 36);
    assert!(fields.remove("time").unwrap().as_str().unwrap().contains('T'));
    assert_eq!(
        event,
        json!({
            "data": {"order": 1.5},
            "datacontenttype": "application/json",
            "pubsubname": "bus",
            "source": "app",
            "specversion": "1.0",
            "topic": "orders/new",
            "traceid": PARENT,
            "traceparent": PARENT,
            "tracestate": "a=b",
            "type": "com.dapr.event.sent",
        })
    );
    let text = asked.iter().find(|asked| asked.json()["data"] == "text").unwrap().json();
    assert_eq!((&text["datacontenttype"], &text["traceparent"]), (&json!("text/plain"), &json!(NO_PARENT)));
}

#[tokio::test]
async fn what_is_published_arrives_whatever_it_is() {
    let app = subscriber(one("t"), |_| (200, "")).await;
    let sidecar = beside(&app, BUS, 1).await;
    let all: Vec<u8> = (0..=255).collect();
    let cases: [(&str, &[u8], &str, Value); 8] = [
        ("text/plain", b"plain", "data", json!("plain")),
        ("application/json", b"{not json", "data", json!("{not json")),
        ("application/json", b"", "data", json!("")),
        ("application/json", b"null", "data", Value::Null),
        ("application/octet-stream", b"\x00\xff", "data_base64", json!("AP8=")),
        ("text/plain", b"\xff\xfe", "data_base64", json!("//4=")),
        ("application/json", b"\"\xc3\x28\"", "data_base64", json!("IsMoIg==")),
        ("image/png", &all, "data_base64", json!(base64(&all))),
    ];
    for (index, (content_type, body, field, expected)) in cases.into_iter().enumerate() {
        let headers = [("content-type", content_type)];
        let path = format!("/v1.0/publish/bus/t?metadata.cloudevent.id={index}");
        wire::call(&sidecar.http(), "POST", &path, &headers, body).await.is_empty();
        let asked = app.until_asked("/on/t", index + 1).await;
        let event = asked.last().unwrap().json();
        assert_eq!((&event["id"], &event[field]), (&json!(index.to_string()), &expected), "{content_type}");
    }
}

#[tokio::test]
async fn an_event_in_its_own_envelope_is_kept() {
    let app = subscriber(one("t"), |_| (200, "")).await;
    let sidecar = beside(&app, BUS, 1).await;
    let headers = [("content-type", "application/cloudevents+json"), ("traceparent", PARENT)];
    let event = r#"{"specversion":"1.0","id":"mine","source":"me","type":"order","topic":"lie","data":{"a":1},"extra":true}"#;
    wire::call(&sidecar.http(), "POST", "/v1.0/publish/bus/t?metadata.ttlInSeconds=60", &headers, event)
        .await
        .is_empty();
    let mut event = app.until_asked("/on/t", 1).await[0].json();
    assert!(event.as_object_mut().unwrap().remove("expiration").unwrap().as_str().unwrap().ends_with('Z'));
    assert_eq!(
        event,
        json!({
            "specversion": "1.0", "id": "mine", "source": "me", "type": "order", "topic": "t", "data": {"a": 1},
            "extra": true, "pubsubname": "bus", "traceid": PARENT, "traceparent": PARENT, "tracestate": "",
        })
    );
}

#[tokio::test]
async fn metadata_overrides_the_envelope() {
    let app = subscriber(one("t"), |_| (200, "")).await;
    let sidecar = beside(&app, BUS, 1).await;
    let path = "/v1.0/publish/bus/t?metadata.cloudevent.id=1&metadata.cloudevent.source=s&metadata.cloudevent.type=t\
                &metadata.cloudevent.subject=sub&metadata.cloudevent.traceparent=p&metadata.cloudevent.tracestate=st";
    sidecar.call("POST", path, "x").await.is_empty();
    let event = app.until_asked("/on/t", 1).await[0].json();
    let fields = ["id", "source", "type", "subject", "traceid", "traceparent", "tracestate"];
    assert_eq!(fields.map(|field| event[field].as_str().unwrap()), ["1", "s", "t", "sub", "p", "p", "st"]);
}

#[tokio::test]
async fn a_raw_payload_has_no_envelope_and_may_get_one_on_its_way_to_the_app() {
    let subscriptions = json!([
        { "pubsubname": "bus", "topic": "t", "route": "raw", "metadata": {"rawPayload": "true"} },
        { "pubsubname": "bus", "topic": "own", "route": "own" },
    ]);
    let app = subscriber(subscriptions, |_| (200, "")).await;
    let sidecar = beside(&app, BUS, 2).await;
    let bytes = b"\x00\xff not text";
    sidecar.call("POST", "/v1.0/publish/bus/t?metadata.rawPayload=true", &bytes[..]).await.is_empty();
    let event = app.until_asked("/raw", 1).await[0].json();
    assert_eq!(event["data_base64"], base64(bytes));
    let fields = ["datacontenttype", "source", "type", "specversion", "topic", "pubsubname"];
    let expected = ["application/octet-stream", "Dapr", "com.dapr.event.sent", "1.0", "t", "bus"];
    assert_eq!(fields.map(|field| event[field].as_str().unwrap()), expected);
    // What is an object is an event to whoever subscribes without saying that it is raw.
    let own = r#"{"order":  1}"#;
    sidecar.call("POST", "/v1.0/publish/bus/own?metadata.rawPayload=true", own).await.is_empty();
    assert_eq!(&app.until_asked("/own", 1).await[0].body[..], own.as_bytes());
}

#[tokio::test]
async fn many_events_are_published_at_once() {
    let app = subscriber(one("t"), |_| (200, "")).await;
    let sidecar = beside(&app, BUS, 1).await;
    let entries = json!([
        { "entryId": "1", "event": {"a": 1}, "contentType": "application/json" },
        { "entryID": "2", "event": "text", "contentType": "text/plain", "metadata": {"cloudevent.type": "own"} },
        { "EntryId": "3", "event": "AP8=", "contentType": "application/octet-stream" },
        { "entryId": "4", "event": {"id": "mine", "data": 4}, "contentType": "application/cloudevents+json" },
        { "entryId": "5", "event": [5] },
        { "entryId": "6", "event": "six" },
    ]);
    for path in ["/v1.0/publish/bulk/bus/t", "/v1.0-alpha1/publish/bulk/bus/t?metadata.cloudevent.source=all"]
    {
        sidecar.call("POST", path, entries.to_string()).await.is_empty();
    }
    sidecar.call("PUT", "/v1.0/publish/bulk/bus/t", "[]").await.is_empty();
    let asked = app.until_asked("/on/t", 12).await;
    let events: Vec<Value> = asked.iter().map(crate::app::Asked::json).collect();
    let count = |field: &str, value: Value| events.iter().filter(|event| event[field] == value).count();
    for data in [json!({"a": 1}), json!("text"), json!(4), json!([5]), json!("six")] {
        assert_eq!(count("data", data.clone()), 2, "{data}");
    }
    assert_eq!((count("data_base64", json!("AP8=")), count("type", json!("own"))), (2, 2));
    assert_eq!((count("source", json!("all")), count("id", json!("mine"))), (5, 2));
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
