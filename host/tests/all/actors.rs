//! The actors of a host: who is there, and who calls whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use pillion_capabilities::{Answer, KeyValue};
use pillion_codec::{GetRequest, GetResponse};
use pillion_host::dispatch::{Contract, Provider};
use pillion_host::identity::{ActorClaims, KeyPair};
use pillion_host::{ActorRef, Call, CallFailure, Host, HostConfig};

use crate::guests::{Author, calling, caps, echo, guest, keyvalue};
use crate::provider::{Fake, entry};

fn call(host: &Host, actor: &ActorRef, payload: &[u8]) -> Result<Vec<u8>, CallFailure> {
    let mut response = Vec::new();
    host.call_into(actor, "Get", payload, &mut response).map(|()| response)
}

fn get_request(key: &str) -> Vec<u8> {
    let mut request = Vec::new();
    GetRequest { key }.encode(&mut request);
    request
}

/// A caller and the actor it may call by its key.
fn pair(target: &[u8], target_claims: ActorClaims) -> (Host, ActorRef, ActorRef) {
    let (author, module) = (Author::new(), KeyPair::new_module());
    let host = author.host(HostConfig::default());
    let key = module.public_key();
    let target = host.load(&author.sign(&module, target, target_claims)).expect("it loads");
    let caller = author.sign(&KeyPair::new_module(), &calling(&key), caps(&[&key]));
    let caller = host.load(&caller).expect("it loads");
    (host, caller, target)
}

#[test]
fn actors_are_found_by_key_alias_and_tag() {
    let author = Author::new();
    let labels: BTreeMap<_, _> = [("region".to_owned(), "north".to_owned())].into();
    let host = author.host(HostConfig { labels: labels.clone(), ..HostConfig::default() });
    let (first, second) = (KeyPair::new_module(), KeyPair::new_module());
    let claims = ActorClaims {
        name: Some("Echo".to_owned()),
        tags: vec!["example".to_owned()],
        call_alias: Some("demo/echo".to_owned()),
        rev: Some(3),
        ver: Some("1.2".to_owned()),
        ..caps(&["wascc:keyvalue"])
    };
    let echo_actor = host.load(&author.sign(&first, &echo(), claims.clone())).expect("it loads");
    let plain = host.load(&author.sign(&second, &echo(), caps(&[]))).expect("it loads");
    host.bind(&echo_actor, "cache", Provider::key_value(Fake::map())).expect("it is granted");

    assert_eq!(host.actor(&first.public_key()).map(|it| it.key().to_owned()), Some(first.public_key()));
    assert_eq!(host.actor("demo/echo").map(|it| it.key().to_owned()), Some(first.public_key()));
    assert!(host.actor("demo/other").is_none());
    let tagged: Vec<_> = host.actors_by_tag("example").iter().map(|it| it.key().to_owned()).collect();
    assert_eq!(tagged, [first.public_key()]);
    assert_eq!(host.actors().len(), 2);

    let inventory = host.inventory();
    assert_eq!(inventory.labels, labels);
    let info = inventory.actors.iter().find(|it| it.key == first.public_key()).expect("it is there");
    assert_eq!(
        (info.name.as_deref(), info.revision, info.version.as_deref()),
        (Some("Echo"), Some(3), Some("1.2"))
    );
    let bindings: Vec<_> = info.bindings.iter().map(|it| (&*it.binding, it.contract, it.provider)).collect();
    assert_eq!(bindings, [("cache", "wascc:keyvalue", "fake")]);

    let again = host.load(&author.sign(&first, &echo(), caps(&[]))).expect_err("it is there already");
    assert!(again.to_string().contains("is loaded already"), "{again}");
    let alias = host.load(&author.sign(&KeyPair::new_module(), &echo(), claims)).expect_err("taken");
    assert!(alias.to_string().contains("the call alias \"demo/echo\""), "{alias}");

    host.remove(&plain).expect("it is there");
    assert_eq!(call(&host, &plain, b""), Err(CallFailure::Removed));
    assert_eq!(host.actors().len(), 1);
    let error = host.remove(&plain).expect_err("it is gone");
    assert!(error.to_string().contains("is not on this host"), "{error}");
    host.bind(&plain, "late", Provider::key_value(Fake::map())).expect_err("it is gone");
    host.load(&author.sign(&second, &echo(), caps(&[]))).expect("its key is free again");
}

#[test]
fn what_is_unbound_is_reached_no_more() {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let actor = host.load(&author.sign(&KeyPair::new_module(), &keyvalue(), caps(&["wascc:keyvalue"])));
    let actor = actor.expect("it loads");
    let provider = Fake::map();
    host.bind(&actor, "", Provider::key_value(Arc::clone(&provider))).expect("the empty name is default");
    call(&host, &actor, &get_request("k")).expect("it is bound");
    host.unbind(&actor, "default", Contract::KeyValue).expect("it is bound");
    let failure = call(&host, &actor, &get_request("k")).expect_err("it is bound no more");
    assert!(failure.to_string().contains("no provider is bound"), "{failure}");
    assert_eq!(provider.counters.total(), 1);
    host.unbind(&actor, "default", Contract::KeyValue).expect_err("there is nothing to unbind");
    host.bind(&actor, "default", Provider::key_value(provider)).expect("the name is free again");
}

