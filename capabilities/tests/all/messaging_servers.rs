//! What messaging providers take from servers and leave on them.

use std::sync::Arc;

use futures_util::TryStreamExt;
use pillion_capabilities::Error;
use pillion_capabilities::messaging::{
    JetStream, Message, Nats, RedisStreams, Retention, Start, StreamOptions, Streams, SubscribeOptions,
};
use pillion_capabilities::testing::{NatsServer, RedisServer};
use redis::aio::MultiplexedConnection;

use crate::buses::{Bus, group, in_time, jetstream, next, publish, subscribe, take};
use crate::providers::{runtime, until};

#[test]
fn nats_subjects_are_checked_and_may_have_wildcards() {
    let Some(server) = NatsServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let nats: Bus = Arc::new(Nats::connect(&server.url()).await.unwrap());
        let jetstream: Bus = Arc::new(jetstream(&server).await);
        for bus in [&nats, &jetstream] {
            for topic in [".", "a..b", "a.", "a.*", "*", "a.>"] {
                let error = bus.publish(topic, "m".into()).wait().await.unwrap_err();
                assert!(matches!(error, Error::InvalidArgument(_)), "{topic}: {error:?}");
            }
            let error = bus.subscribe("a..b", group("g")).wait().await.map(drop).unwrap_err();
            assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
            // One byte more than the server takes.
            let large = Message::from(vec![7; (1 << 20) + 1]);
            let error = bus.publish("large", large).wait().await.unwrap_err();
            assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
            assert!(error.to_string().contains("max_payload"), "{error}");
        }
        let error = jetstream.subscribe("a.*", group("g")).wait().await.map(drop).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");

        let mut words = subscribe(&nats, "shop.*.new", group("g")).await;
        let mut all = subscribe(&nats, "shop.>", SubscribeOptions::default()).await;
        publish(&nats, "shop.orders.new", "1").await;
        publish(&nats, "shop.orders.old", "2").await;
        publish(&nats, "shop.parcels.new", "3").await;
        for expected in ["shop.orders.new", "shop.parcels.new"] {
            assert_eq!(&*next(&mut words).await.topic, expected);
        }
        for expected in ["shop.orders.new", "shop.orders.old", "shop.parcels.new"] {
            assert_eq!(&*next(&mut all).await.topic, expected);
        }
    });
}

/// TLS is tried, and fails as a clear error: the server has none.
#[test]
fn nats_without_tls_is_told() {
    let Some(server) = NatsServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let url = server.url().replace("nats://", "tls://");
        let error = in_time("a refusal", Nats::connect(&url)).await.unwrap_err();
        assert!(matches!(error, Error::Failed { .. } | Error::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains(&server.address().to_string()), "{error}");
    });
}

#[test]
fn jetstream_keeps_groups_and_no_others() {
    let Some(server) = NatsServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let bus: Bus = Arc::new(jetstream(&server).await);
        let alone = subscribe(&bus, "a.b_c", SubscribeOptions::default()).await;
        let mut grouped = subscribe(&bus, "a.b_c", group("g.h")).await;
        let context = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
        let stream = context.get_stream("pillion__a_2Eb_5Fc").await.unwrap();
        let names = async || stream.consumer_names().try_collect::<Vec<String>>().await.unwrap();
        assert_eq!(names().await.len(), 2);
        drop(alone);
        let group = "a_2Eb_5Fc__g_2Eh";
        until("the lonely consumer is gone", async || names().await == [group]).await;
        // Nothing that all groups have settled is kept.
        publish(&bus, "a.b_c", "m").await;
        let messages = async || stream.get_info().await.unwrap().state.messages;
        assert_eq!(messages().await, 1);
        take(&mut grouped).await;
        until("the stream is empty", async || messages().await == 0).await;
        drop(grouped);
        assert_eq!(names().await, [group]);
    });
}

