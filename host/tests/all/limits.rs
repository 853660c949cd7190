//! Guests that want too much, and modules that are no guests.

use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::Memory;
use pillion_host::dispatch::Provider;
use pillion_host::identity::{KeyPair, TrustedIssuers};
use pillion_host::{CallFailure, Host, HostConfig, Limits};

use crate::guests::{Author, caps, guest, loaded_with, parse, signed};

fn config(limits: Limits) -> HostConfig {
    HostConfig { limits, ..HostConfig::default() }
}

#[test]
fn an_endless_loop_is_stopped_and_the_next_call_is_served() {
    let limits = Limits { deadline: Duration::from_millis(50), ..Limits::default() };
    let (host, actor) = loaded_with(
        &guest(
            "(if (local.get $length) (then (loop $forever (br $forever))))
             (call $guest_response (i32.const 16) (i32.const 7)) (i32.const 1)",
        ),
        config(limits),
        &[],
    );
    for _ in 0..2 {
        let mut response = Vec::new();
        let failure = host.call_into(&actor, "any", b"x", &mut response).expect_err("it loops");
        assert_eq!(failure, CallFailure::Deadline(limits.deadline));
        assert_eq!(failure.to_string(), "the guest ran for more than 50ms and was stopped");
        // A short call may meet the deadline too, on a busy machine.
        let served = (0..100)
            .map(|_| host.call_into(&actor, "any", b"", &mut response))
            .find(|outcome| *outcome != Err(CallFailure::Deadline(limits.deadline)));
        assert_eq!(served, Some(Ok(())), "the next call is served");
        assert_eq!(response, b"default");
    }
}

#[test]
fn a_guest_that_uses_up_its_fuel_is_stopped_and_the_next_call_is_served() {
    let limits = Limits { fuel: Some(100_000), deadline: Duration::from_secs(3_600), ..Limits::default() };
    let (host, actor) = loaded_with(
        // As many turns as the payload has thousands of bytes.
        &guest(
            "(local.set $n (i32.mul (local.get $length) (i32.const 1000)))
             (loop $again
               (local.set $n (i32.sub (local.get $n) (i32.const 1)))
               (br_if $again (i32.gt_s (local.get $n) (i32.const 0))))
             (call $guest_response (i32.const 16) (i32.const 7)) (i32.const 1)",
        ),
        config(limits),
        &[],
    );
    let mut response = Vec::new();
    // Each call has all of it: together, these use more.
    for _ in 0..20 {
        host.call_into(&actor, "any", &[0; 10], &mut response).expect("that is little");
    }
    let failure = host.call_into(&actor, "any", &[0; 20_000], &mut response).expect_err("that is too much");
    assert_eq!(failure, CallFailure::Fuel(100_000));
    assert_eq!(
        failure.to_string(),
        "the guest used up the 100000 units of fuel that one call has, and was stopped; raise its limit `fuel`, or ask \
         it for less at a time"
    );
    host.call_into(&actor, "any", b"", &mut response).expect("the next call is served");
    assert_eq!(response, b"default");
}

#[test]
fn a_start_without_end_uses_up_its_fuel() {
    let limits = Limits { fuel: Some(1_000), deadline: Duration::from_secs(3_600), ..Limits::default() };
    let (host, actor) = loaded_with(
        &crate::guests::module(
            r#"(func (export "wapc_init") (loop (br 0)))
               (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 0))"#,
        ),
        config(limits),
        &[],
    );
    let failure = host.call_into(&actor, "any", b"", &mut Vec::new());
    assert_eq!(failure, Err(CallFailure::Fuel(1_000)));
}

/// The same code, with fuel and without, at the same time.
#[test]
fn a_limit_on_fuel_is_one_actors_own() {
    let author = Author::new();
    let host = author.host(config(Limits::default()));
    let load = |limits| {
        let wasm = author.sign(&KeyPair::new_module(), &guest("(loop (br 0)) (i32.const 1)"), caps(&[]));
        host.load_with(&wasm, limits).expect("it loads")
    };
    let deadline = Duration::from_millis(50);
    let timed = load(Limits { deadline, ..Limits::default() });
    let fuelled = load(Limits { fuel: Some(1_000), ..Limits::default() });
    let both = load(Limits { fuel: Some(u64::MAX), deadline, ..Limits::default() });
    for _ in 0..2 {
        for (actor, failure) in [
            (&timed, CallFailure::Deadline(deadline)),
            (&fuelled, CallFailure::Fuel(1_000)),
            (&both, CallFailure::Deadline(deadline)),
        ] {
            assert_eq!(host.call_into(actor, "any", b"", &mut Vec::new()), Err(failure));
        }
    }
}

#[test]
fn memory_beyond_the_limit_is_refused_and_said() {
    let limits = Limits { memory: 16 * 65_536, ..Limits::default() };
    let (host, actor) = loaded_with(
        &guest(
            "(if (i32.eq (memory.grow (local.get $length)) (i32.const -1)) (then unreachable))
             (call $guest_response (i32.const 16) (i32.const 7)) (i32.const 1)",
        ),
        config(limits),
        &[],
    );
    let mut response = Vec::new();
    host.call_into(&actor, "any", &[0; 8], &mut response).expect("up to the limit it may grow");
    let failure = host.call_into(&actor, "any", &[0; 9], &mut response).expect_err("not beyond it");
    assert!(
        matches!(&failure, CallFailure::Trap(text) if text.contains("bytes of memory; its limit is 1048576")),
        "{failure}"
    );
    host.call_into(&actor, "any", b"", &mut response).expect("the next call is served");
}

