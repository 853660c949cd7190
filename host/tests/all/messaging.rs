//! Messages from actors, and to them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use hyper::body::Bytes;
use pillion_capabilities::messaging::{
    Guarantees, Memory as Bus, Message, Operation, SubscribeOptions, Subscription,
};
use pillion_capabilities::{Answer, Counters, KeyValue, Memory, Messaging, Result};
use pillion_codec::{BrokerMessage, Item, RequestMessage};
use pillion_host::dispatch::{Contract, Provider};
use pillion_host::identity::KeyPair;
use pillion_host::middleware::{ActorCall, Halt, Middleware};
use pillion_host::{ActorRef, Host, HostConfig, Limits};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::guests::{Author, PUSH, asking, caps, keyvalue, mailbox};
use crate::provider::{Fake, entry};
use crate::traces::Traces;

/// No machine takes as long as that for what is waited for here.
const MINUTE: Duration = Duration::from_secs(60);

/// An actor bound to a bus and a store.
struct Fixture {
    host: Host,
    actor: ActorRef,
    bus: Arc<Bus>,
    store: Arc<Memory>,
}

impl Fixture {
    fn new() -> Self {
        Self::of(HostConfig::default())
    }

    fn of(config: HostConfig) -> Self {
        let author = Author::new();
        let host = author.host(config);
        let granted = caps(&["wascc:keyvalue", "wascc:messaging"]);
        let actor = host.load(&author.sign(&KeyPair::new_module(), &mailbox(), granted)).expect("it loads");
        let (bus, store) = (Arc::new(Bus::default()), Arc::new(Memory::new()));
        host.bind(&actor, "default", Provider::messaging(Arc::clone(&bus))).expect("granted");
        host.bind(&actor, "default", Provider::key_value(Arc::clone(&store))).expect("granted");
        Self { host, actor, bus, store }
    }