#[test]
fn an_actor_calls_another_only_by_claim_and_link() {
    let (host, caller, target) = pair(&echo(), caps(&[]));
    let denied = call(&host, &caller, b"hello").expect_err("claimed, but not linked");
    assert!(denied.to_string().contains("no provider is bound for M"), "{denied}");
    host.link(&caller, &target).expect("its claims grant it");
    assert_eq!(call(&host, &caller, b"hello"), Ok(b"hello".to_vec()));
    assert_eq!(caller.info().links, [target.key()]);

    let error = host.link(&target, &caller).expect_err("its claims do not");
    assert!(error.to_string().contains("do not grant calls of"), "{error}");

    host.remove(&target).expect("it is there");
    let failure = call(&host, &caller, b"hello").expect_err("there is nobody to call");
    assert!(failure.to_string().contains("no provider is bound for M"), "{failure}");
    assert!(caller.info().links.is_empty());
}

#[test]
fn an_actor_calls_another_by_its_alias() {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let aliased = ActorClaims { call_alias: Some("demo/echo".to_owned()), ..caps(&[]) };
    let target = author.sign(&KeyPair::new_module(), &echo(), aliased);
    let target = host.load(&target).expect("it loads");
    let caller = author.sign(&KeyPair::new_module(), &calling("demo/echo"), caps(&["demo/echo"]));
    let caller = host.load(&caller).expect("it loads");
    host.link(&caller, &target).expect("its claims grant the alias");
    assert_eq!(call(&host, &caller, b"hello"), Ok(b"hello".to_vec()));

    // The key of the same actor is not granted.
    let by_key = author.sign(&KeyPair::new_module(), &calling(target.key()), caps(&["demo/echo"]));
    let by_key = host.load(&by_key).expect("it loads");
    host.link(&by_key, &target).expect("its claims grant the alias");
    call(&host, &by_key, b"hello").expect_err("by another name than granted");
}

/// The published host hangs when an actor calls itself, or the one that calls it.
#[test]
fn a_call_back_is_served_and_one_without_end_is_stopped() {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let (one, two) = (KeyPair::new_module(), KeyPair::new_module());
    let (one_key, two_key) = (one.public_key(), two.public_key());
    let first = host.load(&author.sign(&one, &calling(&two_key), caps(&[&two_key]))).expect("it loads");
    let second = host.load(&author.sign(&two, &calling(&one_key), caps(&[&one_key]))).expect("it loads");
    host.link(&first, &second).expect("granted");
    let failure = call(&host, &first, b"k").expect_err("nothing answers the second's call yet");
    assert!(failure.to_string().contains("no provider is bound"), "{failure}");
    host.link(&second, &first).expect("granted");
    let failure = call(&host, &first, b"k").expect_err("they call each other without end");
    assert!(failure.to_string().contains("within 5 others already"), "{failure}");

    // Itself, but only once: it answers when it is asked for nothing.
    let module = KeyPair::new_module();
    let key = module.public_key();
    let once = crate::guests::module(&format!(
        r#"(data (i32.const 3000) "{key}")
           (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
             (call $guest_request (i32.const 1024) (i32.const 4096))
             (if (local.get $length) (then
               (drop (call $host_call (i32.const 0) (i32.const 0) (i32.const 3000) (i32.const 56)
                 (i32.const 1024) (local.get $operation) (i32.const 4096)
                 (i32.sub (local.get $length) (i32.const 1))))))
             (call $guest_response (i32.const 4096) (local.get $length)) (i32.const 1))"#
    ));
    let actor = host.load(&author.sign(&module, &once, caps(&[&key]))).expect("it loads");
    host.link(&actor, &actor).expect("granted");
    assert_eq!(call(&host, &actor, b"123"), Ok(b"123".to_vec()));
    drop(host);
    assert_eq!(actor.claims().sub, key, "what is left of it can be looked at");
}

/// An instance is made as part of the call that needs it. Were its start functions taken for a call of the host's own,
/// each would begin anew to count, and native stack would end first.
#[test]
fn start_functions_that_call_their_own_actor_without_end_are_stopped() {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let module = KeyPair::new_module();
    let key = module.public_key();
    let restless = crate::guests::module(&format!(
        r#"(data (i32.const 3000) "{key}")
           (func $again (drop (call $host_call (i32.const 0) (i32.const 0) (i32.const 3000) (i32.const 56)
             (i32.const 16) (i32.const 7) (i32.const 0) (i32.const 0))))
           (func (export "wapc_init") (call $again))
           (func (export "__guest_call") (param i32 i32) (result i32)
             (local $n i32)
             (call $again)
             (local.set $n (call $host_error_len))
             (call $host_error (i32.const 65536))
             (call $guest_response (i32.const 65536) (local.get $n)) (i32.const 1))"#
    ));
    let actor = host.load(&author.sign(&module, &restless, caps(&[&key]))).expect("it loads");
    host.link(&actor, &actor).expect("granted");
    let response = call(&host, &actor, b"").expect("it ends");
    assert!(String::from_utf8_lossy(&response).is_empty(), "the calls within it went well");

    // The same where calls may wait.
    let late = Fake::getting(false, |_| Answer::Ready(Ok(entry("now"))));
    let actor = {
        host.remove(&actor).expect("it is there");
        let granted = caps(&[&key, "wascc:keyvalue"]);
        host.load(&author.sign(&module, &restless, granted)).expect("its key is free again")
    };
    host.link(&actor, &actor).expect("granted");
    host.bind(&actor, "default", late as Arc<dyn KeyValue>).expect("granted");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(host.call(&actor, "any", b"").wait()).expect("it ends");
}

