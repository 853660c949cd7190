//! Events of an app that is not well, and of one that is gone: they wait, or go to another instance of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::servers::{each, over_jetstream};
use super::{BUS, beside, one, subscribing, until_subscribed};
use crate::app::App;
use crate::sidecar::Sidecar;
use pillion_capabilities::testing::NatsServer;

const PROBED: [&str; 5] = [
    "--enable-app-health-check",
    "--app-health-check-path=/well",
    "--app-health-probe-interval=1",
    "--app-health-probe-timeout=900",
    "--app-health-threshold=1",
];

/// An app that says whether it is well, and a sidecar that asks it. Events that come while it is not well are counted.
struct Instance {
    app: App,
    sidecar: Sidecar,
    well: Arc<AtomicBool>,
    unwelcome: Arc<AtomicUsize>,
}

// === impl Instance ===

impl Instance {
    /// An instance that is well, and subscribed.
    async fn start(components: &str, subscriptions: Value) -> Self {
        let (well, unwelcome) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let (is_well, counted) = (Arc::clone(&well), Arc::clone(&unwelcome));
        let app = App::start(subscribing(subscriptions, move |asked| {
            let is_well = is_well.load(Ordering::SeqCst);
            if asked.path.starts_with("/on/") && !is_well {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            (if is_well { 200 } else { 503 }, "")
        }))
        .await;
        let port = app.port.to_string();
        let sidecar = Sidecar::with(components, &[&["--app-port", port.as_str()], &PROBED[..]].concat());
        until_subscribed(&sidecar, 1).await;
        let instance = Self { app, sidecar, well, unwelcome };
        instance.until_seen(200).await;
        instance
    }

    /// Makes it well or not, and waits until its sidecar knows.
    async fn make(&self, well: bool) {
        self.well.store(well, Ordering::SeqCst);
        self.until_seen(if well { 200 } else { 500 }).await;
    }

    async fn until_seen(&self, status: u16) {
        let path = "/v1.0/invoke/app/method/any";
        while self.sidecar.call("GET", path, "").await.status.as_u16() != status {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn what_comes_while_an_app_is_not_well_goes_to_one_that_is() {
    let (_redis, _nats, components) = each();
    for components in components {
        let (sick, well) =
            (Instance::start(&components, one("t")).await, Instance::start(&components, one("t")).await);
        sick.make(false).await;
        for number in 0..40 {
            let path = format!("/v1.0/publish/bus/t?metadata.cloudevent.id={number}");
            sick.sidecar.call("POST", &path, "x").await.is_empty();
        }
        let asked = well.app.until_asked("/on/t", 40).await;
        let mut ids: Vec<u32> =
            asked.iter().map(|asked| asked.json()["id"].as_str().unwrap().parse().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..40).collect::<Vec<_>>(), "once each");
        assert_eq!(sick.unwelcome.load(Ordering::SeqCst), 0);
        // It is well again, and the other goes.
        sick.make(true).await;
        drop(well);
        sick.sidecar.call("POST", "/v1.0/publish/bus/t", "x").await.is_empty();
        sick.app.until_asked("/on/t", 1).await;
    }
}

#[tokio::test]
async fn no_event_comes_to_an_app_that_is_not_well() {
    let (_redis, _nats, components) = each();
    for components in components.into_iter().chain([BUS.to_owned()]) {
        let instance = Instance::start(&components, one("t")).await;
        for round in 1..=2 {
            instance.make(false).await;
            instance.sidecar.call("POST", "/v1.0/publish/bus/t", "x").await.is_empty();
            let probes = instance.app.asked("/well").len();
            instance.app.until_asked("/well", probes + 2).await;
            instance.make(true).await;
            instance.app.until_asked("/on/t", round).await;
        }
        assert_eq!(instance.unwelcome.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_bulk_that_is_not_complete_goes_back_when_the_sidecar_stops() {
    let Some(nats) = NatsServer::start_or_skip().unwrap() else { return };
    // What does not go back would not come again.
    let components = over_jetstream(&nats, &[("ackWait", "24h")]);
    let subscriptions = json!([
        {
            "pubsubname": "bus",
            "topic": "t",
            "route": "/bulk",
            "bulkSubscribe": {"enabled": true, "maxMessagesCount": 5, "maxAwaitDurationMs": 3_600_000},
        },
        { "pubsubname": "bus", "topic": "u", "route": "/single" },
    ]);
    let app = App::start(subscribing(subscriptions, |_| (200, "")));
    let app = app.await;
    let mut sidecar = beside(&app, &components, 2).await;
    let publish = async |sidecar: &Sidecar, topic: &str| {
        sidecar.call("POST", &format!("/v1.0/publish/bus/{topic}"), "x").await.is_empty();
    };
    for _ in 0..3 {
        publish(&sidecar, "t").await;
    }
    // By then they most likely are with the sidecar.
    publish(&sidecar, "u").await;
    app.until_asked("/single", 1).await;
    sidecar.signal("TERM");
    assert!(sidecar.wait().await.success());
    assert!(app.asked("/bulk").is_empty());
    let sidecar = beside(&app, &components, 2).await;
    for _ in 0..2 {
        publish(&sidecar, "t").await;
    }
    let asked = app.until_asked("/bulk", 1).await;
    assert_eq!(asked[0].json()["entries"].as_array().unwrap().len(), 5);
}
