//! Many events to the app in one request.

use std::collections::BTreeSet;

use dapr::dapr::proto::runtime::v1::topic_event_bulk_request_entry::Event;
use dapr::dapr::proto::runtime::v1::{
    BulkPublishRequest, BulkPublishRequestEntry, BulkSubscribeConfig, TopicEventBulkRequest,
    TopicEventBulkResponse, TopicEventBulkResponseEntry, TopicSubscription,
};
use serde_json::{Value, json};
use tonic::Status;

use super::app::{GrpcApp, Says, Sent};
use super::{BUS, beside, until_subscribed};
use crate::app::App;
use crate::sidecar::Sidecar;
use crate::wire;

pub(super) fn bulk(topic: &str, most: u32, rest: &Value) -> Value {
    let mut subscription = json!({
        "pubsubname": "bus", "topic": topic, "route": format!("/{topic}"),
        "bulkSubscribe": {"enabled": true, "maxMessagesCount": most, "maxAwaitDurationMs": 60_000},
    });
    subscription.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    subscription
}

/// An app that subscribes to this, and says of each event what the event's own data says.
async fn obedient(subscriptions: Value) -> App {
    App::start(move |asked| {
        if asked.path == "/dapr/subscribe" {
            return (http::StatusCode::OK, subscriptions.to_string());
        }
        let body = asked.json();
        let Some(entries) = body["entries"].as_array() else { return (http::StatusCode::OK, String::new()) };
        let status = |entry: &Value| {
            let status = entry["event"]["data"].as_str().unwrap_or("SUCCESS");
            (status != "silent").then(|| json!({ "entryId": entry["entryId"], "status": status }))
        };
        let mut statuses: Vec<Value> = entries.iter().filter_map(status).collect();
        statuses.push(json!({ "entryId": "nobody's", "status": "SUCCESS" }));
        (http::StatusCode::OK, json!({ "statuses": statuses }).to_string())
    })
    .await
}

pub(super) async fn publish(sidecar: &Sidecar, topic: &str, data: &[&str]) {
    let entries: Vec<Value> = data
        .iter()
        .enumerate()
        .map(|(id, data)| json!({ "entryId": id.to_string(), "event": data, "contentType": "text/plain" }))
        .collect();
    let path = format!("/v1.0/publish/bulk/bus/{topic}");
    sidecar.call("POST", &path, Value::Array(entries).to_string()).await.is_empty();
}

#[tokio::test]
async fn each_of_many_events_is_settled_for_itself() {
    let subscriptions = json!([
        bulk("t", 6, &json!({ "deadLetterTopic": "dead" })),
        { "pubsubname": "bus", "topic": "dead", "route": "/dead" },
    ]);
    let app = obedient(subscriptions).await;
    let sidecar = beside(&app, BUS, 2).await;
    publish(&sidecar, "t", &["SUCCESS", "DROP", "RETRY", "silent", "what", ""]).await;
    let asked = app.until_asked("/t", 1).await.remove(0);
    assert_eq!(asked.header("content-type"), Some("application/json"));
    let body = asked.json();
    assert_eq!((&body["topic"], &body["pubsubname"]), (&json!("t"), &json!("bus")));
    assert_eq!((&body["type"], body["id"].as_str().unwrap().len()), (&json!("com.dapr.event.sent.bulk"), 36));
    let entries = body["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 6);
    for entry in entries {
        assert_eq!(entry["contentType"], "application/cloudevents+json");
        assert_eq!((&entry["event"]["topic"], &entry["event"]["specversion"]), (&json!("t"), &json!("1.0")));
    }
    let dead = app.until_asked("/dead", 5).await;
    let dead: BTreeSet<_> = dead.iter().map(|it| it.json()["data"].as_str().unwrap().to_owned()).collect();
    assert_eq!(dead, ["", "DROP", "RETRY", "silent", "what"].map(str::to_owned).into());
    assert_eq!(app.asked("/t").len(), 1);
}

#[tokio::test]
async fn what_is_to_come_again_comes_again_and_what_came_is_not_waited_for_too_long() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let mut subscription = bulk("t", 100, &json!({}));
    subscription["bulkSubscribe"]["maxAwaitDurationMs"] = json!(20);
    let app = App::start(move |asked| {
        if asked.path == "/dapr/subscribe" {
            return (http::StatusCode::OK, json!([subscription]).to_string());
        }
        match count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => (http::StatusCode::INTERNAL_SERVER_ERROR, String::new()),
            1 => (http::StatusCode::OK, "not JSON".to_owned()),
            _ => {
                let entries = asked.json()["entries"].as_array().unwrap().clone();
                let status = |entry: &Value| json!({ "EntryID": entry["entryId"], "status": "SUCCESS" });
                let statuses: Vec<Value> = entries.iter().map(status).collect();
                (http::StatusCode::OK, json!({ "Statuses": statuses }).to_string())
            }
        }
    })
    .await;
    let sidecar = beside(&app, BUS, 1).await;
    publish(&sidecar, "t", &["one"]).await;
    let asked = app.until_asked("/t", 3).await;
    let data = |asked: &crate::app::Asked| asked.json()["entries"][0]["event"]["data"].clone();
    assert!(asked.iter().all(|asked| data(asked) == "one"));
    publish(&sidecar, "t", &["two"]).await;
    assert_eq!(data(&app.until_asked("/t", 4).await[3]), "two");
}