#[test]
fn redis_streams_keep_groups_and_no_others() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let bus: Bus = Arc::new(RedisStreams::connect(&server.url(), 1000).await.unwrap());
        let redis = redis::Client::open(server.url()).unwrap();
        let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
        // As one whose process was killed an hour ago.
        let mut make = redis::cmd("XGROUP");
        make.arg("CREATE").arg("t").arg("pillion-alone:forgotten").arg("$").arg("MKSTREAM");
        make.query_async::<()>(&mut redis).await.unwrap();

        let first = subscribe(&bus, "t", SubscribeOptions::default()).await;
        let mut second = subscribe(&bus, "t", SubscribeOptions::default()).await;
        let mut grouped = subscribe(&bus, "t", group("g")).await;
        let names = groups(&mut redis).await;
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(!names.contains(&"pillion-alone:forgotten".to_owned()), "{names:?}");
        for name in names.iter().filter(|name| name.starts_with("pillion-alone:")) {
            let mut ask = redis::cmd("TTL");
            let seconds: i64 = ask.arg(name).query_async(&mut redis).await.unwrap();
            assert!((3000..=3600).contains(&seconds), "{name} stays for {seconds} s");
        }
        publish(&bus, "t", "m").await;
        assert_eq!(take(&mut second).await.0, "m");
        assert_eq!(take(&mut grouped).await.0, "m");
        drop(first);
        drop(second);
        drop(grouped);
        let consumers = async || {
            let mut ask = redis::cmd("XINFO");
            ask.arg("CONSUMERS").arg("t").arg("g");
            ask.query_async::<Vec<redis::Value>>(&mut redis.clone()).await.unwrap().len()
        };
        until("the consumer is gone", async || consumers().await == 0).await;
        until("the lonely groups are gone", async || groups(&mut redis.clone()).await == ["g"]).await;
        let leases: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
        assert_eq!(leases, ["t"]);
    });
}

#[test]
fn a_new_group_may_have_what_was_there_before_it() {
    let (redis, nats) = (RedisServer::start_or_skip().unwrap(), NatsServer::start_or_skip().unwrap());
    runtime().block_on(async {
        let mut buses: Vec<Bus> = Vec::new();
        if let Some(server) = &redis {
            buses.push(Arc::new(RedisStreams::connect(&server.url(), 1000).await.unwrap()));
        }
        if let Some(server) = &nats {
            let log = StreamOptions { retention: Retention::All, ..StreamOptions::default() };
            buses.push(Arc::new(JetStream::connect(&server.url(), Streams::Made(log)).await.unwrap()));
        }
        for bus in buses {
            publish(&bus, "t", "before").await;
            let mut new = subscribe(&bus, "t", group("new")).await;
            let eldest = SubscribeOptions { start: Start::Eldest, ..group("eldest") };
            let mut all = subscribe(&bus, "t", eldest.clone()).await;
            publish(&bus, "t", "after").await;
            assert_eq!(take(&mut new).await.0, "after");
            assert_eq!((take(&mut all).await.0, take(&mut all).await.0), ("before".into(), "after".into()));
            // One that is known goes on where it was.
            all.close().await;
            publish(&bus, "t", "last").await;
            assert_eq!(take(&mut subscribe(&bus, "t", eldest).await).await.0, "last");
        }
    });
}

async fn groups(redis: &mut MultiplexedConnection) -> Vec<String> {
    let mut ask = redis::cmd("XINFO");
    let groups: Vec<std::collections::HashMap<String, redis::Value>> =
        ask.arg("GROUPS").arg("t").query_async(redis).await.unwrap();
    groups.iter().map(|group| redis::from_redis_value_ref(&group["name"]).unwrap()).collect()
}

/// What another program writes is read as far as it makes sense.
#[test]
fn redis_streams_read_what_others_wrote() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let bus: Bus = Arc::new(RedisStreams::connect(&server.url(), 1000).await.unwrap());
        let redis = redis::Client::open(server.url()).unwrap();
        let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
        let mut subscription = subscribe(&bus, "t", group("g")).await;
        let mut add = redis::cmd("XADD");
        add.arg("t").arg("*").arg("data").arg("body").arg("expires").arg("soon").arg("x").arg(&[255_u8][..]);
        add.query_async::<()>(&mut redis).await.unwrap();
        let delivery = next(&mut subscription).await;
        assert_eq!(*delivery.message, Message::from("body"));
        delivery.acknowledge().wait().await.unwrap();

        redis::cmd("SET").arg("taken").arg("v").query_async::<()>(&mut redis).await.unwrap();
        for error in [
            bus.publish("taken", "m".into()).wait().await.unwrap_err(),
            bus.subscribe("taken", group("g")).wait().await.map(drop).unwrap_err(),
            bus.subscribe("taken", SubscribeOptions::default()).wait().await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Failed { .. }), "{error:?}");
            assert!(error.to_string().contains("WRONGTYPE"), "{error}");
        }
    });
}
