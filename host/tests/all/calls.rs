//! Calls: what comes back, at the same time and one within another.

use std::sync::{Arc, OnceLock};
use std::thread;

use pillion_capabilities::{Answer, KeyValue};
use pillion_codec::{GetRequest, GetResponse};
use pillion_host::dispatch::Provider;
use pillion_host::{ActorRef, Call, CallFailure, Host};

use crate::guests::{echo, guest, keyvalue, loaded, module};
use crate::provider::{Fake, entry};
use crate::traces::keep_open;

fn call(host: &Host, actor: &ActorRef, payload: &[u8]) -> Result<Vec<u8>, CallFailure> {
    let mut response = b"left from an earlier call".to_vec();
    host.call_into(actor, "any", payload, &mut response).map(|()| response)
}

fn get_request(key: &str) -> Vec<u8> {
    let mut request = Vec::new();
    GetRequest { key }.encode(&mut request);
    request
}

#[test]
fn a_request_comes_back() {
    let (host, actor) = loaded(&echo());
    for length in [0, 1, 300, 65_536, 500_000 - 4_096] {
        let payload = vec![7; length];
        assert_eq!(call(&host, &actor, &payload), Ok(payload));
    }
    let Call::Ready(Ok(response)) = host.call(&actor, "any", b"hello") else { panic!("it is there at once") };
    assert_eq!(response, &b"hello"[..]);
}

#[test]
fn results_follow_the_rules_of_the_abi() {
    let fails = |body: &str| {
        let (host, actor) = loaded(&guest(body));
        call(&host, &actor, b"").expect_err(body).to_string()
    };
    assert_eq!(fails("(i32.const 0)"), "no error message set");
    assert_eq!(fails("(call $guest_error (i32.const 16) (i32.const 7)) (i32.const 0)"), "default");
    assert_eq!(fails("(i32.const 1)"), "the guest reported success but gave no response");
    // The last response wins; without a host call there is neither host response nor host error.
    let (host, actor) = loaded(&guest(
        "(call $guest_response (i32.const 16) (i32.const 3))
         (call $guest_response (i32.const 16) (i32.const 7))
         (call $host_response (i32.const -1)) (call $host_error (i32.const -1))
         (call $console_log (i32.const -1) (i32.const 9))
         (i32.and (i32.eqz (call $host_response_len)) (i32.eqz (call $host_error_len)))",
    ));
    assert_eq!(call(&host, &actor, b""), Ok(b"default".to_vec()));
}

#[test]
fn start_functions_run_once_in_their_order() {
    let (host, actor) = loaded(&module(
        r#"(global $seen (mut i32) (i32.const 0))
           (func $note (param i32) (global.set $seen
             (i32.add (i32.mul (global.get $seen) (i32.const 10)) (local.get 0))))
           (func (export "wapc_init") (call $note (i32.const 2)))
           (func (export "_start") (call $note (i32.const 1)))
           (func (export "__guest_call") (param i32 i32) (result i32)
             (i32.store (i32.const 200) (global.get $seen))
             (call $guest_response (i32.const 200) (i32.const 4)) (i32.const 1))"#,
    ));
    for _ in 0..3 {
        assert_eq!(call(&host, &actor, b""), Ok(12_i32.to_le_bytes().to_vec()));
    }
}

#[test]
fn pointers_out_of_range_trap_and_the_next_call_is_served() {
    let bodies = [
        "(call $guest_request (i32.const -1) (i32.const 0))",
        "(call $guest_request (i32.const 0) (i32.const -1))",
        "(call $guest_response (i32.const -1) (i32.const 1))",
        "(call $guest_response (i32.const 1) (i32.const -1))",
        "(call $guest_error (i32.const 524288) (i32.const 1))",
        "(drop (call $host_call (i32.const -1) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0)))",
        "(drop (call $host_call (i32.const 0) (i32.const 0) (i32.const -9) (i32.const 99) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0)))",
        "(drop (call $host_call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 7) (i32.const -7)
            (i32.const 0) (i32.const 0)))",
        "(drop (call $host_call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 524280) (i32.const 9)))",
    ];
    for body in bodies {
        // It does so only when asked with a payload.
        let (host, actor) = loaded(&guest(&format!(
            "(if (local.get $length) (then {body}))
             (call $guest_response (i32.const 16) (i32.const 7)) (i32.const 1)"
        )));
        let failure = call(&host, &actor, b"x").expect_err(body);
        assert!(
            matches!(&failure, CallFailure::Trap(text) if text.contains("out of bounds")),
            "{body}: {failure}"
        );
        assert_eq!(call(&host, &actor, b""), Ok(b"default".to_vec()));
    }
}