#[test]
fn failures_of_the_called_actor_reach_the_caller() {
    let (host, caller, target) = pair(&guest("unreachable"), caps(&[]));
    host.link(&caller, &target).expect("granted");
    for _ in 0..3 {
        let failure = call(&host, &caller, b"k").expect_err("it traps");
        assert!(matches!(&failure, CallFailure::Guest(text) if text.contains("trapped")), "{failure}");
        assert!(failure.to_string().contains(target.key()), "{failure}");
    }
}

/// A link makes its caller wait as soon as the called one has to, and no longer.
#[test]
fn who_calls_an_actor_that_waits_waits() {
    let (host, caller, target) = pair(&keyvalue(), caps(&["wascc:keyvalue"]));
    host.link(&caller, &target).expect("granted");
    assert!(caller.always_ready() && target.always_ready());
    let late = Fake::getting(false, |key| {
        let key = key.to_owned();
        Answer::pending(async move {
            tokio::task::yield_now().await;
            Ok(entry(key))
        })
    });
    host.bind(&target, "default", late as Arc<dyn KeyValue>).expect("granted");
    assert!(!caller.always_ready() && !target.always_ready());
    let Call::Pending(pending) = host.call(&caller, "Get", &get_request("key")) else {
        panic!("it has to wait")
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let response = runtime.block_on(pending).expect("it is answered");
    assert_eq!(GetResponse::decode(&response).map(|it| it.value), Ok(&b"key"[..]));

    host.unbind(&target, "default", Contract::KeyValue).expect("it is bound");
    assert!(caller.always_ready() && target.always_ready());
    host.bind(&target, "default", Provider::key_value(Fake::map())).expect("granted");
    call(&host, &caller, &get_request("k")).expect("at once again");
}

#[test]
fn an_alias_cannot_be_taken_for_a_contract_or_another_actor() {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let aliased =
        |alias: &str, rev| ActorClaims { call_alias: Some(alias.to_owned()), rev: Some(rev), ..caps(&[]) };
    let (absent, module) = (KeyPair::new_module().public_key(), KeyPair::new_module());
    let actor = host.load(&author.sign(&module, &echo(), aliased("demo/echo", 1))).expect("it loads");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for (alias, expected) in [
        (&*absent, "looks like a public key"),
        (&*KeyPair::new_account().public_key(), "looks like a public key"),
        ("wascc:keyvalue", "looks like the name of a contract"),
        ("any:thing", "looks like the name of a contract"),
    ] {
        let error = host.load(&author.sign(&KeyPair::new_module(), &echo(), aliased(alias, 1)));
        let error = error.expect_err(alias).to_string();
        assert!(error.contains(expected) && error.contains(alias), "{error}");
        let update = author.sign(&module, &echo(), aliased(alias, 2));
        let error = runtime.block_on(host.update(&actor, &update, None)).expect_err(alias).to_string();
        assert!(error.contains(expected), "{error}");
        assert!(host.actor(alias).is_none());
    }
}

#[test]
fn a_link_can_be_taken_away() {
    let (host, caller, target) = pair(&echo(), caps(&[]));
    host.link(&caller, &target).expect("its claims grant it");
    host.unlink(&caller, &target).expect("it is linked");
    assert!(caller.info().links.is_empty());
    call(&host, &caller, b"hello").expect_err("not linked any more");
    let error = host.unlink(&caller, &target).expect_err("it is not").to_string();
    assert!(error.contains("is not linked to"), "{error}");
}

/// A link that came in between would stay for ever, and be in the way of the actor's next one.
#[test]
fn nobody_stays_linked_to_an_actor_that_is_removed_at_that_moment() {
    let author = Author::new();
    let host = author.host(HostConfig::default());
    let module = KeyPair::new_module();
    let key = module.public_key();
    let wasm = author.sign(&module, &echo(), caps(&[]));
    let caller = author.sign(&KeyPair::new_module(), &calling(&key), caps(&[&key]));
    let caller = host.load(&caller).expect("it loads");
    for _ in 0..300 {
        let target = host.load(&wasm).expect("it is not there");
        std::thread::scope(|scope| {
            // Until it is refused, so that the last link and the removal meet.
            scope.spawn(|| while host.link(&caller, &target).is_ok() {});
            host.remove(&target).expect("it is there");
        });
        assert!(caller.info().links.is_empty());
    }
}