#[test]
fn a_guest_that_starts_beyond_its_limit_gets_no_instance() {
    let limits = Limits { memory: 65_536, ..Limits::default() };
    let (host, actor) = loaded_with(&guest("(i32.const 0)"), config(limits), &[]);
    let failure = host.call_into(&actor, "any", b"", &mut Vec::new()).expect_err("eight pages are too many");
    assert!(
        matches!(&failure, CallFailure::Instantiate(text) if text.contains("its limit is 65536")),
        "{failure}"
    );
}

#[test]
fn a_table_beyond_the_limit_is_refused() {
    let limits = Limits { table_elements: 10, ..Limits::default() };
    let (host, actor) = loaded_with(
        &crate::guests::module(
            r#"(table $table 1 funcref)
               (func (export "__guest_call") (param i32 i32) (result i32)
                 (if (i32.eq (table.grow $table (ref.null func) (local.get 1)) (i32.const -1)) (then unreachable))
                 (call $guest_response (i32.const 0) (i32.const 0)) (i32.const 1))"#,
        ),
        config(limits),
        &[],
    );
    host.call_into(&actor, "any", &[0; 9], &mut Vec::new()).expect("up to the limit it may grow");
    let failure = host.call_into(&actor, "any", &[0; 10], &mut Vec::new()).expect_err("not beyond it");
    assert!(failure.to_string().contains("table elements; its limit is 10"), "{failure}");
}

#[test]
fn more_instances_than_allowed_are_refused() {
    let limits = Limits { instances: 0, ..Limits::default() };
    let (host, actor) = loaded_with(&guest("(i32.const 0)"), config(limits), &[]);
    assert_eq!(host.call_into(&actor, "any", b"", &mut Vec::new()), Err(CallFailure::Busy(0)));
}

#[test]
fn a_module_that_is_not_wapc_is_refused_by_name() {
    let refused = |text: &str| {
        let (signed, account) = signed(&parse(text), &[]);
        let config = HostConfig { trust: TrustedIssuers::from([account]).into(), ..HostConfig::default() };
        let host = Host::new(config).expect("the host starts");
        host.load(&signed).expect_err("it is no guest").to_string()
    };
    assert_eq!(
        refused("(module)"),
        "not a waPC module: it must export the function `__guest_call(i32, i32) -> i32`"
    );
    assert_eq!(
        refused(r#"(module (memory (export "memory") 1) (func (export "__guest_call")))"#),
        "not a waPC module: it must export the function `__guest_call(i32, i32) -> i32`"
    );
    assert_eq!(
        refused(r#"(module (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))"#),
        "not a waPC module: it must export its `memory`"
    );
    let unknown = refused(
        r#"(module (import "env" "print" (func)) (memory (export "memory") 1)
             (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))"#,
    );
    assert!(unknown.contains("cannot be linked") && unknown.contains("env::print"), "{unknown}");
    // A valid frame around a body that is not.
    let broken = refused(
        r#"(module (memory (export "memory") 1)
             (func (export "__guest_call") (param i32 i32) (result i32) (i64.const 1)))"#,
    );
    assert!(broken.contains("does not compile"), "{broken}");
}

/// An instance that a thread has left idle does not keep another thread from calling, nor one of an older wiring.
#[test]
fn an_idle_instance_gives_way() {
    let limits = Limits { instances: 1, ..Limits::default() };
    let (host, actor) = loaded_with(
        &guest("(call $guest_response (i32.const 0) (i32.const 0)) (i32.const 1)"),
        config(limits),
        &["wascc:keyvalue"],
    );
    let call = || host.call_into(&actor, "any", b"", &mut Vec::new());
    assert_eq!(call(), Ok(()));
    std::thread::scope(|scope| {
        assert_eq!(scope.spawn(call).join().expect("it does not panic"), Ok(()));
    });
    assert_eq!(call(), Ok(()));
    for name in ["one", "two"] {
        host.bind(&actor, name, Provider::key_value(Arc::new(Memory::new()))).expect("it is granted");
        std::thread::scope(|scope| {
            assert_eq!(scope.spawn(call).join().expect("it does not panic"), Ok(()), "after binding {name}");
        });
        assert_eq!(call(), Ok(()));
    }
}

/// What was refused in one call has nothing to do with why the next one fails.
#[test]
fn a_refusal_is_told_of_its_own_call_alone() {
    let limits = Limits { memory: 8 * 65_536, ..Limits::default() };
    let (host, actor) = loaded_with(
        &guest(
            "(drop (memory.grow (local.get $length)))
             (if (i32.eqz (local.get $length)) (then unreachable))
             (call $guest_response (i32.const 16) (i32.const 7)) (i32.const 1)",
        ),
        config(limits),
        &[],
    );
    let mut response = Vec::new();
    host.call_into(&actor, "any", b"x", &mut response).expect("it lives with the refusal");
    let failure = host.call_into(&actor, "any", b"", &mut response).expect_err("it traps").to_string();
    assert!(failure.contains("unreachable") && !failure.contains("memory"), "{failure}");
}