#[test]
fn a_trap_discards_the_instance() {
    let (host, actor) = loaded(&module(
        r#"(global $calls (mut i32) (i32.const 0))
           (func (export "__guest_call") (param i32 i32) (result i32)
             (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (if (local.get 1) (then unreachable))
             (i32.store (i32.const 200) (global.get $calls))
             (call $guest_response (i32.const 200) (i32.const 4)) (i32.const 1))"#,
    ));
    let calls = |payload: &[u8]| call(&host, &actor, payload);
    assert_eq!(calls(b""), Ok(1_i32.to_le_bytes().to_vec()));
    assert_eq!(calls(b""), Ok(2_i32.to_le_bytes().to_vec()), "the instance is reused");
    let failure = calls(b"x").expect_err("it traps");
    assert!(matches!(&failure, CallFailure::Trap(text) if text.contains("unreachable")), "{failure}");
    assert_eq!(calls(b""), Ok(1_i32.to_le_bytes().to_vec()), "a fresh one");
}

/// Defect 1 of the original: callers got each other's replies.
#[test]
fn callers_at_the_same_time_get_their_own_replies() {
    let (host, actor) = loaded(&keyvalue());
    let echoing = Fake::getting(true, |key| Answer::Ready(Ok(entry(key.to_owned()))));
    host.bind(&actor, "default", Provider::key_value(echoing)).expect("it is granted");
    // More threads than slots.
    thread::scope(|scope| {
        for caller in 0..40 {
            let (host, actor) = (&host, &actor);
            scope.spawn(move || {
                let mut response = Vec::new();
                for number in 0..200 {
                    let key = format!("{caller}/{number}");
                    host.call_into(actor, "Get", &get_request(&key), &mut response).expect("it is answered");
                    let answer = GetResponse::decode(&response).expect("it is a response");
                    assert_eq!(answer.value, key.as_bytes());
                }
            });
        }
    });
}

/// Defect 2 of the original: a re-entrant call hung.
#[test]
fn a_provider_may_call_back_into_the_actor_that_calls_it() {
    let (host, actor) = loaded(&keyvalue());
    let again: Arc<OnceLock<(Host, ActorRef)>> = Arc::default();
    let inner = Arc::clone(&again);
    let provider = Fake::getting(true, move |key| {
        let Some(depth) = key.parse::<u32>().ok().filter(|depth| *depth > 0) else {
            return Answer::Ready(Ok(entry("bottom")));
        };
        let (host, actor) = inner.get().expect("set before the call");
        let mut response = Vec::new();
        let request = get_request(&(depth - 1).to_string());
        host.call_into(actor, "Get", &request, &mut response).expect("the nested call is answered");
        let below = GetResponse::decode(&response).expect("it is a response").value.to_vec();
        Answer::Ready(Ok(entry([&below[..], b"+"].concat())))
    });
    host.bind(&actor, "default", provider as Arc<dyn KeyValue>).expect("it is granted");
    let (host, actor) = again.get_or_init(|| (host, actor));
    for _ in 0..3 {
        let mut response = Vec::new();
        host.call_into(actor, "Get", &get_request("5"), &mut response).expect("it is answered");
        assert_eq!(GetResponse::decode(&response).map(|it| it.value), Ok(&b"bottom+++++"[..]));
    }
}

#[test]
fn a_provider_that_panics_harms_no_later_call() {
    let (host, actor) = loaded(&keyvalue());
    let provider = Fake::getting(true, |key| match key {
        "panic" => panic!("the provider's own fault"),
        _ => Answer::Ready(Ok(entry("fine"))),
    });
    host.bind(&actor, "default", Provider::key_value(provider)).expect("it is granted");
    let mut response = Vec::new();
    for _ in 0..3 {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            host.call_into(&actor, "Get", &get_request("panic"), &mut Vec::new())
        }))
        .expect_err("the panic goes through");
        host.call_into(&actor, "Get", &get_request("k"), &mut response).expect("it is answered");
        assert_eq!(GetResponse::decode(&response).map(|it| it.value), Ok(&b"fine"[..]));
    }
}

#[test]
fn a_guest_of_the_older_and_newer_wasi_runs_with_nothing_opened() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for wasi in ["wasi_unstable", "wasi_snapshot_preview1"] {
        let (host, actor) = loaded(&crate::guests::parse(&format!(
            r#"(module
                (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
                (import "{wasi}" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
                (import "{wasi}" "fd_prestat_get" (func $preopened (param i32 i32) (result i32)))
                (import "{wasi}" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "_start") (call $exit (i32.const 0)))
                (func (export "__guest_call") (param i32 i32) (result i32)
                  (drop (call $environ (i32.const 0) (i32.const 4)))
                  (i32.store (i32.const 8) (call $preopened (i32.const 3) (i32.const 64)))
                  (call $guest_response (i32.const 0) (i32.const 12)) (i32.const 1)))"#
        )));
        assert!(!actor.always_ready(), "WASI's functions may wait");
        let response = runtime.block_on(host.call(&actor, "any", b"").wait()).expect("it runs");
        // No variables, no bytes of them, and descriptor 3 is bad (8).
        assert_eq!(response, &[0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0][..], "{wasi}");
    }
}

