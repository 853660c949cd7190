//! What is acknowledged to a publisher is delivered at least once, whatever is killed meanwhile.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dapr::dapr::proto::runtime::v1::{TopicEventRequest, TopicSubscription};
use pillion_capabilities::testing::{NatsServer, RedisServer};
use serde_json::{Value, json};

use super::app::{GrpcApp, Says};
use super::servers::{over_jetstream, over_redis};
use super::{BUS, beside, one, subscribing, until_subscribed};
use crate::app::{App, Asked, free_port};
use crate::gate::Gate;
use crate::sidecar::Sidecar;
use crate::wire::{self, At};

/// The ids of events.
type Ids = Arc<Mutex<BTreeSet<u32>>>;

fn remembering(
    subscriptions: Value,
    ids: &Ids,
) -> impl Fn(&Asked) -> (http::StatusCode, String) + Send + Sync + 'static {
    let ids = Arc::clone(ids);
    subscribing(subscriptions, move |asked| {
        ids.lock().unwrap().insert(asked.json()["id"].as_str().unwrap().parse().unwrap());
        (200, "")
    })
}

/// Publishes until it is told to stop, and answers what was acknowledged.
fn publishing(at: At, running: Arc<Mutex<bool>>) -> tokio::task::JoinHandle<BTreeSet<u32>> {
    tokio::spawn(async move {
        let mut acknowledged = BTreeSet::new();
        for id in 0.. {
            if !*running.lock().unwrap() {
                break;
            }
            let path = format!("/v1.0/publish/bus/t?metadata.cloudevent.id={id}");
            if wire::call(&at, "POST", &path, &[], "x").await.status == 204 {
                acknowledged.insert(id);
            }
        }
        acknowledged
    })
}

/// Waits until so many more are there.
async fn until_more(ids: &Ids, more: usize) {
    let count = || ids.lock().unwrap().len();
    until_grown(count, more).await;
}

