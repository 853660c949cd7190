//! Subscriptions that are streams.

use dapr::dapr::proto::runtime::v1::subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Asked;
use dapr::dapr::proto::runtime::v1::subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Told;
use dapr::dapr::proto::runtime::v1::{
    SubscribeTopicEventsRequestAlpha1, SubscribeTopicEventsRequestInitialAlpha1,
    SubscribeTopicEventsRequestProcessedAlpha1, SubscribeTopicEventsResponseAlpha1, TopicEventRequest,
    TopicEventResponse,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, Streaming};

use super::{BUS, until_subscribed};
use crate::resiliency::with;
use crate::sidecar::Sidecar;
use crate::wire;

/// A client of a stream.
struct Client {
    says: UnboundedSender<SubscribeTopicEventsRequestAlpha1>,
    hears: Streaming<SubscribeTopicEventsResponseAlpha1>,
}

impl Client {
    /// Subscribes, or fails to.
    async fn start(
        sidecar: &Sidecar,
        initial: SubscribeTopicEventsRequestInitialAlpha1,
    ) -> Result<Self, Status> {
        let (says, said) = unbounded_channel();
        says.send(asked(Asked::InitialRequest(initial))).unwrap();
        let mut client = wire::grpc(&sidecar.grpc()).await;
        let response = client.subscribe_topic_events_alpha1(UnboundedReceiverStream::new(said)).await?;
        let mut client = Self { says, hears: response.into_inner() };
        match client.hear().await? {
            Some(Told::InitialResponse(_)) => Ok(client),
            other => panic!("{other:?}"),
        }
    }

    async fn hear(&mut self) -> Result<Option<Told>, Status> {
        Ok(self.hears.message().await?.map(|message| message.subscribe_topic_events_response_type.unwrap()))
    }

