//! Messaging servers go and come back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pillion_capabilities::messaging::{
    JetStream, Nats, RedisStreams, Storage, StreamOptions, Streams, SubscribeOptions, Subscription,
};
use pillion_capabilities::testing::{NatsServer, RedisServer};
use pillion_capabilities::{Error, Result};
use tokio::sync::{Semaphore, mpsc};

use crate::buses::{Bus, group, in_time, jetstream, publish, subscribe, take, text};
use crate::providers::{runtime, until};

/// Well above the providers' own bounds, well below for ever.
const BOUND: Duration = Duration::from_secs(20);

/// How many messages a publisher may be ahead of the deliveries.
const WINDOW: usize = 200;

/// A server of either kind.
trait Server {
    fn stop(&mut self);
    fn restart(&mut self);
    fn address(&self) -> String;
    fn pid(&self) -> Pid;
}

macro_rules! server {
    ($($server:ident),+) => {$(
        impl Server for $server {
            fn stop(&mut self) {
                self.stop().unwrap();
            }

            fn restart(&mut self) {
                self.restart().unwrap();
            }

            fn address(&self) -> String {
                self.address().to_string()
            }

            fn pid(&self) -> Pid {
                Pid::from_raw(self.pid().unwrap().try_into().unwrap())
            }
        }
    )+};
}
server!(NatsServer, RedisServer);

