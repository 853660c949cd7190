//! What a guest reaches: what its claims and a binding both grant, and nothing else.

use std::sync::Arc;

use pillion_capabilities::{KeyValue, Operation};
use pillion_codec::{
    AddRequest, AddResponse, DecodeError, GetRequest, GetResponse, Item, Key, Keys, List, NewCount,
    RangeRequest, SetRequest, SetResponse, Values,
};
use pillion_host::dispatch::Provider;
use pillion_host::{ActorRef, CallFailure, Host, HostConfig};

use crate::guests::{
    DEFAULT, ELSEWHERE, EMPTY, KEYVALUE, MESSAGING, NOT_TEXT, forwarding, keyvalue, loaded, loaded_with,
};
use crate::provider::Fake;

macro_rules! encoded {
    ($message:expr) => {{
        let mut bytes = Vec::new();
        $message.encode(&mut bytes);
        bytes
    }};
}

fn call(host: &Host, actor: &ActorRef, operation: &str, payload: &[u8]) -> Result<Vec<u8>, CallFailure> {
    let mut response = Vec::new();
    host.call_into(actor, operation, payload, &mut response).map(|()| response)
}

fn get(host: &Host, actor: &ActorRef) -> Result<Vec<u8>, CallFailure> {
    call(host, actor, "Get", &encoded!(GetRequest { key: "k" }))
}

fn bound(wasm: &[u8]) -> (Host, ActorRef, Arc<Fake>) {
    let (host, actor) = loaded(wasm);
    let provider = Fake::map();
    host.bind(&actor, "default", Arc::clone(&provider) as Arc<dyn KeyValue>).expect("it is granted");
    (host, actor, provider)
}

#[test]
fn every_operation_of_the_contract_is_answered() -> Result<(), DecodeError> {
    let (host, actor, _) = bound(&keyvalue());
    let call = |operation: &str, payload: Vec<u8>| call(&host, &actor, operation, &payload).expect(operation);
    let key = || encoded!(Key { key: "k" });
    let item = || encoded!(Item { key: "k", value: b"v" });
    let keys = || encoded!(Keys { keys: List::new(&[b"a", b"b"]) });
    let one = |bytes: &[u8]| {
        Values::decode(bytes).map(|it| it.values.iter().map(<[u8]>::to_vec).collect::<Vec<_>>())
    };

    assert_eq!(GetResponse::decode(&call("Get", key())), Ok(GetResponse { value: b"", exists: false }));
    for length in [1, 512, 513, 70_000] {
        let value = vec![b'v'; length];
        let set = call("Set", encoded!(SetRequest { key: "k", value: &value, expires: 7 }));
        assert_eq!(SetResponse::decode(&set)?.value, value);
        assert_eq!(GetResponse::decode(&call("Get", key())), Ok(GetResponse { value: &value, exists: true }));
    }
    assert_eq!(GetResponse::decode(&call("KeyExists", key())), Ok(GetResponse { value: b"", exists: true }));
    assert_eq!(Key::decode(&call("Del", key()))?.key, "k");
    assert_eq!(GetResponse::decode(&call("KeyExists", key())), Ok(GetResponse { value: b"", exists: false }));
    assert_eq!(AddResponse::decode(&call("Add", encoded!(AddRequest { key: "k", value: 2 })))?.value, 42);
    assert_eq!(
        one(&call("Range", encoded!(RangeRequest { key: "k", start: 0, stop: -1 })))?,
        [b"k 0 -1".to_vec(), b"two".to_vec()]
    );
    assert_eq!(NewCount::decode(&call("Push", item()))?.new_count, 3);
    assert_eq!(NewCount::decode(&call("ListItemDelete", item()))?.new_count, 2);
    assert_eq!(Key::decode(&call("Clear", key()))?.key, "k");
    assert_eq!(NewCount::decode(&call("SetAdd", item()))?.new_count, 5);
    assert_eq!(NewCount::decode(&call("SetRemove", item()))?.new_count, 4);
    assert_eq!(one(&call("SetQuery", key()))?, [b"k".to_vec()]);
    assert_eq!(one(&call("SetUnion", keys()))?, [b"a|b".to_vec()]);
    assert_eq!(one(&call("SetIntersection", keys()))?, [b"a&b".to_vec()]);
    Ok(())
}

#[test]
fn the_empty_binding_means_default() {
    let (host, actor, provider) = bound(&forwarding(EMPTY, KEYVALUE));
    get(&host, &actor).expect("default is bound");
    assert_eq!(provider.counters.of(Operation::Get), 1);
}