#[test]
fn memory_that_grew_since_the_last_import_is_reached_and_no_more_than_it() {
    let (host, actor) = loaded(&guest(
        "(call $guest_request (i32.const 1024) (i32.const 4096))
         (local.set $n (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
         (memory.copy (local.get $n) (i32.const 4096) (local.get $length))
         (call $guest_response (local.get $n) (i32.const 65536))
         (i32.const 1)",
    ));
    for payload in [&b"first"[..], b"second", b"third"] {
        let response = call(&host, &actor, payload).expect("it answers");
        assert_eq!(response.len(), 1 << 16);
        assert_eq!(&response[..payload.len()], payload);
    }
    let (host, actor) = loaded(&guest(
        "(call $guest_request (i32.const 1024) (i32.const 4096))
         (local.set $n (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
         (call $guest_response (local.get $n) (i32.const 65537))
         (i32.const 1)",
    ));
    let failure = call(&host, &actor, b"one byte beyond").expect_err("there is no such byte");
    assert!(failure.to_string().contains("out of bounds"), "{failure}");
}

#[test]
fn a_start_function_that_exits_with_a_failure_is_one() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (host, actor) = loaded(&crate::guests::parse(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") (call $exit (i32.const 3)))
            (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))"#,
    ));
    let failure = runtime.block_on(host.call(&actor, "any", b"").wait()).expect_err("it did not start");
    assert!(matches!(&failure, CallFailure::Instantiate(text) if text.contains('3')), "{failure}");
}

/// Response and error of one host call are not there any more after the next.
#[test]
fn a_host_call_clears_what_the_last_one_answered() {
    let get = |key: u32| {
        format!(
            "(drop (call $host_call (i32.const 16) (i32.const 7) (i32.const 32) (i32.const 14)
               (i32.const 3000) (i32.const 3) (i32.const {key}) (i32.const 7)))"
        )
    };
    let lengths = "(i32.store (i32.const 200) (call $host_response_len))
                   (i32.store (i32.const 204) (call $host_error_len))";
    let says = "(call $guest_response (i32.const 200) (i32.const 8)) (i32.const 1)";
    let (host, actor) = loaded(&module(&format!(
        r#"(data (i32.const 3000) "Get") (data (i32.const 3010) "\c1")
           (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
             (if (local.get $length)
               (then {fine} {malformed})
               (else {malformed} {fine}))
             {lengths} {says})"#,
        fine = get(128),
        malformed = get(3_010),
    )));
    let provider = Fake::getting(true, |_| Answer::Ready(Ok(entry("value"))));
    host.bind(&actor, "default", Provider::key_value(provider)).expect("it is granted");
    let lengths = |payload: &[u8]| {
        let answer = call(&host, &actor, payload).expect("it answers");
        let (response, error) = answer.split_at(4);
        (response != [0; 4], error != [0; 4])
    };
    assert_eq!(lengths(b"x"), (false, true), "an error after a response");
    assert_eq!(lengths(b""), (true, false), "a response after an error");
}

/// Guests of the generation after waSCC import the same nine functions under another name.
#[test]
fn guests_of_the_next_generation_are_served_alike() {
    let (host, actor) = loaded(&crate::guests::of_the_next_generation(&crate::guests::forward(
        crate::guests::DEFAULT,
        crate::guests::KEYVALUE,
    )));
    let provider = Fake::getting(true, |key| match key {
        "bad" => Answer::Ready(Err(pillion_capabilities::Error::InvalidArgument("no such key".to_owned()))),
        _ => Answer::Ready(Ok(entry("value"))),
    });
    host.bind(&actor, "default", Provider::key_value(provider)).expect("it is granted");
    let mut response = Vec::new();
    host.call_into(&actor, "Get", &get_request("k"), &mut response).expect("it is answered");
    assert_eq!(GetResponse::decode(&response).map(|it| it.value), Ok(&b"value"[..]));
    let failure = host.call_into(&actor, "Get", &get_request("bad"), &mut response).expect_err("it fails");
    assert!(failure.to_string().contains("no such key"), "{failure}");
}

#[test]
fn what_an_actor_prints_is_one_line_under_its_key() {
    let (host, actor) = loaded(&module(
        r#"(data (i32.const 3000) "hello\0aERROR forged")
           (func (export "__guest_call") (param i32 i32) (result i32)
             (call $console_log (i32.const 3000) (i32.const 18))
             (call $console_log (i32.const 0) (i32.const 500000))
             (call $guest_response (i32.const 0) (i32.const 0)) (i32.const 1))"#,
    ));
    let written = Written::default();
    let made = written.clone();
    keep_open();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || made.clone()).finish();
    tracing::subscriber::with_default(subscriber, || call(&host, &actor, b"").expect("it answers"));
    let text = String::from_utf8(written.0.lock().expect("unpoisoned").clone()).expect("it is text");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains(actor.key()) && lines[0].contains(r"hello\nERROR forged"), "{text}");
    assert!(lines[1].len() < 10_000, "{} bytes", lines[1].len());
}

#[derive(Clone, Default)]
struct Written(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
