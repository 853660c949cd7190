//! The guest itself, on the engine, beside the model.

use std::mem;
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use pillion_host::engine::{
    Call, CallFailure, Dispatch, Dispatched, Engine, EngineConfig, Guest, HostCall, Limits, Program, Reply,
};
use tokio::runtime::{Builder, Runtime};

use super::model::{self, Answer, Asked, OPERATION, Outcome, PAGE, PAGES};
use super::script::script;

/// Does its request's steps, as `model` describes them.
const TEXT: &str = r#"(module
 (import "wapc" "__guest_request" (func $guest_request (param i32 i32)))
 (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
 (import "wapc" "__guest_error" (func $guest_error (param i32 i32)))
 (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
 (import "wapc" "__host_response_len" (func $host_response_len (result i32)))
 (import "wapc" "__host_response" (func $host_response (param i32)))
 (import "wapc" "__host_error_len" (func $host_error_len (result i32)))
 (import "wapc" "__host_error" (func $host_error (param i32)))
 (import "wapc" "__console_log" (func $console_log (param i32 i32)))
 (memory (export "memory") 2)
 (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
   (local $at i32) (local $end i32) (local $step i32)
   (call $guest_request (i32.const 1024) (i32.const 4096))
   (local.set $at (i32.const 4096))
   (local.set $end (i32.add (i32.const 4096) (local.get $length)))
   (loop $next
     (if (i32.gt_u (i32.add (local.get $at) (i32.const 36)) (local.get $end)) (then (return (i32.const 1))))
     (local.set $step (i32.rem_u (i32.load8_u (local.get $at)) (i32.const 10)))
     (local.set $at (i32.add (local.get $at) (i32.const 4)))
     (if (i32.eq (local.get $step) (i32.const 0)) (then
       (call $guest_request (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))))
     (if (i32.eq (local.get $step) (i32.const 1)) (then
       (call $guest_response (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))))
     (if (i32.eq (local.get $step) (i32.const 2)) (then
       (call $guest_error (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))))
     (if (i32.eq (local.get $step) (i32.const 3)) (then
       (i32.store (i32.const 0) (call $host_call
         (i32.load (local.get $at)) (i32.load offset=4 (local.get $at))
         (i32.load offset=8 (local.get $at)) (i32.load offset=12 (local.get $at))
         (i32.load offset=16 (local.get $at)) (i32.load offset=20 (local.get $at))
         (i32.load offset=24 (local.get $at)) (i32.load offset=28 (local.get $at))))))
     (if (i32.eq (local.get $step) (i32.const 4)) (then
       (call $host_response (i32.load (local.get $at)))))
     (if (i32.eq (local.get $step) (i32.const 5)) (then
       (call $host_error (i32.load (local.get $at)))))
     (if (i32.eq (local.get $step) (i32.const 6)) (then
       (call $console_log (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))))
     (if (i32.eq (local.get $step) (i32.const 7)) (then
       (i32.store (i32.const 4)
         (memory.grow (i32.rem_u (i32.load (local.get $at)) (i32.const 4))))))
     (if (i32.eq (local.get $step) (i32.const 8)) (then
       (local.set $operation (i32.load (local.get $at)))
       (i32.store (local.get $operation) (call $host_response_len))
       (i32.store offset=4 (local.get $operation) (call $host_error_len))))
     (if (i32.eq (local.get $step) (i32.const 9)) (then
       (return (i32.and (i32.load (local.get $at)) (i32.const 1)))))
     (local.set $at (i32.add (local.get $at) (i32.const 32)))
     (br $next))
   (unreachable)))"#;

/// Writes down what it is asked, and answers as the model does: at once, or later.
struct Host {
    at_once: bool,
    asked: Mutex<Vec<Asked>>,
}

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let limits = Limits { memory: (PAGES.limit * PAGE) as usize, ..Limits::default() };
    let engine =
        Engine::new(EngineConfig { limits, ..EngineConfig::default() }).expect("the engine can be set up");
    let wasm = wat::parse_str(TEXT).expect("the text is WebAssembly");
    engine.compile(&wasm).expect("the guest is a waPC module")
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime can be made"));

/// Runs any bytes as the steps of a guest, which call every function of the ABI with pointers and lengths that may be
/// anything: what comes of it, and what its host is asked, is what the model says, both for a guest whose calls are
/// answered at once and for one that waits; and the next call is served.
pub fn memory(data: &[u8]) {
    let script = script(data);
    let (outcome, asked) = model::run(&script);
    for at_once in [true, false] {
        let host = Arc::new(Host { at_once, asked: Mutex::default() });
        let guest = Guest::new(PROGRAM.clone(), Arc::clone(&host) as Arc<dyn Dispatch>);
        assert_eq!(guest.always_ready(), at_once);
        assert_eq!(call(&guest, &script), outcome, "at once: {at_once}");
        assert_eq!(host.asked(), asked, "at once: {at_once}");
        // Its own first step, as response.
        let next = script_of_one(1, [4_096, 36]);
        assert_eq!(call(&guest, &next), Outcome::Response(next.clone()), "at once: {at_once}");
    }
}

fn script_of_one(step: u32, arguments: [u32; 2]) -> Vec<u8> {
    let mut words = vec![step];
    words.extend(arguments);
    words.resize(9, 0);
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

fn call(guest: &Guest, script: &[u8]) -> Outcome {
    let result = match guest.call(OPERATION, script) {
        Call::Ready(result) => result,
        Call::Pending(pending) => RUNTIME.block_on(pending),
    };
    match result {
        Ok(response) => Outcome::Response(response.to_vec()),
        Err(CallFailure::NoResponse) => Outcome::NoResponse,
        Err(CallFailure::Guest(text)) => Outcome::Error(text),
        Err(CallFailure::Trap(_)) => Outcome::Trap,
        Err(other) => panic!("the call failed in a way that the ABI does not know: {other}"),
    }
}

// === impl Host ===

impl Host {
    fn asked(&self) -> Vec<Asked> {
        mem::take(&mut self.asked.lock().expect("nobody panics with it locked"))
    }

    fn note(&self, asked: Asked) {
        self.asked.lock().expect("nobody panics with it locked").push(asked);
    }
}

impl Dispatch for Host {
    fn always_ready(&self) -> bool {
        self.at_once
    }

    fn dispatch(&self, call: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        let parts = [call.binding, call.namespace, call.operation, call.payload].map(<[u8]>::to_vec);
        // Whoever answers later knows the names that it answers to.
        let known = parts[..3].iter().all(|name| std::str::from_utf8(name).is_ok());
        self.note(Asked::Call(parts));
        if self.at_once || !known {
            write(call.operation, call.payload, reply);
            return Dispatched::Done;
        }
        let mut later = Reply::default();
        write(call.operation, call.payload, &mut later);
        Dispatched::Pending(Box::pin(async move {
            tokio::task::yield_now().await;
            later
        }))
    }

    fn log(&self, line: &str) {
        self.note(Asked::Log(line.to_owned()));
    }
}

fn write(operation: &[u8], payload: &[u8], reply: &mut Reply) {
    match model::answer(operation, payload) {
        Answer::Error(text) => reply.fail(text),
        Answer::Response { around, place } => {
            reply.respond().extend_from_slice(around);
            reply.insert(place, Bytes::copy_from_slice(payload));
        }
    }
}