/// Has messages published and delivered while the server is killed again and again: every one whose publication
/// was acknowledged has to arrive. Some come twice: a server may lose an acknowledgement that it confirmed.
async fn what_was_acknowledged_arrives(bus: Bus, server: &mut dyn Server) {
    let options = SubscribeOptions { ack_wait: Duration::from_secs(1), max_deliveries: 1000, ..group("g") };
    let subscription = subscribe(&bus, "t", options).await;
    let (sender, mut deliveries) = mpsc::unbounded_channel();
    let reader = tokio::spawn(read(subscription, sender));
    let (over, window) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(WINDOW)));
    let mut publisher = tokio::spawn({
        let (bus, over, window) = (Arc::clone(&bus), Arc::clone(&over), Arc::clone(&window));
        async move {
            let (mut acknowledged, mut attempted, mut after) = (BTreeSet::new(), 0_u64, 0);
            // Until the last failure, and for a while after it.
            while after < 50 {
                let place = window.acquire().await.unwrap();
                match bus.publish("t", attempted.to_string().into()).wait().await {
                    Ok(()) => {
                        place.forget();
                        acknowledged.insert(attempted.to_string());
                        after += u32::from(over.load(Ordering::SeqCst));
                    }
                    Err(Error::Unavailable { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                    Err(error) => panic!("{error:?}"),
                }
                attempted += 1;
            }
            (acknowledged, attempted)
        }
    });
    let mut delivered: BTreeMap<String, u32> = BTreeMap::new();
    let mut count = |body: String| {
        let times = delivered.entry(body).or_default();
        *times += 1;
        if *times == 1 {
            window.add_permits(1);
        }
    };
    for _ in 0..3 {
        for _ in 0..50 {
            count(in_time("a delivery", deliveries.recv()).await.unwrap());
        }
        server.stop();
        // The publisher has to notice.
        until("calls fail", async || {
            matches!(bus.publish("probe", "m".into()).wait().await, Err(Error::Unavailable { .. }))
        })
        .await;
        server.restart();
        until("calls work again", async || bus.publish("probe", "m".into()).wait().await.is_ok()).await;
    }
    over.store(true, Ordering::SeqCst);
    let (acknowledged, attempted) = loop {
        tokio::select! {
            published = &mut publisher => break published.unwrap(),
            body = in_time("a delivery", deliveries.recv()) => count(body.unwrap()),
        }
    };
    while !acknowledged.iter().all(|body| delivered.contains_key(body)) {
        let body = in_time("what was acknowledged", deliveries.recv()).await.unwrap();
        *delivered.entry(body).or_default() += 1;
    }
    for body in delivered.keys() {
        assert!(body.parse::<u64>().unwrap() < attempted, "{body} was never published");
    }
    let twice = delivered.values().filter(|times| **times > 1).count();
    eprintln!(
        "{}: {attempted} published, {} acknowledged, {} delivered, {twice} of them more than once",
        bus.name(),
        acknowledged.len(),
        delivered.len()
    );
    reader.abort();
}

/// Acknowledges what it can.
async fn read(mut subscription: Subscription, sender: mpsc::UnboundedSender<String>) {
    while let Some(delivery) = subscription.next().await {
        sender.send(text(&delivery)).unwrap();
        // Without the server, the message comes again.
        drop(delivery.acknowledge().wait().await);
    }
}

/// Calls fail clearly while the server is gone, and work again when it is back, as do subscriptions.
async fn calls_fail_clearly_and_recover(bus: Bus, server: &mut dyn Server) {
    let mut subscription = subscribe(&bus, "t", group("g")).await;
    let mut alone = subscribe(&bus, "t", SubscribeOptions::default()).await;
    publish(&bus, "t", "before").await;
    assert_eq!(take(&mut subscription).await.0, "before");
    assert_eq!(take(&mut alone).await.0, "before");

    // Calls are under way while the server is killed; none may hang.
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let bus = Arc::clone(&bus);
            tokio::spawn(async move {
                loop {
                    if let Err(error) = bus.publish("other", "m".into()).wait().await {
                        return error;
                    }
                }
            })
        })
        .collect();
    server.stop();
    for error in tokio::time::timeout(BOUND, join_all(callers)).await.expect("no call hangs") {
        assert!(matches!(error.as_ref().unwrap(), Error::Unavailable { .. }), "{error:?}");
    }
    for _ in 0..3 {
        let start = Instant::now();
        let failures = [
            bus.publish("t", "lost".into()).wait().await,
            bus.publish_many("t", vec!["lost".into()]).wait().await.and_then(|results| results[0].clone()),
            bus.subscribe("t", group("g")).wait().await.map(drop),
        ];
        for result in failures {
            let error = result.unwrap_err();
            assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
            assert!(error.to_string().contains(&server.address()), "{error}");
        }
        if bus.guarantees().requests {
            let error = bus.request("t", "lost".into(), BOUND).wait().await.unwrap_err();
            assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        }
        assert!(start.elapsed() < BOUND);
    }

    server.restart();
    for subscription in [&mut subscription, &mut alone] {
        let start = Instant::now();
        // A message may be lost until the subscription is there again.
        loop {
            assert!(start.elapsed() < BOUND, "the subscription does not go on");
            let published = bus.publish("t", "after".into()).wait().await;
            let taken = tokio::time::timeout(Duration::from_millis(200), take(subscription)).await;
            if published.is_ok() && taken.is_ok_and(|(body, _)| body == "after") {
                break;
            }
        }
    }
    let mut anew = subscribe(&bus, "t", group("h")).await;
    publish(&bus, "t", "last").await;
    assert_eq!(take(&mut anew).await.0, "last");
}