#[test]
fn a_contract_that_the_claims_do_not_grant_is_never_reached() {
    let (host, actor) = loaded_with(&keyvalue(), HostConfig::default(), &["wascc:messaging"]);
    let provider = Fake::map();
    let error =
        host.bind(&actor, "default", Arc::clone(&provider) as Arc<dyn KeyValue>).expect_err("not granted");
    assert!(error.to_string().contains("do not grant wascc:keyvalue"), "{error}");
    let failure = get(&host, &actor).expect_err("not granted");
    assert_eq!(
        failure.to_string(),
        "the actor's claims do not grant wascc:keyvalue (called under the binding \"default\")"
    );
    assert_eq!(provider.counters.total(), 0);
}

#[test]
fn another_namespace_than_the_bound_one_is_never_reached() {
    let (host, actor, provider) = bound(&forwarding(DEFAULT, MESSAGING));
    let failure = get(&host, &actor).expect_err("not granted");
    assert!(failure.to_string().contains("do not grant wascc:messaging"), "{failure}");
    assert_eq!(provider.counters.total(), 0);
}

#[test]
fn a_binding_that_is_not_there_is_named() {
    let (host, actor, provider) = bound(&forwarding(ELSEWHERE, KEYVALUE));
    let failure = get(&host, &actor).expect_err("not bound");
    assert_eq!(
        failure.to_string(),
        "no provider is bound for wascc:keyvalue under the binding \"elsewhere\"; bind one before the call"
    );
    assert_eq!(provider.counters.total(), 0);
}

#[test]
fn a_name_that_is_not_text_traps() {
    for (binding, namespace) in [(NOT_TEXT, KEYVALUE), (DEFAULT, NOT_TEXT)] {
        let (host, actor, provider) = bound(&forwarding(binding, namespace));
        let failure = get(&host, &actor).expect_err("not UTF-8");
        assert!(matches!(&failure, CallFailure::Trap(text) if text.contains("not UTF-8")), "{failure}");
        assert_eq!(provider.counters.total(), 0);
    }
}

#[test]
fn an_unknown_operation_and_a_malformed_request_are_errors_of_the_guest() {
    let (host, actor, provider) = bound(&keyvalue());
    let failure = call(&host, &actor, "Fly", b"").expect_err("no such operation");
    assert_eq!(failure, CallFailure::Guest("wascc:keyvalue has no operation \"Fly\"".to_owned()));
    let failure = call(&host, &actor, "Get", b"\xc1").expect_err("no message");
    assert!(failure.to_string().contains("the request of wascc:keyvalue Get is malformed"), "{failure}");
    assert_eq!(provider.counters.total(), 0);
}

#[test]
fn one_actor_binds_the_contract_twice_and_later_calls_see_it() {
    let (host, actor, first) = bound(&forwarding(ELSEWHERE, KEYVALUE));
    get(&host, &actor).expect_err("not bound yet");
    let second = Fake::map();
    host.bind(&actor, "elsewhere", Arc::clone(&second) as Arc<dyn KeyValue>).expect("another name");
    get(&host, &actor).expect("bound now");
    assert_eq!((first.counters.total(), second.counters.total()), (0, 1));
    let error = host.bind(&actor, "elsewhere", Provider::key_value(Fake::map())).expect_err("taken");
    assert!(error.to_string().contains("\"elsewhere\" already"), "{error}");
}

#[test]
fn the_later_generations_claim_and_namespace_are_taken_too() {
    let wasm = crate::guests::module(
        r#"(data (i32.const 3000) "wasmcloud:keyvalue") (data (i32.const 3032) "Get")
           (func (export "__guest_call") (param i32 i32) (result i32)
             (call $guest_response (i32.const 0) (i32.const 0))
             (call $host_call (i32.const 16) (i32.const 7) (i32.const 3000) (i32.const 18)
               (i32.const 3032) (i32.const 3) (i32.const 128) (i32.const 7)))"#,
    );
    let (host, actor) = loaded_with(&wasm, HostConfig::default(), &["wasmcloud:keyvalue"]);
    let provider = Fake::map();
    host.bind(&actor, "default", Arc::clone(&provider) as Arc<dyn KeyValue>)
        .expect("granted by its later name");
    call(&host, &actor, "any", b"").expect("it is reached");
    assert_eq!(provider.counters.of(Operation::Get), 1);
}
