//! Calls that are answered by nobody: what is said of them is the same on both hosts.

use std::collections::BTreeSet;

use pillion_sdk::message::{
    ConfigurationKeys, Keys, List, RequestMessage, SecretNames, SetRequest, WriteLogRequest,
};

use super::answers::{CALLS, CONTRACTS, UNBOUND};
use super::{ask, worlds};

#[test]
fn a_call_that_is_none_is_refused_in_the_same_words() {
    let told = worlds().map(|world| {
        let call = |contract: &str, operation: &str, payload: &[u8]| {
            let words = format!("default {contract} {operation} ");
            // What the answer is, is the other tests' affair.
            let answer = world.call("call", &[words.as_bytes(), payload].concat());
            answer.map_or_else(|error| error, |_| format!("{contract} {operation} takes {payload:?}"))
        };
        let mut told = Vec::new();
        for (contract, operations) in CONTRACTS {
            let error = call(contract, "Steal", b"x");
            assert_eq!(error, format!("{contract} has no operation \"Steal\""), "{}", world.name());
            for operation in operations.split(' ') {
                let error = call(contract, operation, b"\xc1");
                let expected = format!("the request of {contract} {operation} is malformed: ");
                assert!(error.starts_with(&expected), "{}: {error}", world.name());
                told.extend([error, call(contract, operation, b""), call(contract, operation, b"\x80")]);
            }
        }
        for (contract, operation, payload) in out_of_range() {
            told.push(call(contract, operation, &payload));
        }
        told
    });
    assert_eq!(told[0], told[1]);
}

/// Messages that can be read and not be meant, as no client sends them.
fn out_of_range() -> [(&'static str, &'static str, Vec<u8>); 8] {
    let encoded = |encode: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        encode(&mut bytes);
        bytes
    };
    let names: [&[u8]; 2] = [b"a", b"\xff"];
    let (names, subject) = (List::new(&names), "t");
    let written = |level| encoded(&|out| WriteLogRequest { level, body: "line" }.encode(out));
    let set = encoded(&|out| SetRequest { key: "k", value: b"v", expires: -1 }.encode(out));
    let request = encoded(&|out| RequestMessage { subject, body: b"b", timeout: -1 }.encode(out));
    [
        ("wascc:keyvalue", "Set", set),
        ("wascc:keyvalue", "SetUnion", encoded(&|out| Keys { keys: names }.encode(out))),
        ("wascc:messaging", "Request", request),
        ("wascc:logging", "WriteLog", written(0)),
        ("wascc:logging", "WriteLog", written(6)),
        ("pillion:secrets", "BulkGet", encoded(&|out| SecretNames { secrets: names }.encode(out))),
        ("pillion:configuration", "Get", encoded(&|out| ConfigurationKeys { keys: names }.encode(out))),
        ("pillion:configuration", "Subscribe", encoded(&|out| ConfigurationKeys { keys: names }.encode(out))),
    ]
}

#[test]
fn no_call_goes_where_nothing_is_granted_or_bound() {
    // Of each client's call that the actor has.
    let source = include_str!("../../../../../actors/sdk/examples/everything.rs");
    let named = source.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
    let all: BTreeSet<_> = named.map(|(name, _)| name).filter(|name| name.contains('.')).collect();
    let here: BTreeSet<_> = CALLS.iter().map(|(operation, ..)| *operation).chain(UNBOUND).collect();
    assert_eq!(all, here);
    for world in worlds() {
        for (operation, words, contract) in CALLS {
            let payload = format!("elsewhere {words}");
            let expected = format!(
                "no provider is bound for {contract} under the binding \"elsewhere\"; bind one before the call"
            );
            assert_eq!(ask(&*world, operation, &payload), Err(expected), "{} {operation}", world.name());
            for (binding, meant) in [("default", "default"), ("second", "second"), ("", "default")] {
                let error =
                    world.call_ungranted(operation, format!("{binding} {words}").as_bytes()).unwrap_err();
                let expected = format!(
                    "the actor's claims do not grant {contract} (called under the binding {meant:?})"
                );
                assert_eq!(error, expected, "{} {operation}", world.name());
            }
        }
        // A line that cannot be logged is no error of its actor.
        assert_eq!(world.call_ungranted("logging.macros", b"42"), Ok(Vec::new()));
    }
}
