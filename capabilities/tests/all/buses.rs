//! A fresh messaging provider of each kind, and one test of a promise for each.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::Messaging;
use pillion_capabilities::messaging::{
    Delivery, DeliveryGuarantee, JetStream, Memory, Nats, RedisStreams, StreamOptions, Streams,
    SubscribeOptions, Subscription,
};
use pillion_capabilities::testing::{NatsServer, RedisServer};

use crate::providers::runtime;

pub(crate) type Bus = Arc<dyn Messaging>;

/// Longer than any message takes unless it never comes.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn with_memory<F: Future<Output = ()>>(test: impl FnOnce(Bus) -> F) {
    runtime().block_on(test(Arc::new(Memory::default())));
}

pub(crate) fn with_nats<F: Future<Output = ()>>(test: impl FnOnce(Bus) -> F) {
    let Some(server) = NatsServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async { test(Arc::new(Nats::connect(&server.url()).await.unwrap())).await });
}

pub(crate) fn with_jetstream<F: Future<Output = ()>>(test: impl FnOnce(Bus) -> F) {
    let Some(server) = NatsServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async { test(Arc::new(jetstream(&server).await)).await });
}

pub(crate) fn with_redis_streams<F: Future<Output = ()>>(test: impl FnOnce(Bus) -> F) {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        test(Arc::new(RedisStreams::connect(&server.url(), 100_000).await.unwrap())).await;
    });
}

pub(crate) async fn jetstream(server: &NatsServer) -> JetStream {
    JetStream::connect(&server.url(), Streams::Made(StreamOptions::default())).await.unwrap()
}

/// Whether the provider delivers a message again.
pub(crate) fn redelivers(bus: &Bus) -> bool {
    bus.guarantees().delivery == DeliveryGuarantee::AtLeastOnce
}

pub(crate) fn group(name: &str) -> SubscribeOptions {
    SubscribeOptions { group: Some(name.to_owned()), ..SubscribeOptions::default() }
}

pub(crate) async fn subscribe(bus: &Bus, topic: &str, options: SubscribeOptions) -> Subscription {
    bus.subscribe(topic, options).wait().await.unwrap()
}

pub(crate) async fn publish(bus: &Bus, topic: &str, body: &str) {
    bus.publish(topic, body.to_owned().into()).wait().await.unwrap();
}

/// The next delivery, which has to come.
pub(crate) async fn next(subscription: &mut Subscription) -> Delivery {
    in_time("a delivery", subscription.next()).await.expect("the subscription goes on")
}

/// The next message as text with its attempt, acknowledged.
pub(crate) async fn take(subscription: &mut Subscription) -> (String, u32) {
    let delivery = next(subscription).await;
    let seen = (text(&delivery), delivery.attempt);
    delivery.acknowledge().wait().await.unwrap();
    seen
}

pub(crate) fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message.body.to_vec()).unwrap()
}

/// What a future answers, which must not take for ever.
pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("in vain waited for {what}"))
}

/// Makes of each `async fn(Bus)` a test per provider.
macro_rules! for_each_bus {
    ($($promise:ident),+ $(,)?) => {$(
        mod $promise {
            use crate::buses::{with_jetstream, with_memory, with_nats, with_redis_streams};

            #[test]
            fn memory() {
                with_memory(super::$promise);
            }

            #[test]
            fn nats() {
                with_nats(super::$promise);
            }

            #[test]
            fn jetstream() {
                with_jetstream(super::$promise);
            }

            #[test]
            fn redis_streams() {
                with_redis_streams(super::$promise);
            }
        }
    )+};
}
pub(crate) use for_each_bus;
