//! Events to an app that speaks gRPC.

use std::sync::atomic::{AtomicUsize, Ordering};

use dapr::dapr::proto::runtime::v1::{
    GetMetadataRequest, PublishEventRequest, PubsubSubscriptionType, TopicEventRequest, TopicRoutes,
    TopicRule, TopicSubscription,
};
use prost_types::value::Kind;
use tonic::Status;

use super::app::{GrpcApp, Says, Sent};
use super::{BUS, until_subscribed};
use crate::app::free_port;
use crate::sidecar::Sidecar;
use crate::wire;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Subscribes to `t` by rules, and to what is dead of it.
#[derive(Default)]
struct App {
    asked: AtomicUsize,
}

impl Says for App {
    fn subscriptions(&self) -> Vec<TopicSubscription> {
        let routes = TopicRoutes {
            rules: vec![TopicRule {
                r#match: "event.type == 'gadget'".to_owned(),
                path: "gadgets".to_owned(),
            }],
            default: String::new(),
        };
        let of = |topic: &str| TopicSubscription {
            pubsub_name: "bus".to_owned(),
            topic: topic.to_owned(),
            ..TopicSubscription::default()
        };
        let rules = TopicSubscription { routes: Some(routes), ..of("ruled") };
        let dead = TopicSubscription { dead_letter_topic: "dead".to_owned(), ..of("deadly") };
        let raw = TopicSubscription {
            metadata: [("rawPayload".to_owned(), "true".to_owned())].into(),
            ..of("raw")
        };
        vec![of("t"), rules, dead, of("dead"), raw]
    }

    fn one(&self, event: &TopicEventRequest) -> Result<i32, Status> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        match &event.data[..] {
            b"drop" if event.topic == "deadly" => Ok(2),
            b"fail" if event.topic == "deadly" => Err(Status::internal("no")),
            b"unimplemented" => Err(Status::unimplemented("no")),
            b"retry" if asked < 3 => Ok(1),
            b"fail" if asked < 3 => Err(Status::unavailable("later")),
            b"unknown" if asked < 3 => Ok(7),
            _ => Ok(0),
        }
    }
}

async fn start() -> (GrpcApp, Sidecar) {
    // It may come again there.
    let app = GrpcApp::start_at(free_port(), App::default()).await;
    let arguments = ["--app-protocol", "grpc", "--app-port", &app.port.to_string()];
    let sidecar = Sidecar::with(BUS, &arguments);
    until_subscribed(&sidecar, 5).await;
    (app, sidecar)
}