async fn until_grown(count: impl Fn() -> usize, more: usize) {
    let wanted = count() + more;
    while count() < wanted {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until all of these are there.
async fn until_all(delivered: &Ids, acknowledged: &BTreeSet<u32>) {
    let begun = std::time::Instant::now();
    loop {
        let missing = acknowledged.difference(&delivered.lock().unwrap()).count();
        if missing == 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{missing} of {} are lost", acknowledged.len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn nothing_is_lost_when_the_app_is_killed_and_started_again() {
    let redis = RedisServer::start_or_skip().unwrap();
    let over = redis
        .iter()
        .map(|server| over_redis(server, &[("processingTimeout", "1s"), ("redeliverInterval", "1s")]));
    // What is dead could be no more than lost, since the app is away and not the event wrong.
    let subscriptions =
        json!([{ "pubsubname": "bus", "topic": "t", "route": "/on", "deadLetterTopic": "dead" }]);
    for components in over.chain([BUS.to_owned()]) {
        let delivered = Ids::default();
        let port = free_port();
        let mut app = App::start_at(port, remembering(subscriptions.clone(), &delivered)).await;
        let sidecar = beside(&app, &components, 1).await;
        let running = Arc::new(Mutex::new(true));
        let publisher = publishing(sidecar.http(), Arc::clone(&running));
        for _ in 0..4 {
            until_more(&delivered, 30).await;
            drop(app);
            // As it is away, more is published.
            tokio::time::sleep(Duration::from_millis(150)).await;
            app = App::start_at(port, remembering(subscriptions.clone(), &delivered)).await;
        }
        until_more(&delivered, 30).await;
        *running.lock().unwrap() = false;
        let acknowledged = publisher.await.unwrap();
        until_all(&delivered, &acknowledged).await;
        assert!(acknowledged.len() >= 150, "{}", acknowledged.len());
    }
}

/// An app over gRPC that can be made to hold events instead of answering them.
#[derive(Clone, Default)]
struct Holding {
    delivered: Ids,
    dead: Ids,
    holds: Arc<AtomicBool>,
    /// An event is held once for each app that was killed with it.
    held: Arc<Mutex<Vec<u32>>>,
}

impl Says for Holding {
    fn subscriptions(&self) -> Vec<TopicSubscription> {
        let of = |topic: &str, dead_letter_topic: &str| TopicSubscription {
            pubsub_name: "bus".to_owned(),
            topic: topic.to_owned(),
            dead_letter_topic: dead_letter_topic.to_owned(),
            ..TopicSubscription::default()
        };
        vec![of("t", "dead"), of("dead", "")]
    }

    async fn pause(&self, event: &TopicEventRequest) {
        if event.topic == "t" && self.holds.load(Ordering::SeqCst) {
            self.held.lock().unwrap().push(event.id.parse().unwrap());
            std::future::pending::<()>().await;
        }
    }

    fn one(&self, event: &TopicEventRequest) -> Result<i32, tonic::Status> {
        let ids = if event.topic == "dead" { &self.dead } else { &self.delivered };
        ids.lock().unwrap().insert(event.id.parse().unwrap());
        Ok(0)
    }
}

#[tokio::test]
async fn nothing_is_lost_when_an_app_over_grpc_is_killed_with_events_in_hand() {
    let redis = RedisServer::start_or_skip().unwrap();
    let over = redis
        .iter()
        .map(|server| over_redis(server, &[("processingTimeout", "1s"), ("redeliverInterval", "1s")]));
    for components in over.chain([BUS.to_owned()]) {
        let says = Holding::default();
        let port = free_port();
        let mut app = GrpcApp::start_at(port, says.clone()).await;
        let arguments = ["--app-protocol", "grpc", "--app-port", &port.to_string()];
        let sidecar = Sidecar::with(&components, &arguments);
        until_subscribed(&sidecar, 2).await;
        let running = Arc::new(Mutex::new(true));
        let publisher = publishing(sidecar.http(), Arc::clone(&running));
        for _ in 0..4 {
            until_more(&says.delivered, 30).await;
            says.holds.store(true, Ordering::SeqCst);
            until_grown(|| says.held.lock().unwrap().len(), 1).await;
            app.kill().await;
            says.holds.store(false, Ordering::SeqCst);
            app = GrpcApp::start_at(port, says.clone()).await;
        }
        until_more(&says.delivered, 30).await;
        *running.lock().unwrap() = false;
        let acknowledged = publisher.await.unwrap();
        until_all(&says.delivered, &acknowledged).await;
        let held: BTreeSet<u32> = says.held.lock().unwrap().iter().copied().collect();
        until_all(&says.delivered, &held).await;
        // None was with an app ten times, so that none is dead; what is would come before this.
        let last = "/v1.0/publish/bus/dead?metadata.cloudevent.id=4000000000";
        sidecar.call("POST", last, "x").await.is_empty();
        let last = BTreeSet::from([4_000_000_000]);
        until_all(&says.dead, &last).await;
        assert_eq!(*says.dead.lock().unwrap(), last);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_when_redis_is_killed_and_started_again() {
    let Some(mut server) = RedisServer::start_durable_or_skip().unwrap() else { return };
    let components = over_redis(&server, &[("processingTimeout", "1s"), ("redeliverInterval", "1s")]);
    let delivered = Ids::default();
    let app = App::start(remembering(one("t"), &delivered)).await;
    let sidecar = beside(&app, &components, 1).await;
    let running = Arc::new(Mutex::new(true));
    let publisher = publishing(sidecar.http(), Arc::clone(&running));
    for _ in 0..3 {
        until_more(&delivered, 30).await;
        server.stop().unwrap();
        server.restart().unwrap();
    }
    until_more(&delivered, 30).await;
    *running.lock().unwrap() = false;
    let acknowledged = publisher.await.unwrap();
    until_all(&delivered, &acknowledged).await;
    assert!(acknowledged.len() >= 100, "{}", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_when_nats_is_killed_and_started_again() {
    let Some(mut server) = NatsServer::start_or_skip().unwrap() else { return };
    let components = over_jetstream(&server, &[("ackWait", "1s")]);
    let delivered = Ids::default();
    let app = App::start(remembering(one("t"), &delivered)).await;
    let sidecar = beside(&app, &components, 1).await;
    let running = Arc::new(Mutex::new(true));
    let publisher = publishing(sidecar.http(), Arc::clone(&running));
    for _ in 0..3 {
        until_more(&delivered, 30).await;
        server.stop().unwrap();
        server.restart().unwrap();
    }
    until_more(&delivered, 30).await;
    *running.lock().unwrap() = false;
    let acknowledged = publisher.await.unwrap();
    until_all(&delivered, &acknowledged).await;
    assert!(acknowledged.len() >= 100, "{}", acknowledged.len());
}

#[tokio::test]
async fn nothing_is_lost_when_the_sidecar_is_killed_and_started_again() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    let components = over_redis(&server, &[("processingTimeout", "1s"), ("redeliverInterval", "1s")]);
    let delivered = Ids::default();
    let app = App::start(remembering(one("t"), &delivered)).await;
    let mut sidecar = beside(&app, &components, 1).await;
    let publisher = Sidecar::with(&components, &["--app-id", "publisher"]);
    let running = Arc::new(Mutex::new(true));
    let publishing = publishing(publisher.http(), Arc::clone(&running));
    for _ in 0..3 {
        until_more(&delivered, 30).await;
        sidecar.signal("KILL");
        sidecar.wait().await;
        sidecar = beside(&app, &components, 1).await;
    }
    until_more(&delivered, 30).await;
    *running.lock().unwrap() = false;
    let acknowledged = publishing.await.unwrap();
    until_all(&delivered, &acknowledged).await;
}

#[tokio::test]
async fn events_that_fail_for_ever_hold_up_no_others() {
    let redis = RedisServer::start_or_skip().unwrap();
    let nats = NatsServer::start_or_skip().unwrap();
    let over = redis.iter().map(|server| over_redis(server, &[("concurrency", "2")]));
    let over = over.chain(nats.iter().map(|server| over_jetstream(server, &[("maxAckPending", "2")])));
    for components in over.chain([BUS.to_owned()]) {
        let app = App::start(subscribing(one("t"), |asked| match asked.json()["data"].as_str() {
            Some("bad") => (500, ""),
            _ => (200, ""),
        }))
        .await;
        let sidecar = beside(&app, &components, 1).await;
        for _ in 0..50 {
            sidecar.call("POST", "/v1.0/publish/bus/t", "bad").await.is_empty();
        }
        // Each fails more than once.
        app.until_asked("/on/t", 101).await;
        for _ in 0..50 {
            sidecar.call("POST", "/v1.0/publish/bus/t", "good").await.is_empty();
        }
        let good =
            |app: &App| app.asked("/on/t").iter().filter(|asked| asked.json()["data"] == "good").count();
        while good(&app) < 50 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_topic_whose_events_take_long_holds_up_no_other() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    let components = over_redis(&server, &[("concurrency", "1")]);
    let subscriptions = json!([
        { "pubsubname": "bus", "topic": "slow", "route": "/slow" },
        { "pubsubname": "bus", "topic": "fast", "route": "/fast" },
    ]);
    let gate = Gate::default();
    let closed = gate.clone();
    let app = App::start(subscribing(subscriptions, move |asked| {
        if asked.path == "/slow" {
            closed.pass();
        }
        (200, "")
    }))
    .await;
    let sidecar = beside(&app, &components, 2).await;
    for topic in ["slow", "fast"] {
        for _ in 0..30 {
            sidecar.call("POST", &format!("/v1.0/publish/bus/{topic}"), "x").await.is_empty();
        }
    }
    app.until_asked("/fast", 30).await;
    assert_eq!(app.asked("/slow").len(), 0);
    gate.open();
    app.until_asked("/slow", 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_with_the_app_is_settled_before_the_sidecar_stops() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    let components = over_redis(&server, &[]);
    let (gate, arrived) = (Gate::default(), Gate::default());
    let (closed, here) = (gate.clone(), arrived.clone());
    let app = App::start(subscribing(one("t"), move |_| {
        here.open();
        closed.pass();
        (200, "")
    }))
    .await;
    let arguments = ["--app-port", &app.port.to_string(), "--dapr-graceful-shutdown-seconds", "60"];
    let mut sidecar = Sidecar::with(&components, &arguments);
    until_subscribed(&sidecar, 1).await;
    sidecar.call("POST", "/v1.0/publish/bus/t", "first").await.is_empty();
    arrived.pass();
    // Until it is settled the app may call the sidecar, which is not healthy any more.
    sidecar.begin_to_stop().await;
    sidecar.call("POST", "/v1.0/publish/bus/t", "second").await.is_empty();
    gate.open();
    assert!(sidecar.wait().await.success());
    assert_eq!(app.asked("/on/t").len(), 1, "nothing is taken any more");
    let _again = beside(&app, &components, 1).await;
    let asked = app.until_asked("/on/t", 2).await;
    assert_eq!(asked[1].json()["data"], "second", "the first was settled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_replaced_subscription_has_with_the_app_is_settled_before_the_sidecar_stops() {
    let server = RedisServer::start_or_skip().unwrap();
    // In memory nothing else has a stop wait.
    let over = server.iter().map(|server| over_redis(server, &[]));
    for components in over.chain([BUS.to_owned()]) {
        let (gate, arrived) = (Gate::default(), Gate::default());
        let (closed, here) = (gate.clone(), arrived.clone());
        let app = App::start(move |asked| {
            if asked.path == "/dapr/subscribe" {
                return (http::StatusCode::NOT_FOUND, String::new());
            }
            here.open();
            closed.pass();
            (http::StatusCode::OK, String::new())
        })
        .await;
        let arguments = ["--app-port", &app.port.to_string(), "--dapr-graceful-shutdown-seconds", "60"];
        let mut sidecar = Sidecar::with(&components, &arguments);
        let declare = async |route: &str| {
            let said = format!(
                "apiVersion: dapr.io/v1alpha1\nkind: Subscription\nmetadata:\n  name: s\nspec:\n  pubsubname: bus\n  \
             topic: t\n  route: {route}\n"
            );
            std::fs::write(sidecar.folder().join("resources/subscription.yaml"), said).unwrap();
            sidecar.signal("HUP");
            while until_subscribed(&sidecar, 1).await[0]["rules"][0]["path"] != route {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        declare("/before").await;
        sidecar.call("POST", "/v1.0/publish/bus/t", "x").await.is_empty();
        arrived.pass();
        declare("/after").await;
        sidecar.begin_to_stop().await;
        gate.open();
        assert!(sidecar.wait().await.success());
        assert_eq!(app.calls().len(), 1);
    }
    let Some(server) = server else { return };
    let mut client = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let pending: (u64, redis::Value, redis::Value, redis::Value) =
        redis::cmd("XPENDING").arg("t").arg("app").query(&mut client).unwrap();
    assert_eq!(pending.0, 0, "it was settled");
}

#[tokio::test]
async fn an_app_that_is_not_well_is_sent_nothing() {
    let well = Arc::new(Mutex::new(true));
    let asked_well = Arc::clone(&well);
    let answer = move |asked: &Asked| match asked.path.as_str() {
        "/healthz" if *asked_well.lock().unwrap() => (200, ""),
        "/healthz" => (500, ""),
        _ => (200, ""),
    };
    let app = App::start(subscribing(one("t"), answer)).await;
    let port = app.port.to_string();
    let arguments = [
        "--app-port",
        &port,
        "--enable-app-health-check",
        "--app-health-probe-interval",
        "1",
        "--app-health-threshold",
        "1",
    ];
    let sidecar = Sidecar::with(BUS, &arguments);
    until_subscribed(&sidecar, 1).await;
    sidecar.call("POST", "/v1.0/publish/bus/t", "1").await.is_empty();
    app.until_asked("/on/t", 1).await;
    *well.lock().unwrap() = false;
    let before = app.asked("/healthz").len();
    app.until_asked("/healthz", before + 2).await;
    for _ in 0..20 {
        sidecar.call("POST", "/v1.0/publish/bus/t", "2").await.is_empty();
    }
    let before = app.asked("/healthz").len();
    app.until_asked("/healthz", before + 1).await;
    // One may have been on its way when it became so.
    assert!(app.asked("/on/t").len() <= 2, "{}", app.asked("/on/t").len());
    *well.lock().unwrap() = true;
    app.until_asked("/on/t", 21).await;
}
