//! Components over real servers.

use pillion_capabilities::testing::{NatsServer, RedisServer};
use serde_json::{Value, json};

use super::{BUS, beside, subscriber, until_subscribed};
use crate::sidecar::{Sidecar, refused};

/// The component `bus` over Redis.
pub(super) fn over_redis(server: &RedisServer, settings: &[(&str, &str)]) -> String {
    with(
        &BUS.replace("in-memory", "redis"),
        &[&[("redisHost", server.address().to_string().as_str())], settings].concat(),
    )
}

/// The component `bus` over JetStream.
pub(super) fn over_jetstream(server: &NatsServer, settings: &[(&str, &str)]) -> String {
    with(&BUS.replace("in-memory", "jetstream"), &[&[("natsURL", server.url().as_str())], settings].concat())
}

fn with(component: &str, settings: &[(&str, &str)]) -> String {
    let lines = settings.iter().map(|(name, value)| format!("  - name: {name}\n    value: \"{value}\"\n"));
    component.to_owned() + "  metadata:\n" + &lines.collect::<String>()
}

/// The component over each server that there is.
pub(super) fn each() -> (Option<RedisServer>, Option<NatsServer>, Vec<String>) {
    let (redis, nats) = (RedisServer::start_or_skip().unwrap(), NatsServer::start_or_skip().unwrap());
    let components = redis.iter().map(|server| over_redis(server, &[("concurrency", "4")]));
    let components = components.chain(nats.iter().map(|server| over_jetstream(server, &[]))).collect();
    (redis, nats, components)
}

#[tokio::test]
async fn sidecars_of_one_app_share_what_each_app_gets() {
    let (_redis, _nats, components) = each();
    for components in components {
        let to = |path: &str| json!([{ "pubsubname": "bus", "topic": "orders/new", "route": path }]);
        let mine = subscriber(to("/mine"), |_| (200, "")).await;
        let theirs = subscriber(to("/theirs"), |_| (200, "")).await;
        let first = beside(&mine, &components, 1).await;
        let second = beside(&mine, &components, 1).await;
        let port = theirs.port.to_string();
        let other = Sidecar::with(&components, &["--app-port", &port, "--app-id", "other"]);
        until_subscribed(&other, 1).await;
        for number in 0..40 {
            let sidecar = if number % 2 == 0 { &first } else { &second };
            let path = format!("/v1.0/publish/bus/orders/new?metadata.cloudevent.id={number}");
            sidecar.call("POST", &path, number.to_string()).await.is_empty();
        }
        for (app, path) in [(&mine, "/mine"), (&theirs, "/theirs")] {
            let asked = app.until_asked(path, 40).await;
            let mut data: Vec<u32> =
                asked.iter().map(|asked| asked.json()["data"].as_str().unwrap().parse().unwrap()).collect();
            data.sort_unstable();
            assert_eq!(data, (0..40).collect::<Vec<_>>(), "once each");
        }
    }
}

#[tokio::test]
async fn what_was_published_before_an_app_ever_came_is_delivered_to_it() {
    let Some(redis) = RedisServer::start_or_skip().unwrap() else { return };
    let components = over_redis(&redis, &[]);
    let publisher = Sidecar::with(&components, &["--app-id", "publisher"]);
    for number in 0..3 {
        publisher.call("POST", "/v1.0/publish/bus/t", number.to_string()).await.is_empty();
    }
    let app = subscriber(json!([{ "pubsubname": "bus", "topic": "t", "route": "/on" }]), |_| (200, "")).await;
    let _sidecar = beside(&app, &components, 1).await;
    let asked = app.until_asked("/on", 3).await;
    let mut data: Vec<_> = asked.iter().map(|asked| asked.json()["data"].to_string()).collect();
    data.sort_unstable();
    assert_eq!(data, ["\"0\"", "\"1\"", "\"2\""]);
}

#[tokio::test]
async fn what_waits_is_delivered_to_who_comes_back() {
    let (_redis, _nats, components) = each();
    for components in components {
        let app =
            subscriber(json!([{ "pubsubname": "bus", "topic": "t", "route": "/on" }]), |_| (200, "")).await;
        let mut sidecar = beside(&app, &components, 1).await;
        sidecar.signal("TERM");
        assert!(sidecar.wait().await.success());
        let publisher = Sidecar::with(&components, &["--app-id", "publisher"]);
        let entries = json!([
            { "entryId": "1", "event": "one", "contentType": "text/plain" },
            { "entryId": "2", "event": "two", "contentType": "text/plain" },
        ]);
        publisher.call("POST", "/v1.0/publish/bulk/bus/t", entries.to_string()).await.is_empty();
        assert_eq!(app.asked("/on").len(), 0);
        let _sidecar = beside(&app, &components, 1).await;
        app.until_asked("/on", 2).await;
    }
}

#[tokio::test]
async fn redis_has_events_where_dapr_has_them() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    let sidecar = Sidecar::with(&over_redis(&server, &[]), &[]);
    sidecar.call("POST", "/v1.0/publish/bus/t", "text").await.is_empty();
    let mut client = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let entries: Vec<(String, Vec<String>)> =
        redis::cmd("XRANGE").arg("t").arg("-").arg("+").query(&mut client).unwrap();
    let (name, data) = (&entries[0].1[0], &entries[0].1[1]);
    assert_eq!(name, "data");
    let event: Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        (&event["data"], &event["topic"], &event["source"]),
        (&json!("text"), &json!("t"), &json!("app"))
    );
}

