//! Dapr's `Resiliency` on many events in one request.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use dapr::dapr::proto::runtime::v1::{
    BulkSubscribeConfig, TopicEventBulkRequest, TopicEventBulkResponse, TopicEventBulkResponseEntry,
    TopicSubscription,
};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tonic::Status;

use super::app::{GrpcApp, Says, Sent};
use super::bulk::{bulk, publish};
use super::{BUS, beside, until_subscribed};
use crate::app::{App, Asked};
use crate::raw::{self, Raw};
use crate::resiliency::with;
use crate::sidecar::Sidecar;

/// Deliveries of the component `bus` are tried again so often.
fn again(times: i32) -> String {
    let spec = format!(
        "{{policies: {{retries: {{quick: {{duration: 1ms, maxRetries: {times}}}}}}},
            targets: {{components: {{bus: {{inbound: {{retry: quick}}}}}}}}}}"
    );
    with(BUS, &spec)
}

/// Says of each entry what `status` does of its data.
fn statuses(body: &Value, status: impl Fn(&str) -> &'static str) -> String {
    let entries = body["entries"].as_array().unwrap().iter();
    let of_entry = |entry: &Value| {
        let data = entry["event"]["data"].as_str().unwrap();
        json!({ "entryId": entry["entryId"], "status": status(data) })
    };
    json!({ "statuses": entries.map(of_entry).collect::<Vec<_>>() }).to_string()
}

/// The data and the ids of the events that were asked for.
fn entries(asked: &Asked) -> Vec<(String, String)> {
    let body = asked.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entry = |entry: &Value| (text(&entry["event"]["data"]), text(&entry["entryId"]));
    body["entries"].as_array().unwrap().iter().map(entry).collect()
}

fn dead() -> Value {
    json!({ "pubsubname": "bus", "topic": "dead", "route": "/dead" })
}

#[tokio::test]
async fn of_many_events_only_those_that_failed_are_tried_again() {
    let subscriptions = json!([bulk("t", 2, &json!({ "deadLetterTopic": "dead" })), dead()]);
    let count = AtomicUsize::new(0);
    let app = App::start(move |asked| {
        let ok = |body: String| (StatusCode::OK, body);
        match asked.path.as_str() {
            "/dapr/subscribe" => ok(subscriptions.to_string()),
            "/t" => match count.fetch_add(1, Ordering::SeqCst) {
                0 => ok(statuses(&asked.json(), |data| if data == "good" { "SUCCESS" } else { "RETRY" })),
                1 => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
                2 => ok(statuses(&asked.json(), |_| "SUCCESS")),
                _ => ok(statuses(&asked.json(), |_| "DROP")),
            },
            _ => ok(String::new()),
        }
    })
    .await;
    let sidecar = beside(&app, &again(5), 2).await;
    publish(&sidecar, "t", &["good", "bad"]).await;
    let asked: Vec<_> = app.until_asked("/t", 3).await.iter().map(entries).collect();
    let data: Vec<&str> = asked[0].iter().map(|(data, _)| data.as_str()).collect();
    assert_eq!(data, ["good", "bad"]);
    assert_eq!(asked[1], asked[0][1..]);
    assert_eq!(asked[2], asked[0][1..]);
    // What is dropped is not tried again, and all that is dead.
    publish(&sidecar, "t", &["third", "fourth"]).await;
    let dead = app.until_asked("/dead", 2).await;
    let dead: BTreeSet<_> = dead.iter().map(|it| it.json()["data"].as_str().unwrap().to_owned()).collect();
    assert_eq!(dead, ["third", "fourth"].map(str::to_owned).into());
    assert_eq!(app.asked("/t").len(), 4);
}