    async fn event(&mut self) -> TopicEventRequest {
        match self.hear().await.unwrap() {
            Some(Told::EventMessage(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    fn settle(&self, id: &str, status: i32) {
        let processed = SubscribeTopicEventsRequestProcessedAlpha1 {
            id: id.to_owned(),
            status: Some(TopicEventResponse { status }),
        };
        self.says.send(asked(Asked::EventProcessed(processed))).unwrap();
    }
}

fn asked(asked: Asked) -> SubscribeTopicEventsRequestAlpha1 {
    SubscribeTopicEventsRequestAlpha1 { subscribe_topic_events_request_type: Some(asked) }
}

fn to(topic: &str, dead_letter: Option<&str>) -> SubscribeTopicEventsRequestInitialAlpha1 {
    SubscribeTopicEventsRequestInitialAlpha1 {
        pubsub_name: "bus".to_owned(),
        topic: topic.to_owned(),
        dead_letter_topic: dead_letter.map(str::to_owned),
        ..SubscribeTopicEventsRequestInitialAlpha1::default()
    }
}

async fn publish(sidecar: &Sidecar, topic: &str, id: &str) {
    let path = format!("/v1.0/publish/bus/{topic}?metadata.cloudevent.id={id}");
    sidecar.call("POST", &path, id).await.is_empty();
}

#[tokio::test]
async fn events_go_out_and_what_became_of_them_comes_back() {
    let sidecar = Sidecar::with(BUS, &[]);
    let mut dead = Client::start(&sidecar, to("dead", None)).await.unwrap();
    let mut client = Client::start(&sidecar, to("t", Some("dead"))).await.unwrap();
    let listed = until_subscribed(&sidecar, 2).await;
    assert!(listed.iter().all(|it| it["type"] == "STREAMING" && it["pubsubname"] == "bus"), "{listed:?}");
    for id in ["1", "2", "3"] {
        publish(&sidecar, "t", id).await;
        let event = client.event().await;
        assert_eq!((event.id.as_str(), &event.data[..], event.topic.as_str()), (id, id.as_bytes(), "t"));
    }
    // In another order; what is dropped, or fails, is dead.
    client.settle("3", 2);
    assert_eq!(dead.event().await.id, "3");
    client.settle("1", 1);
    assert_eq!(dead.event().await.id, "1");
    client.settle("2", 0);
    client.settle("unknown", 0);
    dead.settle("1", 0);
    dead.settle("3", 0);
    // Without a topic for what is dead, it comes again.
    let mut again = Client::start(&sidecar, to("again", None)).await.unwrap();
    publish(&sidecar, "again", "4").await;
    for _ in 0..3 {
        let event = again.event().await;
        assert_eq!(event.id, "4");
        again.settle(&event.id, 1);
    }
    assert_eq!(again.event().await.id, "4");
    drop((client, again, dead));
    until_subscribed(&sidecar, 0).await;
}

#[tokio::test]
async fn what_a_client_leaves_behind_comes_to_another_of_its_app() {
    let sidecar = Sidecar::with(BUS, &[]);
    let mut first = Client::start(&sidecar, to("t", None)).await.unwrap();
    publish(&sidecar, "t", "same").await;
    publish(&sidecar, "t", "same").await;
    assert_eq!((first.event().await.id, first.event().await.id), ("same".to_owned(), "same".to_owned()));
    let mut second = Client::start(&sidecar, to("t", None)).await.unwrap();
    // One of two that look the same is dealt with.
    first.settle("same", 0);
    publish(&sidecar, "t", "other").await;
    let mut met = Vec::new();
    tokio::select! {
        event = first.event() => met.push(event.id),
        event = second.event() => met.push(event.id),
    }
    assert_eq!(met, ["other"]);
    drop(first);
    loop {
        let event = second.event().await;
        second.settle(&event.id, 0);
        if event.id == "same" {
            break;
        }
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_sidecar_and_what_is_under_way_is_settled() {
    let mut sidecar = Sidecar::with(BUS, &["--dapr-graceful-shutdown-seconds", "60"]);
    let mut client = Client::start(&sidecar, to("t", None)).await.unwrap();
    publish(&sidecar, "t", "1").await;
    assert_eq!(client.event().await.id, "1");
    sidecar.signal("TERM");
    while wire_refused(&sidecar).await {
        tokio::task::yield_now().await;
    }
    client.settle("1", 0);
    assert!(client.hear().await.unwrap().is_none(), "the stream ends without a failure");
    assert!(sidecar.wait().await.success());
}

#[tokio::test]
async fn a_stream_goes_on_where_its_component_becomes_another_and_ends_where_it_goes() {
    let sidecar = Sidecar::with(BUS, &[]);
    let file = sidecar.folder().join("resources/components.yaml");
    let mut client = Client::start(&sidecar, to("t", None)).await.unwrap();
    publish(&sidecar, "t", "before").await;
    assert_eq!(client.event().await.id, "before");
    let replace = |text: &str| {
        let new = sidecar.folder().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &file).unwrap();
        sidecar.signal("HUP");
    };
    let other = BUS.replace("name: bus", "name: another");
    replace(&format!("{BUS}  metadata: [{{name: handlers, value: \"2\"}}]\n---\n{other}"));
    while sidecar.call("GET", "/v1.0/metadata", "").await.json()["components"].as_array().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    // From now on nothing reaches the first. Nobody tells when the second is subscribed to: before, events are lost to it.
    let mut id = 0;
    let after = loop {
        publish(&sidecar, "t", &id.to_string()).await;
        id += 1;
        tokio::select! {
            biased;
            event = client.event() => break event.id,
            () = tokio::task::yield_now() => {}
        }
    };
    // From the component that is gone, and still to be settled.
    client.settle("before", 0);
    client.settle(&after, 0);
    until_subscribed(&sidecar, 1).await;
    std::fs::remove_file(&file).unwrap();
    sidecar.signal("HUP");
    let status = loop {
        match client.hear().await {
            Ok(Some(Told::EventMessage(_))) => {}
            Ok(other) => panic!("{other:?}"),
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "pubsub bus is not configured"));
    until_subscribed(&sidecar, 0).await;
}

/// Whether new connections are still taken.
async fn wire_refused(sidecar: &Sidecar) -> bool {
    tokio::net::TcpStream::connect(sidecar.text("http")).await.is_ok()
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let scoped = format!("{BUS}  metadata:\n  - name: subscriptionScopes\n    value: app=mine\n");
    let sidecar = Sidecar::with(&scoped, &[]);
    let initial = |pubsub: &str, topic: &str| SubscribeTopicEventsRequestInitialAlpha1 {
        pubsub_name: pubsub.to_owned(),
        topic: topic.to_owned(),
        ..SubscribeTopicEventsRequestInitialAlpha1::default()
    };
    let raw = SubscribeTopicEventsRequestInitialAlpha1 {
        metadata: [("rawPayload".to_owned(), "maybe".to_owned())].into(),
        ..initial("bus", "mine")
    };
    for (initial, code, message) in [
        (initial("", "mine"), Code::InvalidArgument, "pubsub name is empty"),
        (initial("none", "mine"), Code::InvalidArgument, "pubsub none is not found"),
        (initial("bus", ""), Code::InvalidArgument, "topic is empty in pubsub bus"),
        (
            initial("bus", "theirs"),
            Code::PermissionDenied,
            "subscription to topic 'theirs' on pubsub 'bus' is not allowed",
        ),
        (raw, Code::InvalidArgument, "rawPayload value must be a valid boolean"),
        (to("mine", Some("mine")), Code::Internal, "cannot be its own dead-letter topic"),
    ] {
        let status = Client::start(&sidecar, initial).await.err().unwrap();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(message), "{status}");
    }
    let (says, said) = unbounded_channel();
    let processed = SubscribeTopicEventsRequestProcessedAlpha1 { id: "1".to_owned(), status: None };
    says.send(asked(Asked::EventProcessed(processed))).unwrap();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let status = client.subscribe_topic_events_alpha1(UnboundedReceiverStream::new(said)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_message_beyond_the_limit_ends_a_stream_with_the_reason() {
    let sidecar = Sidecar::with(BUS, &["--max-body-size", "1Ki"]);
    let mut client = Client::start(&sidecar, to("t", None)).await.unwrap();
    client.settle(&"x".repeat(2_000), 0);
    let status = client.hear().await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("--max-body-size raises it"), "{status}");
}

/// Deliveries of the component `bus` have this policy.
fn under(policies: &str, inbound: &str) -> String {
    with(BUS, &format!("{{policies: {policies}, targets: {{components: {{bus: {{inbound: {inbound}}}}}}}}}"))
}

#[tokio::test]
async fn a_policy_has_events_of_a_stream_tried_again_and_then_they_are_dead() {
    let policies = "{retries: {quick: {duration: 1ms, maxRetries: 2}}}";
    let sidecar = Sidecar::with(&under(policies, "{retry: quick}"), &[]);
    let mut dead = Client::start(&sidecar, to("dead", None)).await.unwrap();
    let mut client = Client::start(&sidecar, to("t", Some("dead"))).await.unwrap();
    publish(&sidecar, "t", "1").await;
    for _ in 0..3 {
        let event = client.event().await;
        assert_eq!((event.id.as_str(), &event.data[..]), ("1", &b"1"[..]));
        client.settle("1", 1);
    }
    assert_eq!(dead.event().await.id, "1");
    dead.settle("1", 0);
    // What is dropped is not tried again, and what went well at last is over.
    publish(&sidecar, "t", "2").await;
    assert_eq!(client.event().await.id, "2");
    client.settle("2", 2);
    assert_eq!(dead.event().await.id, "2");
    dead.settle("2", 0);
    publish(&sidecar, "t", "3").await;
    for status in [1, 0] {
        assert_eq!(client.event().await.id, "3");
        client.settle("3", status);
    }
    publish(&sidecar, "t", "4").await;
    assert_eq!(client.event().await.id, "4");
    client.settle("4", 0);
    // Two that look the same are two; meanwhile others come.
    publish(&sidecar, "t", "same").await;
    publish(&sidecar, "t", "same").await;
    publish(&sidecar, "t", "other").await;
    let mut met = Vec::new();
    for _ in 0..3 {
        met.push(client.event().await.id);
    }
    met.sort();
    assert_eq!(met, ["other", "same", "same"]);
    for id in ["same", "other", "same"] {
        client.settle(id, 0);
    }
    until_settled(&sidecar, "acknowledge", 2 + 2 + 3).await;
}

/// Waits until so many deliveries were settled so.
async fn until_settled(sidecar: &Sidecar, how: &str, count: u64) {
    while sidecar.reached_at("bus", Some(how)).await < count {
        tokio::task::yield_now().await;
    }
    assert_eq!(sidecar.reached_at("bus", Some(how)).await, count);
}

#[tokio::test]
async fn a_policy_gives_up_a_client_of_a_stream_that_does_not_say_what_became_of_an_event() {
    let policies = "{timeouts: {short: 20ms}, retries: {quick: {duration: 1ms, maxRetries: 2}}}";
    let sidecar = Sidecar::with(&under(policies, "{timeout: short, retry: quick}"), &[]);
    let mut dead = Client::start(&sidecar, to("dead", None)).await.unwrap();
    let mut client = Client::start(&sidecar, to("t", Some("dead"))).await.unwrap();
    publish(&sidecar, "t", "1").await;
    for _ in 0..3 {
        assert_eq!(client.event().await.id, "1");
    }
    // It was tried as often as the policy has it, and nothing more of it is waited for.
    assert_eq!(dead.event().await.id, "1");
    client.settle("1", 0);
    publish(&sidecar, "t", "2").await;
    assert_eq!(client.event().await.id, "2");
}

#[tokio::test]
async fn an_open_circuit_keeps_events_from_a_stream() {
    let policies = "{circuitBreakers: {strict: {timeout: 1h, trip: consecutiveFailures >= 1}}}";
    let sidecar = Sidecar::with(&under(policies, "{circuitBreaker: strict}"), &[]);
    let mut client = Client::start(&sidecar, to("t", Some("dead"))).await.unwrap();
    publish(&sidecar, "t", "1").await;
    assert_eq!(client.event().await.id, "1");
    // Who leaves has not failed: what it had comes to another.
    let mut other = Client::start(&sidecar, to("t", Some("dead"))).await.unwrap();
    drop(client);
    assert_eq!(other.event().await.id, "1");
    other.settle("1", 0);
    publish(&sidecar, "t", "2").await;
    assert_eq!(other.event().await.id, "2");
    other.settle("2", 1);
    until_settled(&sidecar, "discard", 1).await;
    publish(&sidecar, "t", "3").await;
    until_settled(&sidecar, "discard", 2).await;
    sidecar.signal("TERM");
    assert!(other.hear().await.unwrap().is_none(), "it heard of it");
}

#[tokio::test]
async fn under_a_policy_a_clients_last_word_counts_and_what_it_leaves_comes_to_another() {
    let policies = "{timeouts: {long: 1h}, retries: {slow: {duration: 1h}}}";
    let sidecar = Sidecar::with(&under(policies, "{timeout: long, retry: slow}"), &[]);
    let mut first = Client::start(&sidecar, to("t", None)).await.unwrap();
    for id in ["done", "pausing", "silent"] {
        publish(&sidecar, "t", id).await;
        assert_eq!(first.event().await.id, id);
    }
    // What is in memory is kept as long as somebody is there.
    let mut second = Client::start(&sidecar, to("t", None)).await.unwrap();
    first.settle("pausing", 1);
    first.settle("done", 0);
    drop(first.says);
    assert!(first.hears.message().await.unwrap().is_none());
    until_settled(&sidecar, "acknowledge", 1).await;
    let mut met = [second.event().await.id, second.event().await.id];
    met.sort();
    assert_eq!(met, ["pausing", "silent"]);
    for id in met {
        second.settle(&id, 0);
    }
    until_settled(&sidecar, "acknowledge", 3).await;
}

#[tokio::test]
async fn under_a_policy_a_stream_ends_with_the_sidecar_when_all_is_settled() {
    let policies = "{retries: {quick: {duration: 1ms}}}";
    let sidecar_of = under(policies, "{retry: quick}");
    let mut sidecar = Sidecar::with(&sidecar_of, &["--dapr-graceful-shutdown-seconds", "60"]);
    let mut client = Client::start(&sidecar, to("t", None)).await.unwrap();
    publish(&sidecar, "t", "1").await;
    assert_eq!(client.event().await.id, "1");
    sidecar.signal("TERM");
    while wire_refused(&sidecar).await {
        tokio::task::yield_now().await;
    }
    client.settle("1", 1);
    assert_eq!(client.event().await.id, "1");
    client.settle("1", 0);
    assert!(client.hear().await.unwrap().is_none(), "the stream ends without a failure");
    assert!(sidecar.wait().await.success());
}
