//! Defects of the original host that stand nowhere else. The others: 1 (replies to the wrong caller) and 2 (re-entrant
//! calls hang) in `calls`, 3 (a swap that runs the old code) in `updates`, 4 (layers that run the operation again) and 7
//! (a token for each call) in `middleware`; that a value expires in Redis, in the suite of all key-value providers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use pillion_capabilities::testing::RedisServer;
use pillion_capabilities::{KeyValue, Memory, Redis};
use pillion_codec::AddRequest;
use pillion_host::identity::{ActorClaims, KeyPair};
use pillion_host::{HostConfig, HostError};

use crate::guests::{Author, caps, keyvalue};
use crate::provider::Fake;

/// Defect 5: a provider that is itself a module made the host panic when it was bound. Here it is not taken for an actor.
#[test]
fn a_module_that_is_a_provider_is_refused() {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let module = KeyPair::new_module();
    let claims = ActorClaims { prov: true, ..caps(&["wascc:keyvalue"]) };
    let error = host.load(&author.sign(&module, &keyvalue(), claims)).expect_err("it is no actor");
    assert!(matches!(&error, HostError::Provider(key) if *key == module.public_key()), "{error}");
    assert!(host.actors().is_empty());
    host.load(&author.sign(&module, &keyvalue(), caps(&[]))).expect("as an actor it may be");
}

/// Defect 6: there was a thread for each actor, each provider and each binding.
#[test]
fn actors_providers_and_bindings_have_no_threads() {
    const ACTORS: usize = 100;
    let threads = || std::fs::read_dir("/proc/self/task").expect("Linux").count();
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let before = threads();
    for _ in 0..ACTORS {
        let actor = author.sign(&KeyPair::new_module(), &keyvalue(), caps(&["wascc:keyvalue"]));
        let actor = host.load(&actor).expect("it loads");
        for binding in ["default", "second", "third"] {
            let provider: Arc<dyn KeyValue> = Arc::new(Memory::new());
            host.bind(&actor, binding, provider).expect("it is granted");
        }
        host.bind(&actor, "fourth", Fake::map() as Arc<dyn KeyValue>).expect("it is granted");
        host.call_into(&actor, "Add", &add(), &mut Vec::new()).expect("it is answered");
    }
    // Other tests of this process start and end threads of their own.
    let more = threads().saturating_sub(before);
    assert!(more < ACTORS / 2, "{more} threads more for {ACTORS} actors");
}

/// Defect 8: each operation on Redis had a connection of its own.
#[tokio::test]
async fn all_operations_on_redis_share_a_connection() {
    let Some(server) = RedisServer::start_or_skip().expect("a server") else { return };
    let connections = || {
        let mut stream = TcpStream::connect(server.address()).expect("it listens");
        stream.write_all(b"INFO stats\r\nQUIT\r\n").expect("it reads");
        let mut stats = String::new();
        stream.read_to_string(&mut stats).expect("it answers");
        let received = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        received.expect("it is told").parse::<u64>().expect("a number")
    };
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let actor = author.sign(&KeyPair::new_module(), &keyvalue(), caps(&["wascc:keyvalue"]));
    let actor = host.load(&actor).expect("it loads");
    let redis: Arc<dyn KeyValue> = Arc::new(Redis::connect(&server.url()).await.expect("it listens"));
    host.bind(&actor, "default", redis).expect("it is granted");
    let call = async || host.call(&actor, "Add", &add()).wait().await.expect("it is answered");
    call().await;
    let before = connections();
    for _ in 0..100 {
        call().await;
    }
    // One of them asks.
    assert_eq!(connections() - before, 1);
}

fn add() -> Vec<u8> {
    let mut request = Vec::new();
    AddRequest { key: "count", value: 1 }.encode(&mut request);
    request
}