#[tokio::test]
async fn what_cannot_be_published_is_told_entry_by_entry() {
    let Some(mut server) = RedisServer::start_or_skip().unwrap() else { return };
    let sidecar = Sidecar::with(&over_redis(&server, &[]), &[]);
    let said = sidecar
        .call("POST", "/v1.0/publish/bus/white%20space", "x")
        .await
        .failed(500, "ERR_PUBSUB_PUBLISH_MESSAGE");
    assert!(said.starts_with("error when publishing to topic white space in pubsub bus: "), "{said}");
    server.stop().unwrap();
    let said =
        sidecar.call("POST", "/v1.0/publish/bus/t", "x").await.failed(500, "ERR_PUBSUB_PUBLISH_MESSAGE");
    assert!(said.contains("cannot be reached"), "{said}");
    let entries = r#"[{"entryId":"a","event":"x"},{"entryId":"b","event":"y"}]"#;
    let answer = sidecar.call("POST", "/v1.0/publish/bulk/bus/t", entries).await;
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), &body["errorCode"]), (500, &json!("ERR_PUBSUB_PUBLISH_MESSAGE")));
    let failed = body["failedEntries"].as_array().unwrap();
    let ids: Vec<_> = failed.iter().map(|entry| entry["entryId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(
        failed.iter().all(|entry| entry["error"].as_str().unwrap().contains("cannot be reached")),
        "{body}"
    );
}

#[test]
fn settings_are_checked() {
    let redis = BUS.replace("in-memory", "redis");
    let jetstream = BUS.replace("in-memory", "jetstream");
    let host = ("redisHost", "127.0.0.1:1");
    let url = ("natsURL", "nats://127.0.0.1:1");
    for (component, settings, message) in [
        (&redis, &[][..], "component bus: setting redisHost is missing"),
        (&redis, &[host, ("concurrency", "many")], "setting concurrency: \"many\" is not a number in range"),
        (
            &redis,
            &[host, ("processingTimeout", "soon")],
            "setting processingTimeout: \"soon\" is not a duration",
        ),
        (&redis, &[host, ("maxLenApprox", "-1")], "setting maxLenApprox: \"-1\" is not a number in range"),
        (&redis, &[host], "component bus cannot be opened: redis at 127.0.0.1:1"),
        (&jetstream, &[], "component bus: setting natsURL is missing"),
        (&jetstream, &[url, ("jwt", "x")], "setting jwt: this way to log in is not supported"),
        (
            &jetstream,
            &[url, ("concurrency", "some")],
            "setting concurrency: \"some\" is neither single nor parallel",
        ),
        (&jetstream, &[url, ("ackWait", "1x")], "setting ackWait: \"1x\" is not a duration"),
        (&jetstream, &[url], "component bus cannot be opened: nats at 127.0.0.1:1"),
    ] {
        let component = if settings.is_empty() { component.clone() } else { with(component, settings) };
        let said = refused(&component, &[]);
        assert!(said.contains(message), "{said}");
    }
    let said = refused(&BUS.replace("in-memory", "kafka"), &[]);
    assert!(said.contains("type pubsub.kafka") && said.contains("pubsub.jetstream"), "{said}");
    let said = refused(&with(&redis, &[host, ("failover", "true"), ("queueDepth", "5")]), &[]);
    assert!(said.contains("setting failover has no effect") && !said.contains("queueDepth"), "{said}");
}

/// Publishes ten events, and looks whether each of these apps gets each of them once.
async fn each_gets_all(from: &Sidecar, apps: [&crate::app::App; 2]) {
    let path = "/v1.0/publish/bus/t?metadata.cloudevent.id=";
    for number in 0..10 {
        from.call("POST", &format!("{path}{number}"), "x").await.is_empty();
    }
    for app in apps {
        let asked = app.until_asked("/on", 10).await;
        let mut ids: Vec<u32> =
            asked.iter().map(|asked| asked.json()["id"].as_str().unwrap().parse().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..10).collect::<Vec<_>>());
    }
}

/// The component with a consumer of this name over each server that there is.
fn with_consumer(name: &str) -> (Option<RedisServer>, Option<NatsServer>, Vec<String>) {
    let (redis, nats) = (RedisServer::start_or_skip().unwrap(), NatsServer::start_or_skip().unwrap());
    let consumer = [("consumerID", name)];
    let components = redis.iter().map(|server| over_redis(server, &consumer));
    let components = components.chain(nats.iter().map(|server| over_jetstream(server, &consumer))).collect();
    (redis, nats, components)
}

#[tokio::test]
async fn apps_whose_consumer_is_named_after_them_each_get_all() {
    for name in ["{appID}", "the-{namespace}"] {
        let (_redis, _nats, components) = with_consumer(name);
        for components in components {
            let to = json!([{ "pubsubname": "bus", "topic": "t", "route": "/on" }]);
            let (one, other) =
                (subscriber(to.clone(), |_| (200, "")).await, subscriber(to, |_| (200, "")).await);
            let first = beside(&one, &components, 1).await;
            let port = other.port.to_string();
            let second = Sidecar::with(&components, &["--app-port", &port, "--app-id", "other"]);
            until_subscribed(&second, 1).await;
            each_gets_all(&first, [&one, &other]).await;
        }
    }
}

#[tokio::test]
async fn sidecars_of_one_app_whose_consumers_are_new_ones_each_get_all() {
    let (_redis, _nats, components) = with_consumer("{uuid}");
    for components in components {
        let to = json!([{ "pubsubname": "bus", "topic": "t", "route": "/on" }]);
        let (one, other) = (subscriber(to.clone(), |_| (200, "")).await, subscriber(to, |_| (200, "")).await);
        let first = beside(&one, &components, 1).await;
        let _second = beside(&other, &components, 1).await;
        each_gets_all(&first, [&one, &other]).await;
    }
}