#[tokio::test]
async fn raw_events_and_paths() {
    let rules = json!({
        "routes": {"rules": [{"match": "event.type == 'x'", "path": "/x"}], "default": "/rest"},
        "route": null,
    });
    let subscriptions =
        json!([bulk("raw", 2, &json!({ "metadata": {"rawPayload": "true"} })), bulk("ruled", 3, &rules),]);
    let app = obedient(subscriptions).await;
    let sidecar = beside(&app, BUS, 2).await;
    for body in ["one", "two"] {
        sidecar.call("POST", "/v1.0/publish/bus/raw?metadata.rawPayload=true", body).await.is_empty();
    }
    let entries = app.until_asked("/raw", 1).await[0].json()["entries"].clone();
    let entry = |index: usize| (entries[index]["contentType"].clone(), entries[index]["event"].clone());
    assert_eq!(entry(0), (json!("application/octet-stream"), json!("b25l")));
    assert_eq!(entry(1), (json!("application/octet-stream"), json!("dHdv")));
    for kind in ["x", "y", "x"] {
        let path = format!("/v1.0/publish/bus/ruled?metadata.cloudevent.type={kind}");
        sidecar.call("POST", &path, "SUCCESS").await.is_empty();
    }
    assert_eq!(app.until_asked("/x", 1).await[0].json()["entries"].as_array().unwrap().len(), 2);
    assert_eq!(app.until_asked("/rest", 1).await[0].json()["entries"].as_array().unwrap().len(), 1);
}

/// Knows one of the two names that the method has.
struct Bulk(&'static str);

impl Says for Bulk {
    fn subscriptions(&self) -> Vec<TopicSubscription> {
        let config =
            BulkSubscribeConfig { enabled: true, max_messages_count: 3, max_await_duration_ms: 60_000 };
        let bulk = TopicSubscription {
            pubsub_name: "bus".to_owned(),
            topic: "t".to_owned(),
            bulk_subscribe: Some(config),
            dead_letter_topic: "dead".to_owned(),
            ..TopicSubscription::default()
        };
        let dead = TopicSubscription {
            topic: "dead".to_owned(),
            bulk_subscribe: None,
            dead_letter_topic: String::new(),
            ..bulk.clone()
        };
        vec![bulk, dead]
    }

    fn many(&self, method: &str, events: &TopicEventBulkRequest) -> Result<TopicEventBulkResponse, Status> {
        if method != self.0 {
            return Err(Status::unimplemented(method));
        }
        // Success, retry and drop.
        let status = |(status, entry): (i32, &dapr::dapr::proto::runtime::v1::TopicEventBulkRequestEntry)| {
            TopicEventBulkResponseEntry { entry_id: entry.entry_id.clone(), status }
        };
        Ok(TopicEventBulkResponse { statuses: (0..).zip(&events.entries).map(status).collect() })
    }
}

#[tokio::test]
async fn over_grpc_by_either_name() {
    for method in ["OnBulkTopicEvent", "OnBulkTopicEventAlpha1"] {
        let app = GrpcApp::start(Bulk(method)).await;
        let arguments = ["--app-protocol", "grpc", "--app-port", &app.port.to_string()];
        let sidecar = Sidecar::with(BUS, &arguments);
        until_subscribed(&sidecar, 2).await;
        let entry = |id: &str| BulkPublishRequestEntry {
            entry_id: id.to_owned(),
            event: id.as_bytes().to_vec(),
            content_type: "text/plain".to_owned(),
            ..BulkPublishRequestEntry::default()
        };
        let request = BulkPublishRequest {
            pubsub_name: "bus".to_owned(),
            topic: "t".to_owned(),
            entries: vec![entry("a"), entry("b"), entry("c")],
            ..BulkPublishRequest::default()
        };
        let mut client = wire::grpc(&sidecar.grpc()).await;
        #[expect(deprecated, reason = "older clients call it")]
        let published = match method {
            "OnBulkTopicEvent" => client.bulk_publish_event(request).await,
            _ => client.bulk_publish_event_alpha1(request).await,
        };
        assert_eq!(published.unwrap().into_inner().failed_entries, []);
        let sent = app.until_sent(3).await;
        let Sent::Many(asked, events) = &sent[0] else { panic!("{sent:?}") };
        assert_eq!(
            (asked.as_str(), events.topic.as_str(), events.pubsub_name.as_str()),
            (method, "t", "bus")
        );
        assert_eq!((events.r#type.as_str(), events.id.len()), ("com.dapr.event.sent.bulk", 36));
        let data: Vec<&[u8]> = events
            .entries
            .iter()
            .map(|entry| match entry.event.as_ref().unwrap() {
                Event::CloudEvent(event) => &event.data[..],
                Event::Bytes(_) => panic!("raw"),
            })
            .collect();
        assert_eq!(data, [b"a", b"b", b"c"]);
        let dead = sent[1..].iter().map(|sent| match sent {
            Sent::One(_, event) => event.data.clone(),
            Sent::Many(..) => panic!("{sent:?}"),
        });
        assert_eq!(dead.collect::<BTreeSet<_>>(), [b"b".to_vec(), b"c".to_vec()].into());
    }
}