async fn publish(sidecar: &Sidecar, topic: &str, content_type: &str, data: &[u8], metadata: &[(&str, &str)]) {
    let request = PublishEventRequest {
        pubsub_name: "bus".to_owned(),
        topic: topic.to_owned(),
        data: data.to_vec(),
        data_content_type: content_type.to_owned(),
        metadata: metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    let mut request = tonic::Request::new(request);
    request.metadata_mut().insert("traceparent", PARENT.parse().unwrap());
    wire::grpc(&sidecar.grpc()).await.publish_event(request).await.unwrap();
}

#[tokio::test]
async fn an_event_arrives_as_a_message() {
    let (app, sidecar) = start().await;
    publish(&sidecar, "t", "application/json", b"{\"n\": 1}", &[("cloudevent.subject", "s")]).await;
    let Sent::One(headers, event) = app.until_sent(1).await.remove(0) else { panic!("many") };
    assert_eq!((event.pubsub_name.as_str(), event.topic.as_str(), event.path.as_str()), ("bus", "t", ""));
    assert_eq!((event.source.as_str(), event.spec_version.as_str()), ("app", "1.0"));
    assert_eq!((event.r#type.as_str(), event.id.len()), ("com.dapr.event.sent", 36));
    assert_eq!((&event.data[..], event.data_content_type.as_str()), (&b"{\"n\": 1}"[..], "application/json"));
    let extensions = event.extensions.unwrap().fields;
    let mut names: Vec<_> = extensions.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = ["pubsubname", "subject", "time", "topic", "traceid", "traceparent", "tracestate"];
    assert_eq!(names, expected);
    assert_eq!(extensions["traceparent"].kind, Some(Kind::StringValue(PARENT.to_owned())));
    assert_eq!(
        (headers["traceparent"].as_bytes(), headers["pubsubname"].as_bytes()),
        (PARENT.as_bytes(), &b"bus"[..])
    );
    assert!(headers.contains_key("grpc-trace-bin"));
}

#[tokio::test]
async fn no_bytes_are_lost_on_the_way() {
    let (app, sidecar) = start().await;
    let all: Vec<u8> = (0..=255).collect();
    let cases: [(&str, &str, &[u8]); 9] = [
        ("t", "text/plain", b"text"),
        ("t", "", b"nothing said"),
        ("t", "application/octet-stream", &all),
        ("t", "image/png", &all),
        ("t", "application/x-protobuf", b"\x08\x01"),
        ("t", "text/plain", b"\xff"),
        ("t", "application/json", b"null"),
        ("t", "application/json", b"[1.50,\"\xc3\xa4\"]"),
        ("raw", "text/plain", &all),
    ];
    for (index, (topic, content_type, data)) in cases.into_iter().enumerate() {
        let raw: &[_] = if topic == "raw" { &[("rawPayload", "true")] } else { &[] };
        publish(&sidecar, topic, content_type, data, raw).await;
        let events = app.until_events(index + 1).await;
        // What is null is nothing.
        let expected = if data == b"null" { b"" } else { data };
        assert_eq!(events[index].data, expected, "{content_type}");
    }
}

#[tokio::test]
async fn what_the_app_says_decides_what_becomes_of_an_event() {
    for (topic, data, times) in [
        ("t", "done", 1),
        ("t", "retry", 4),
        ("t", "fail", 4),
        ("t", "unknown", 4),
        ("t", "unimplemented", 1),
        ("deadly", "drop", 2),
        ("deadly", "fail", 2),
        ("deadly", "unimplemented", 1),
    ] {
        let (app, sidecar) = start().await;
        publish(&sidecar, topic, "text/plain", data.as_bytes(), &[]).await;
        let events = app.until_events(times).await;
        let topics: Vec<_> = events.iter().map(|event| event.topic.as_str()).collect();
        match (topic, times) {
            ("deadly", 2) => assert_eq!(topics, ["deadly", "dead"], "{data}"),
            _ => assert!(topics.iter().all(|it| *it == topic), "{data}"),
        }
        publish(&sidecar, "t", "text/plain", b"last", &[]).await;
        let events = app.until_events(times + 1).await;
        assert_eq!((events.len(), &events[times].data[..]), (times + 1, &b"last"[..]), "{data}");
    }
}

#[tokio::test]
async fn rules_and_metadata() {
    let (app, sidecar) = start().await;
    publish(&sidecar, "ruled", "", b"x", &[("cloudevent.type", "widget")]).await;
    publish(&sidecar, "ruled", "", b"x", &[("cloudevent.type", "gadget")]).await;
    let events = app.until_events(1).await;
    assert_eq!((events[0].path.as_str(), events[0].r#type.as_str()), ("gadgets", "gadget"));
    let metadata =
        wire::grpc(&sidecar.grpc()).await.get_metadata(GetMetadataRequest {}).await.unwrap().into_inner();
    let subscription = |topic: &str| metadata.subscriptions.iter().find(|it| it.topic == topic).unwrap();
    let ruled = subscription("ruled");
    assert_eq!(ruled.r#type, PubsubSubscriptionType::Programmatic as i32);
    let rules = &ruled.rules.as_ref().unwrap().rules;
    assert_eq!((rules[0].r#match.as_str(), rules[0].path.as_str()), ("event.type == 'gadget'", "gadgets"));
    assert_eq!(subscription("deadly").dead_letter_topic, "dead");
    assert_eq!(subscription("raw").metadata["rawPayload"], "true");
}

#[tokio::test]
async fn an_app_that_is_away_makes_no_event_dead() {
    let (app, sidecar) = start().await;
    publish(&sidecar, "deadly", "", b"0", &[]).await;
    app.until_events(1).await;
    let port = app.port;
    drop(app);
    for data in [b"1", b"2", b"3"] {
        publish(&sidecar, "deadly", "", data, &[]).await;
    }
    let app = GrpcApp::start_at(port, App::default()).await;
    let mut events = app.until_events(3).await;
    events.sort_by(|left, right| left.data.cmp(&right.data));
    let met: Vec<_> = events.iter().map(|event| (event.topic.as_str(), &event.data[..])).collect();
    assert_eq!(met, [("deadly", &b"1"[..]), ("deadly", b"2"), ("deadly", b"3")]);
}
