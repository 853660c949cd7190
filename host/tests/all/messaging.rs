//! Messages from actors, and to them.

use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::messaging::{Memory as Bus, Message, Operation, SubscribeOptions};
use pillion_capabilities::{KeyValue, Memory, Messaging};
use pillion_codec::{BrokerMessage, Item, RequestMessage};
use pillion_host::dispatch::{Contract, Provider};
use pillion_host::identity::KeyPair;
use pillion_host::{ActorRef, Host, HostConfig};

use crate::guests::{Author, PUSH, caps, mailbox};

/// An actor bound to a bus and a store.
struct Fixture {
    host: Host,
    actor: ActorRef,
    bus: Arc<Bus>,
    store: Arc<Memory>,
}

impl Fixture {
    fn new() -> Self {
        let author = Author::new();
        let host = author.host(HostConfig::default());
        let granted = caps(&["wascc:keyvalue", "wascc:messaging"]);
        let actor = host.load(&author.sign(&KeyPair::new_module(), &mailbox(), granted)).expect("it loads");
        let (bus, store) = (Arc::new(Bus::default()), Arc::new(Memory::new()));
        host.bind(&actor, "default", Provider::messaging(Arc::clone(&bus))).expect("granted");
        host.bind(&actor, "default", Provider::key_value(Arc::clone(&store))).expect("granted");
        Self { host, actor, bus, store }
    }

    /// What was pushed so far, once that much is there.
    async fn pushed(&self, count: usize) -> Vec<Vec<u8>> {
        loop {
            let items = self.store.list_range("k", 0, -1).wait().await.expect("it is a list");
            if items.len() >= count {
                return items.iter().map(|item| item.to_vec()).collect();
            }
            tokio::task::yield_now().await;
        }
    }

    async fn publish(&self, body: impl Into<Message>) {
        self.bus.publish("inbox", body.into()).wait().await.expect("there is room");
    }
}

fn push(value: u8) -> Vec<u8> {
    let mut request = Vec::new();
    Item { key: "k", value: &[value] }.encode(&mut request);
    assert_eq!(request.len(), PUSH);
    request
}

fn options() -> SubscribeOptions {
    SubscribeOptions {
        max_deliveries: 3,
        dead_letter: Some("dead".to_owned()),
        ..SubscribeOptions::default()
    }
}

#[tokio::test]
async fn an_actor_publishes_and_requests() {
    let Fixture { host, actor, bus, .. } = Fixture::new();
    let mut seen = bus.subscribe("news", SubscribeOptions::default()).wait().await.expect("a subscription");
    let mut payload = Vec::new();
    BrokerMessage { subject: "news", reply_to: "", body: b"hello" }.encode(&mut payload);
    let response = host.call(&actor, "Publish", &payload).wait().await.expect("published");
    assert!(response.is_empty());
    let delivery = seen.next().await.expect("it arrives");
    assert_eq!((&delivery.message.body[..], &delivery.message.reply_to), (&b"hello"[..], &None));

    let mut asked =
        bus.subscribe("question", SubscribeOptions::default()).wait().await.expect("a subscription");
    let answering = Arc::clone(&bus);
    let answerer = tokio::spawn(async move {
        let delivery = asked.next().await.expect("it is asked");
        let topic = delivery.message.reply_to.clone().expect("it wants a reply");
        answering.publish(&topic, Message::from("42")).wait().await.expect("somebody waits");
    });
    payload.clear();
    RequestMessage { subject: "question", body: b"?", timeout: 60_000 }.encode(&mut payload);
    let reply = host.call(&actor, "Request", &payload).wait().await.expect("answered");
    assert_eq!(reply, &b"42"[..]);
    answerer.await.expect("no panic");

    payload.clear();
    RequestMessage { subject: "nobody", body: b"?", timeout: 1 }.encode(&mut payload);
    let failure = host.call(&actor, "Request", &payload).wait().await.expect_err("nobody replies");
    assert!(failure.to_string().contains("nobody replied"), "{failure}");
    payload.clear();
    RequestMessage { subject: "nobody", body: b"?", timeout: -1 }.encode(&mut payload);
    let failure = host.call(&actor, "Request", &payload).wait().await.expect_err("no such time");
    assert!(failure.to_string().contains("the request of wascc:messaging Request is malformed"), "{failure}");
}

#[tokio::test]
async fn messages_are_delivered_to_an_actor_once_each() {
    let fixture = Fixture::new();
    fixture.host.subscribe(&fixture.actor, "default", "inbox", options()).await.expect("it is bound");
    assert_eq!(fixture.actor.info().subscriptions, ["inbox"]);
    let again = fixture.host.subscribe(&fixture.actor, "", "inbox", options()).await;
    assert!(again.expect_err("it is subscribed").to_string().contains("is subscribed to inbox already"));
    for value in 0..20 {
        fixture.publish(push(value)).await;
    }
    let mut pushed = fixture.pushed(20).await;
    pushed.sort();
    assert_eq!(pushed, (0..20).map(|value| vec![value]).collect::<Vec<_>>());
    while fixture.bus.counters().of(Operation::Acknowledge) < 20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.bus.counters().of(Operation::Redeliver), 0);
}

#[tokio::test]
async fn what_an_actor_fails_to_deal_with_comes_again_and_is_dead_at_last() {
    let fixture = Fixture::new();
    let mut dead =
        fixture.bus.subscribe("dead", SubscribeOptions::default()).wait().await.expect("subscribed");
    fixture.host.subscribe(&fixture.actor, "default", "inbox", options()).await.expect("it is bound");
    fixture.publish(vec![b'?'; PUSH]).await;
    let delivery = tokio::time::timeout(Duration::from_secs(60), dead.next()).await.expect("it dies");
    assert_eq!(delivery.expect("it arrives").message.body, vec![b'?'; PUSH]);
    assert_eq!(fixture.bus.counters().of(Operation::Redeliver), 3);
    fixture.publish(push(7)).await;
    assert_eq!(fixture.pushed(1).await, [[7]], "the next is served");
}

#[tokio::test]
async fn a_subscription_ends_with_its_binding_and_its_actor() {
    let fixture = Fixture::new();
    let Fixture { host, actor, .. } = &fixture;
    let subscribed = || actor.info().subscriptions.len();
    host.subscribe(actor, "default", "inbox", options()).await.expect("it is bound");
    host.unsubscribe(actor, "default", "inbox").expect("it is subscribed");
    let error = host.unsubscribe(actor, "default", "inbox").expect_err("it is not");
    assert!(error.to_string().contains("is not subscribed to inbox"), "{error}");

    host.subscribe(actor, "default", "inbox", options()).await.expect("it is bound");
    host.unbind(actor, "default", Contract::Messaging).expect("it is bound");
    assert_eq!(subscribed(), 0);
    let error = host.subscribe(actor, "default", "inbox", options()).await.expect_err("not bound any more");
    assert!(error.to_string().contains("has no wascc:messaging provider"), "{error}");

    host.bind(actor, "default", Provider::messaging(Arc::clone(&fixture.bus))).expect("granted");
    host.subscribe(actor, "default", "inbox", options()).await.expect("it is bound");
    host.remove(actor).expect("it is there");
    assert_eq!(subscribed(), 0);
}