    /// What was pushed so far, once that much is there.
    async fn pushed(&self, count: usize) -> Vec<Vec<u8>> {
        let there = async {
            loop {
                let items = self.store.list_range("k", 0, -1).wait().await.expect("it is a list");
                if items.len() >= count {
                    return items.iter().map(|item| item.to_vec()).collect();
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(MINUTE, there).await.expect("as much is pushed")
    }

    async fn publish(&self, body: impl Into<Message>) {
        self.bus.publish("inbox", body.into()).wait().await.expect("there is room");
    }
}

/// Waits until it is so.
async fn until(mut so: impl FnMut() -> bool) {
    let is_so = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(MINUTE, is_so).await.expect("it comes to be so");
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
    until(|| fixture.bus.counters().of(Operation::Acknowledge) >= 20).await;
    assert_eq!(fixture.bus.counters().of(Operation::Redeliver), 0);
}

#[tokio::test]
async fn what_an_actor_fails_to_deal_with_comes_again_and_is_dead_at_last() {
    let fixture = Fixture::new();
    let mut dead =
        fixture.bus.subscribe("dead", SubscribeOptions::default()).wait().await.expect("subscribed");
    fixture.host.subscribe(&fixture.actor, "default", "inbox", options()).await.expect("it is bound");
    fixture.publish(vec![b'?'; PUSH]).await;
    let delivery = timeout(MINUTE, dead.next()).await.expect("it dies");
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

/// A bus that says of every call that it is answered at once, and makes a subscription only when it is let.
struct Slow {
    bus: Arc<Bus>,
    asked: Arc<Notify>,
    go: Arc<Notify>,
}

impl Messaging for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }
    fn counters(&self) -> &Counters<Operation> {
        self.bus.counters()
    }
    fn guarantees(&self) -> Guarantees {
        self.bus.guarantees()
    }
    fn always_ready(&self, _: Operation) -> bool {
        true
    }
    fn publish(&self, topic: &str, message: Message) -> Answer<()> {
        self.bus.publish(topic, message)
    }
    fn publish_many(&self, topic: &str, messages: Vec<Message>) -> Answer<Vec<Result<()>>> {
        self.bus.publish_many(topic, messages)
    }
    fn request(&self, topic: &str, message: Message, timeout: Duration) -> Answer<Bytes> {
        self.bus.request(topic, message, timeout)
    }
    fn subscribe(&self, topic: &str, options: SubscribeOptions) -> Answer<Subscription> {
        let subscription = self.bus.subscribe(topic, options);
        let (asked, go) = (Arc::clone(&self.asked), Arc::clone(&self.go));
        Answer::pending(async move {
            asked.notify_one();
            go.notified().await;
            subscription.wait().await
        })
    }
}

#[tokio::test]
async fn a_subscription_is_not_that_of_a_provider_that_was_exchanged_meanwhile() {
    let fixture = Fixture::new();
    let Fixture { host, actor, bus, .. } = &fixture;
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = Slow { bus: Arc::default(), asked: Arc::clone(&asked), go: Arc::clone(&go) };
    host.bind(actor, "slow", Provider::messaging(Arc::new(slow))).expect("granted");
    let exchange = async {
        asked.notified().await;
        host.unbind(actor, "slow", Contract::Messaging).expect("it is bound");
        host.bind(actor, "slow", Provider::messaging(Arc::clone(bus))).expect("the name is free");
        go.notify_one();
    };
    let (subscribed, ()) = tokio::join!(host.subscribe(actor, "slow", "inbox", options()), exchange);
    let error = subscribed.expect_err("its provider is gone").to_string();
    assert!(error.contains("\"slow\"") && error.contains("subscribe again"), "{error}");
    assert!(actor.info().subscriptions.is_empty());
}

/// Whoever binds another provider under the name at that moment would otherwise keep the old one's subscription.
#[tokio::test]
async fn a_subscription_does_not_outlive_its_binding_when_another_takes_the_name() {
    const BINDERS: usize = 3;
    let fixture = Fixture::new();
    let Fixture { host, actor, bus, .. } = &fixture;
    for _ in 0..3_000 {
        let bound = AtomicBool::new(false);
        host.subscribe(actor, "default", "inbox", options()).await.expect("it is bound");
        std::thread::scope(|scope| {
            for _ in 0..BINDERS {
                // Until one of them had its way.
                let bound = &bound;
                scope.spawn(move || {
                    while !bound.load(Ordering::Relaxed) {
                        if host.bind(actor, "default", Provider::messaging(Arc::clone(bus))).is_ok() {
                            bound.store(true, Ordering::Relaxed);
                        }
                    }
                });
            }
            host.unbind(actor, "default", Contract::Messaging).expect("it is bound");
        });
        assert!(actor.info().subscriptions.is_empty());
    }
}

#[tokio::test]
async fn a_message_waits_for_an_actor_that_has_no_room_for_it() {
    let author = Author::new();
    let limits = Limits { instances: 1, ..Limits::default() };
    let host = author.host(HostConfig { limits, ..HostConfig::default() });
    let granted = caps(&["wascc:keyvalue", "wascc:messaging"]);
    // It answers a delivery with what its provider answers, so that one that waits keeps its only instance.
    let actor = host.load(&author.sign(&KeyPair::new_module(), &keyvalue(), granted)).expect("it loads");
    let bus = Arc::new(Bus::default());
    host.bind(&actor, "default", Provider::messaging(Arc::clone(&bus))).expect("granted");
    let go = Arc::new(Notify::new());
    let gone = Arc::clone(&go);
    let late = Fake::getting(false, move |_| {
        let gone = Arc::clone(&gone);
        Answer::pending(async move {
            gone.notified().await;
            Ok(entry("late"))
        })
    });
    host.bind(&actor, "default", Provider::key_value(late)).expect("granted");
    let traces = Traces::of("pillion::delivery");
    let _default = tracing::subscriber::set_default(traces.clone());
    let mut dead = bus.subscribe("dead", SubscribeOptions::default()).wait().await.expect("subscribed");
    host.subscribe(&actor, "default", "inbox", options()).await.expect("it is bound");
    let mut under_way = match host.call(&actor, "Get", b"\x81\xa3key\xa1k") {
        pillion_host::Call::Pending(call) => call,
        pillion_host::Call::Ready(_) => panic!("its provider waits"),
    };
    // Once polled, it has the only instance.
    assert!(futures_poll(&mut under_way).await.is_none());
    bus.publish("inbox", Message::from("x")).wait().await.expect("there is room");
    let tried =
        || traces.lines().iter().filter(|line| line.contains("instances of the guest are in use")).count();
    until(|| tried() >= 5 || bus.counters().of(Operation::Redeliver) > 0).await;
    assert_eq!(bus.counters().of(Operation::Redeliver), 0, "no delivery was used up");
    go.notify_one();
    under_way.await.expect("it is answered");
    // Its provider does not know the operation, so that it is dead after the deliveries allowed, and no sooner.
    assert!(timeout(MINUTE, dead.next()).await.expect("it dies").is_some());
    assert_eq!(bus.counters().of(Operation::Redeliver), 3);
}

/// One look at a future.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut future = std::pin::Pin::new(future);
    std::future::poll_fn(move |context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_actor_that_is_always_ready_deals_with_messages_on_several_threads() {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let granted = caps(&["wascc:keyvalue", "wascc:messaging"]);
    let actor = host.load(&author.sign(&KeyPair::new_module(), &mailbox(), granted)).expect("it loads");
    let bus = Arc::new(Bus::default());
    let go = Arc::new(Notify::new());
    go.notify_one();
    let at_once = Slow { bus: Arc::clone(&bus), asked: Arc::default(), go };
    host.bind(&actor, "default", Provider::messaging(Arc::new(at_once))).expect("granted");
    // A push ends only when another is under way.
    let meeting = Arc::new((Mutex::new(0), Condvar::new()));
    let met = Arc::clone(&meeting);
    let store = Fake::pushing(move || {
        let (count, changed) = &*met;
        let mut count = count.lock().expect("unpoisoned");
        *count += 1;
        changed.notify_all();
        let wait = changed.wait_timeout_while(count, MINUTE, |count| *count < 2);
        let late = wait.expect("unpoisoned").1.timed_out();
        if late {
            return Answer::Ready(Err(pillion_capabilities::Error::InvalidArgument("alone".to_owned())));
        }
        Answer::Ready(Ok(1))
    });
    host.bind(&actor, "default", Provider::key_value(store)).expect("granted");
    assert!(actor.always_ready());
    host.subscribe(&actor, "default", "inbox", options()).await.expect("it is bound");
    for value in 0..2 {
        bus.publish("inbox", push(value).into()).wait().await.expect("there is room");
    }
    until(|| bus.counters().of(Operation::Acknowledge) + bus.counters().of(Operation::Redeliver) >= 2).await;
    assert_eq!(bus.counters().of(Operation::Redeliver), 0, "each met the other");
}

/// Lets nobody in for so many calls.
struct Halting(AtomicUsize);

impl Middleware for Halting {
    fn before_actor(&self, _: &ActorCall<'_>) -> Result<(), Halt> {
        let one_less = |left: usize| left.checked_sub(1);
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
            Ok(_) => Err(Halt("closed".to_owned())),
            Err(_) => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_message_waits_for_middleware_that_halts_for_a_while() {
    let middleware: Vec<Arc<dyn Middleware>> = vec![Arc::new(Halting(AtomicUsize::new(5)))];
    let fixture = Fixture::of(HostConfig { middleware, ..HostConfig::default() });
    fixture.host.subscribe(&fixture.actor, "default", "inbox", options()).await.expect("it is bound");
    fixture.publish(push(7)).await;
    assert_eq!(fixture.pushed(1).await, [[7]]);
    until(|| fixture.bus.counters().of(Operation::Acknowledge) > 0).await;
    assert_eq!(fixture.bus.counters().of(Operation::Redeliver), 0, "no delivery was used up");
}

/// One call under way.
struct OneMore(Arc<AtomicUsize>);

impl Drop for OneMore {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn an_actor_that_takes_too_long_has_no_message_beside_itself() {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let granted = caps(&["wascc:keyvalue", "wascc:messaging"]);
    let actor = host.load(&author.sign(&KeyPair::new_module(), &asking(), granted)).expect("it loads");
    let bus = Arc::new(Bus::default());
    host.bind(&actor, "default", Provider::messaging(Arc::clone(&bus))).expect("granted");
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, highest) = (Arc::clone(&under_way), Arc::clone(&most));
    let never = Fake::getting(false, move |_| {
        highest.fetch_max(count.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let one_more = OneMore(Arc::clone(&count));
        Answer::pending(async move {
            std::future::pending::<()>().await;
            drop(one_more);
            Ok(None)
        })
    });
    host.bind(&actor, "default", Provider::key_value(never)).expect("granted");
    let traces = Traces::of("pillion::delivery");
    let _default = tracing::subscriber::set_default(traces.clone());
    let mut dead = bus.subscribe("dead", SubscribeOptions::default()).wait().await.expect("subscribed");
    // The tenth of it that is for having the provider told is long enough for a busy machine.
    let options = SubscribeOptions { ack_wait: Duration::from_secs(4), max_deliveries: 2, ..options() };
    host.subscribe(&actor, "default", "inbox", options).await.expect("it is bound");
    let warned = |what: &str| traces.lines().iter().filter(|line| line.contains(what)).count();
    assert_eq!(warned("set ack_wait above the actor's deadline"), 1);
    bus.publish("inbox", Message::from("x")).wait().await.expect("there is room");
    assert!(timeout(MINUTE, dead.next()).await.expect("it dies").is_some());
    assert_eq!(most.load(Ordering::Relaxed), 1, "the earlier was given up first");
    assert_eq!((bus.counters().of(Operation::Redeliver), under_way.load(Ordering::Relaxed)), (2, 0));
    assert_eq!(warned("with an ack_wait that is longer"), 2);
}
