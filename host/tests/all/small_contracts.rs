//! Identifiers, numbers, and lines for the log.

use std::sync::Arc;

use pillion_capabilities::extras::{Embedded, Operation};
use pillion_capabilities::logging::{Collected, Level};
use pillion_capabilities::{Extras as _, Logging as _};
use pillion_codec::{GeneratorRequest, GeneratorResult, WriteLogRequest};
use pillion_host::dispatch::Provider;
use pillion_host::identity::KeyPair;
use pillion_host::{ActorRef, CallFailure, Host, HostConfig};

use crate::guests::{Author, calling, caps};

fn bound(namespace: &str, provider: Provider) -> (Host, ActorRef) {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let actor = author.sign(&KeyPair::new_module(), &calling(namespace), caps(&[namespace]));
    let actor = host.load(&actor).expect("it loads");
    host.bind(&actor, "default", provider).expect("it is granted");
    (host, actor)
}

fn call(host: &Host, actor: &ActorRef, operation: &str, payload: &[u8]) -> Result<Vec<u8>, CallFailure> {
    let mut response = Vec::new();
    host.call_into(actor, operation, payload, &mut response).map(|()| response)
}

#[test]
fn an_actor_gets_identifiers_and_numbers() {
    let provider = Arc::new(Embedded::new());
    let (host, actor) = bound("wascc:extras", Provider::extras(Arc::clone(&provider)));
    let mut payload = Vec::new();
    let request = GeneratorRequest { guid: true, sequence: false, random: false, min: 5, max: 7 };
    request.encode(&mut payload);
    let ask = |operation: &str| call(&host, &actor, operation, &payload).expect("it is answered");
    for number in 0..3 {
        let answer = ask("RequestSequence");
        let expected = GeneratorResult { guid: None, sequence_number: number, random_number: 0 };
        assert_eq!(GeneratorResult::decode(&answer), Ok(expected));
        let answer = ask("RequestRandom");
        let random = GeneratorResult::decode(&answer).expect("a result").random_number;
        assert!((5..=7).contains(&random), "{random}");
        let answer = ask("RequestGuid");
        let guid = GeneratorResult::decode(&answer).expect("a result").guid.expect("it was wanted");
        assert_eq!((guid.len(), guid.as_bytes().get(14)), (36, Some(&b'4')), "{guid}");
    }
    assert_eq!(provider.counters().of(Operation::Random), 3);

    payload.clear();
    GeneratorRequest { min: 8, ..request }.encode(&mut payload);
    call(&host, &actor, "RequestRandom", &payload).expect_err("there is no such number");
    let failure = call(&host, &actor, "RequestGuid", b"\xc1").expect_err("no request");
    assert!(
        failure.to_string().contains("the request of wascc:extras RequestGuid is malformed"),
        "{failure}"
    );
    let failure = call(&host, &actor, "RequestLuck", b"").expect_err("no such operation");
    assert_eq!(failure.to_string(), "wascc:extras has no operation \"RequestLuck\"");
}

#[test]
fn an_actors_lines_are_logged_under_its_key() {
    let provider = Arc::new(Collected::new(10));
    let (host, actor) = bound("wascc:logging", Provider::logging(Arc::clone(&provider)));
    let write = |level: u32, body: &str| {
        let mut payload = Vec::new();
        WriteLogRequest { level, body }.encode(&mut payload);
        call(&host, &actor, "WriteLog", &payload)
    };
    assert_eq!(write(3, "hello\nactor X: forged"), Ok(Vec::new()));
    let lines = provider.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].source.as_str(), lines[0].level), (actor.key(), Level::Info));
    assert_eq!(lines[0].text, "hello\\nactor X: forged");
    let failure = write(6, "too much").expect_err("no such level");
    assert!(failure.to_string().contains("6 is no level"), "{failure}");
    call(&host, &actor, "ReadLog", b"").expect_err("no such operation");
    assert_eq!(provider.counters().total(), 1);
}