async fn a_silent_server_is_given_up(bus: Bus, server: &mut dyn Server) {
    let mut subscription = subscribe(&bus, "t", group("g")).await;
    kill(server.pid(), Signal::SIGSTOP).unwrap();
    // What is only handed to the connection may succeed for a while.
    let start = Instant::now();
    loop {
        let publishing = tokio::time::timeout(BOUND, bus.publish("t", "m".into()).wait());
        match publishing.await.expect("it does not hang") {
            Ok(()) => assert!(start.elapsed() < BOUND, "nobody notices"),
            Err(error) => break assert!(matches!(error, Error::Unavailable { .. }), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kill(server.pid(), Signal::SIGCONT).unwrap();
    until("calls work again", async || bus.publish("t", "n".into()).wait().await.is_ok()).await;
    // What was handed to a connection that then broke is lost where nothing is kept: so until one arrives.
    let publishing = async {
        loop {
            // Whether it arrives is what counts.
            let _ = bus.publish("t", "n".into()).wait().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let arriving = async { while take(&mut subscription).await.0 != "n" {} };
    tokio::select! {
        () = arriving => {}
        () = publishing => {}
    }
}

#[test]
fn jetstream_delivers_what_was_acknowledged() {
    let Some(mut server) = NatsServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let bus: Bus = Arc::new(jetstream(&server).await);
        what_was_acknowledged_arrives(bus, &mut server).await;
    });
}

#[test]
fn redis_streams_deliver_what_was_acknowledged() {
    let Some(mut server) = RedisServer::start_durable_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let bus: Bus = Arc::new(RedisStreams::connect(&server.url(), 100_000).await.unwrap());
        what_was_acknowledged_arrives(bus, &mut server).await;
    });
}

#[test]
fn nats_recovers() {
    let Some(mut server) = NatsServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let bus: Bus = Arc::new(Nats::connect(&server.url()).await.unwrap());
        calls_fail_clearly_and_recover(bus, &mut server).await;
    });
}

#[test]
fn jetstream_recovers() {
    let Some(mut server) = NatsServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        calls_fail_clearly_and_recover(Arc::new(jetstream(&server).await), &mut server).await;
    });
}

/// The server comes back without its streams.
#[test]
fn jetstream_in_memory_recovers() {
    let Some(mut server) = NatsServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let options = StreamOptions { storage: Storage::Memory, ..StreamOptions::default() };
        let bus = JetStream::connect(&server.url(), Streams::Made(options)).await.unwrap();
        calls_fail_clearly_and_recover(Arc::new(bus), &mut server).await;
    });
}

/// The server comes back without its streams.
#[test]
fn redis_streams_recover() {
    let Some(mut server) = RedisServer::start_or_skip().unwrap() else { return };
    runtime().block_on(async {
        let bus: Bus = Arc::new(RedisStreams::connect(&server.url(), 100_000).await.unwrap());
        calls_fail_clearly_and_recover(bus, &mut server).await;
    });
}

#[test]
fn silent_servers_are_given_up() {
    if let Some(mut server) = NatsServer::start_or_skip().unwrap() {
        runtime().block_on(async {
            let bus: Bus = Arc::new(Nats::connect(&server.url()).await.unwrap());
            a_silent_server_is_given_up(bus, &mut server).await;
            let bus: Bus = Arc::new(jetstream(&server).await);
            a_silent_server_is_given_up(bus, &mut server).await;
        });
    }
    if let Some(mut server) = RedisServer::start_or_skip().unwrap() {
        runtime().block_on(async {
            let bus: Bus = Arc::new(RedisStreams::connect(&server.url(), 1000).await.unwrap());
            a_silent_server_is_given_up(bus, &mut server).await;
        });
    }
}

#[test]
fn servers_that_are_not_there_are_named() {
    fn check<T>(connected: Result<T>, address: &str) {
        let Err(error) = connected else { panic!("connected to nothing") };
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains(address), "{error}");
    }
    fn refuse<T>(connected: Result<T>) {
        let Err(error) = connected else { panic!("connected to nonsense") };
        assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
    }
    let streams = Streams::Made(StreamOptions::default());
    runtime().block_on(async {
        if let Some(mut server) = NatsServer::start_or_skip().unwrap() {
            server.stop().unwrap();
            let (url, address) = (server.url(), server.address().to_string());
            check(Nats::connect(&url).await, &address);
            check(JetStream::connect(&url, streams).await, &address);
        }
        if let Some(mut server) = RedisServer::start_or_skip().unwrap() {
            server.stop().unwrap();
            check(RedisStreams::connect(&server.url(), 10).await, &server.address().to_string());
        }
        refuse(Nats::connect("http://user:secret@nonsense:x").await);
        refuse(JetStream::connect("", streams).await);
        refuse(RedisStreams::connect("nonsense", 10).await);
    });
}
