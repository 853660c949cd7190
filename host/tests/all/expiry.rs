//! What has its time: tokens that expire while their actors run, and answers that are not waited for.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pillion_codec::GetRequest;
use pillion_host::dispatch::Provider;
use pillion_host::identity::{self, ActorClaims, Claims, IdentityError, KeyPair};
use pillion_host::{ActorRef, CallFailure, HealthCheck, Host, HostConfig, HostError, HttpOptions, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::guests::{Author, caps, guest, keyvalue, saying};
use crate::provider::Fake;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// An actor whose token is valid for some seconds, and its next revision without an end.
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
    // A machine that takes longer than that for it is given another, valid for twice as long.
    let mut valid = 2;
    let actor = loop {
        match host.load(&signed(1, Some(now() + valid))) {
            Err(HostError::Identity(IdentityError::Expired { .. })) if valid < 64 => valid *= 2,
            loaded => break loaded.expect("it loads"),
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
    // Within a tick of the engine's, the actor is not called at all any more; till then, nothing is granted.
    loop {
        match call() {
            Err(CallFailure::Expired(at)) if at == expires => break,
            Err(CallFailure::Guest(text)) if text.contains(&format!("expired at {expires}")) => {}
            other => panic!("an expired actor is called: {other:?}"),
        }
        tokio::task::yield_now().await;
    }
    let failure = call().expect_err("it is not called").to_string();
    let said = format!(
        "the token of the actor expired at {expires} (Unix seconds); update it with a module signed anew"
    );
    assert_eq!(failure, said);
    let failure = host.call(&actor, "Get", b"").wait().await;
    assert_eq!(failure, Err(CallFailure::Expired(expires)));
    // What it is bound to makes no difference.
    host.bind(&actor, "other", Provider::key_value(Fake::map())).expect("granted");
    assert_eq!(call(), Err(CallFailure::Expired(expires)));
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

/// A call of an actor that is always ready returns only when it is done, so that no timer ends it.
#[tokio::test]
async fn a_health_check_is_not_waited_for_beyond_its_patience_by_a_guest_that_never_waits_either() {
    let (author, module) = (Author::new(), KeyPair::new_module());
    let (deadline, patience) = (Duration::from_secs(3_600), Duration::from_millis(50));
    let limits = Limits { deadline, ..Limits::default() };
    let host = author.host(HostConfig { limits, ..HostConfig::default() });
    let revision = |rev, wasm: &[u8]| {
        author.sign(&module, wasm, ActorClaims { rev: Some(rev), ..ActorClaims::default() })
    };
    let actor = host.load(&revision(1, &saying("well"))).expect("it loads");
    assert!(actor.always_ready());
    let health = HealthCheck { patience, ..HealthCheck::default() };
    let newer = revision(2, &guest("(loop (br 0)) (i32.const 1)"));
    let error = host.update(&actor, &newer, Some(health)).await.expect_err("it is not well");
    let in_time = match &error {
        HostError::Unhealthy { failure, .. } => *failure == CallFailure::Deadline(patience),
        _ => false,
    };
    assert!(in_time, "{error}");
    assert_eq!(actor.claims().wascap.rev, Some(1), "it stays as it is");
}
