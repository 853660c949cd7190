//! The guest answers what the oracle says.

use pillion_codec::http::{Headers, Request, Response};
use pillion_logic::oracle::{Suite, Workload, failures, suite};

use crate::host::Guest;

/// With names and before stripping. A step beyond it is to be noticed, as when a dependency drags formatting in.
const MOST_BYTES: u64 = 174 * 1024;

fn guest() -> Guest {
    Guest::new(&std::fs::read(pillion_artifacts::guest().unwrap()).unwrap())
}

/// Asks everything in one instance, so that buffers of one call are used by the next.
fn check(guest: &mut Guest, suite: &Suite) {
    guest.preload(&suite.records);
    let before = guest.store.data().calls;
    for case in &suite.cases {
        case.check(guest.ask(case.operation, &case.request).as_deref()).unwrap();
    }
    assert_eq!(guest.store.data().calls, before + suite.calls().one_by_one());
    for record in &suite.after {
        assert_eq!(guest.store.data().values[&record.key], record.value, "{}", record.key);
    }
}

#[test]
fn every_workload_answers_what_the_oracle_says() {
    let mut guest = guest();
    for (workload, payload) in
        Workload::ALL.into_iter().flat_map(|workload| [0, 16, 1_024, 65_536].map(|size| (workload, size)))
    {
        // More rounds of hashing show nothing new.
        let payload = if workload == Workload::Compute { payload.min(100) } else { payload };
        check(&mut guest, &suite(workload, payload, 3, 42, 40));
    }
    check(&mut guest, &suite(Workload::Echo, 2_000_000, 0, 1, 2));
    check(&mut guest, &suite(Workload::KvGet, 2_000_000, 0, 1, 2));
}

#[test]
fn what_must_fail_fails_with_the_oracles_words_and_without_a_trap() {
    let mut guest = guest();
    check(&mut guest, &failures());
    check(&mut guest, &suite(Workload::KvGet, 16, 0, 1, 3));
    assert!(guest.store.data().log.is_empty(), "{:?}", guest.store.data().log);
}

#[test]
fn a_hosts_error_comes_back() {
    let mut guest = guest();
    guest.store.data_mut().values.insert("counter:broken".to_owned(), b"text".to_vec());
    let error = guest.ask("counter", b"POST /counter/broken HTTP/1.1\r\n\r\n").unwrap_err();
    assert_eq!(error, "the value of key counter:broken is not an integer of 64 bits");
}

#[test]
fn a_refused_call_comes_back_and_harms_no_later_one() {
    let mut guest = guest();
    guest.store.data_mut().values.insert("k".to_owned(), b"v".to_vec());
    for refusal in ["denied", "", "größer als erlaubt"] {
        guest.store.data_mut().refusal = Some(refusal.to_owned());
        for (operation, request) in
            [("kv.get", &b"k"[..]), ("kv.set", b"\x01\x00kw"), ("chain", b"\x01\0\0\0k")]
        {
            assert_eq!(guest.ask(operation, request), Err(refusal.to_owned()), "{operation}");
        }
        guest.store.data_mut().refusal = None;
        assert_eq!(guest.ask("kv.get", b"k"), Ok(b"v".to_vec()));
    }
}

#[test]
fn values_of_no_byte_and_of_a_mebibyte_go_there_and_back() {
    let mut guest = guest();
    for size in [0, 1, 1 << 20, 16] {
        let value = vec![0xfe; size];
        assert_eq!(guest.ask("echo", &value), Ok(value.clone()));
        assert_eq!(guest.ask("kv.set", &[&b"\x01\x00k"[..], &value].concat()), Ok(Vec::new()));
        assert_eq!(guest.ask("kv.get", b"k"), Ok(value));
    }
}

#[test]
fn a_trap_on_demand_is_one() {
    let trap = guest().ask("fault.trap", b"").unwrap_err();
    assert!(trap.contains("unreachable"), "{trap}");
}

#[test]
fn a_loop_on_demand_has_no_end() {
    let wasm = std::fs::read(pillion_artifacts::guest().unwrap()).unwrap();
    let mut guest = Guest::limited(&wasm, 10_000_000);
    assert_eq!(guest.ask("echo", b"a"), Ok(b"a".to_vec()));
    let trap = guest.ask("fault.loop", b"").unwrap_err();
    assert!(trap.contains("fuel"), "{trap}");
}

#[test]
fn an_http_request_is_counted() {
    let mut guest = guest();
    let mut ask = |path: &str| {
        let mut request = Vec::new();
        Request { method: "GET", path, query_string: "", header: Headers::new(&[]), body: b"" }
            .encode(&mut request);
        let reply = guest.ask("HandleRequest", &request).unwrap();
        let response = Response::decode(&reply).unwrap();
        (response.status_code, String::from_utf8(response.body.to_vec()).unwrap())
    };
    assert_eq!(ask("/counter/a"), (200, r#"{"counter":"a","value":1}"#.to_owned()));
    assert_eq!(ask("/counter/a"), (200, r#"{"counter":"a","value":2}"#.to_owned()));
    let (status, body) = ask("/nowhere");
    assert!(status == 400 && body.contains("/counter/<name>"), "{status} {body}");
    let error = guest.ask("HandleRequest", b"\xc1").unwrap_err();
    assert!(error.starts_with("the payload of HandleRequest is malformed"), "{error}");
}

#[test]
fn it_is_healthy() {
    assert_eq!(guest().ask("HealthRequest", b"\x81\xabplaceholder\xc3"), Ok(Vec::new()));
}

#[test]
fn it_is_small() {
    let bytes = std::fs::metadata(pillion_artifacts::guest().unwrap()).unwrap().len();
    assert!(bytes <= MOST_BYTES, "{bytes} bytes");
}

#[test]
fn its_compiler_has_a_version() {
    let version = pillion_artifacts::guest_rustc().unwrap();
    assert!(version.starts_with("rustc 1."), "{version}");
}
