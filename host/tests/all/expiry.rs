//! Tokens that expire while their actors run.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pillion_codec::GetRequest;
use pillion_host::dispatch::Provider;
use pillion_host::identity::{self, ActorClaims, Claims, KeyPair};
use pillion_host::{ActorRef, Host, HostConfig, HttpOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::guests::{caps, keyvalue};
use crate::provider::Fake;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// An actor whose token is valid for two seconds, and its next revision without an end.
fn short_lived() -> (Host, ActorRef, Vec<u8>) {
    let (account, module) = (KeyPair::new_account(), KeyPair::new_module());
    let mut config = HostConfig::default();
    config.trust.issuers.insert(account.public_key());
    let host = Host::new(config).expect("it starts");
    let granted = ["wascc:keyvalue", "wascc:http_server"];
    let signed = |rev, exp| {
        let mut claims = Claims::new(&account, &module, ActorClaims { rev: Some(rev), ..caps(&granted) });
        claims.exp = exp;
        identity::sign(&keyvalue(), claims, &account).expect("it can be signed")
    };
    // A machine that takes longer than that for it is given another.
    let actor = loop {
        if let Ok(actor) = host.load(&signed(1, Some(now() + 2))) {
            break actor;
        }
    };
    (host, actor, signed(2, None))
}

async fn status(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it is answered");
    answer
}

#[tokio::test]
async fn an_expired_token_grants_nothing_any_more_until_an_update() {
    let (host, actor, newer) = short_lived();
    let provider = Fake::map();
    host.bind(&actor, "default", Provider::key_value(Arc::clone(&provider))).expect("granted");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let server = host.serve_http(&actor, listener, HttpOptions::default()).expect("granted");
    let call = || {
        let (mut request, mut response) = (Vec::new(), Vec::new());
        GetRequest { key: "k" }.encode(&mut request);
        host.call_into(&actor, "Get", &request, &mut response)
    };
    let expires = actor.info().expires.expect("it has an end");
    while now() < expires {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(actor.info().expired);
    let before = provider.counters.total();
    let failure = call().expect_err("nothing is granted any more").to_string();
    assert!(failure.contains(&format!("expired at {expires}")), "{failure}");
    let answer = status(server.address()).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("token has expired"), "{answer}");
    assert_eq!(provider.counters.total(), before, "the provider is not reached");

    host.update(&actor, &newer, None).await.expect("it is newer");
    assert!(!actor.info().expired);
    call().expect("granted again");
    let answer = status(server.address()).await;
    assert!(!answer.contains("token has expired"), "{answer}");
    server.stop().await;
}