#[tokio::test]
async fn many_events_are_tried_as_often_as_the_policy_says_and_no_others_wait_for_them() {
    let rules = json!({
        "routes": {"rules": [{"match": "event.type == 'x'", "path": "/x"}], "default": "/y"},
        "route": null,
    });
    let subscriptions =
        json!([bulk("t", 1, &json!({ "deadLetterTopic": "dead" })), bulk("ruled", 2, &rules), dead()]);
    let app = App::start(move |asked| match asked.path.as_str() {
        "/dapr/subscribe" => (StatusCode::OK, subscriptions.to_string()),
        "/t" => (StatusCode::OK, statuses(&asked.json(), |_| "RETRY")),
        "/y" => (StatusCode::OK, statuses(&asked.json(), |_| "SUCCESS")),
        "/x" => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        _ => (StatusCode::OK, String::new()),
    })
    .await;
    let sidecar = beside(&app, &again(2), 3).await;
    publish(&sidecar, "t", &["one"]).await;
    app.until_asked("/dead", 1).await;
    assert_eq!(app.asked("/t").len(), 3);
    drop(sidecar);

    let sidecar = beside(&app, &again(-1), 3).await;
    for kind in ["x", "y"] {
        let path = format!("/v1.0/publish/bus/ruled?metadata.cloudevent.type={kind}");
        sidecar.call("POST", &path, "1").await.is_empty();
    }
    app.until_asked("/y", 1).await;
    app.until_asked("/x", 10).await;
}

#[tokio::test]
async fn many_events_to_an_app_that_is_silent_come_again() {
    let (heard, mut hearing) = tokio::sync::watch::channel(Vec::new());
    let app = Raw::start(move |request| {
        let heard = heard.clone();
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let answer = statuses(&body, |_| "SUCCESS");
            heard.send_modify(|all| all.push(body["entries"].clone()));
            if heard.borrow().len() == 1 {
                std::future::pending::<()>().await;
            }
            Response::new(raw::full(answer))
        }
    })
    .await;
    let subscription = "---\napiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: {name: s}\n\
                        spec: {topic: t, pubsubname: bus, routes: {default: /t},\n  \
                        bulkSubscribe: {enabled: true, maxMessagesCount: 2, maxAwaitDurationMs: 60000}}\n";
    let spec = "{policies: {timeouts: {short: 100ms}, retries: {quick: {duration: 1ms}}},
        targets: {components: {bus: {inbound: {timeout: short, retry: quick}}}}}";
    let port = app.port.to_string();
    let sidecar = Sidecar::with(&with(&format!("{BUS}{subscription}"), spec), &["--app-port", &port]);
    until_subscribed(&sidecar, 1).await;
    publish(&sidecar, "t", &["one", "two"]).await;
    let heard = hearing.wait_for(|heard| heard.len() >= 2).await.unwrap().clone();
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[0].as_array().unwrap().len(), 2);
}

/// Wants the second of the first events again, and takes all others.
struct Unwilling(AtomicUsize);

impl Says for Unwilling {
    fn subscriptions(&self) -> Vec<TopicSubscription> {
        let config =
            BulkSubscribeConfig { enabled: true, max_messages_count: 2, max_await_duration_ms: 60_000 };
        vec![TopicSubscription {
            pubsub_name: "bus".to_owned(),
            topic: "t".to_owned(),
            bulk_subscribe: Some(config),
            ..TopicSubscription::default()
        }]
    }

    fn many(&self, _: &str, events: &TopicEventBulkRequest) -> Result<TopicEventBulkResponse, Status> {
        let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        let ids = events.entries.iter().map(|entry| entry.entry_id.clone());
        let status = |(place, entry_id)| TopicEventBulkResponseEntry {
            entry_id,
            status: i32::from(first && place == 1),
        };
        Ok(TopicEventBulkResponse { statuses: ids.enumerate().map(status).collect() })
    }
}

#[tokio::test]
async fn over_grpc_only_those_that_failed_are_tried_again_too() {
    let app = GrpcApp::start(Unwilling(AtomicUsize::new(0))).await;
    let port = app.port.to_string();
    let sidecar = Sidecar::with(&again(5), &["--app-protocol", "grpc", "--app-port", &port]);
    until_subscribed(&sidecar, 1).await;
    publish(&sidecar, "t", &["one", "two"]).await;
    let sent = app.until_sent(2).await;
    let [Sent::Many(_, first), Sent::Many(_, second)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((first.entries.len(), &second.entries[..]), (2, &first.entries[1..]));
}
