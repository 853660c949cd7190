//! What holds of a guest holds whatever makes it run.

use std::time::Duration;

use pillion_host::{CallFailure, Compiler, HostConfig, Limits};

use crate::guests::{guest, loaded_with};

/// Loops for as many thousands of turns as the payload has bytes, and for ever with 255 of them; traps with one byte.
const BODY: &str = "
    (if (i32.eq (local.get $length) (i32.const 1)) (then unreachable))
    (if (i32.eq (local.get $length) (i32.const 255)) (then (loop $forever (br $forever))))
    (local.set $n (i32.mul (local.get $length) (i32.const 1000)))
    (loop $again
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get $n) (i32.const 0))))
    (call $guest_response (i32.const 16) (i32.const 7)) (i32.const 1)";

fn each(limits: Limits, check: impl Fn(Compiler, &dyn Fn(usize) -> Result<Vec<u8>, CallFailure>)) {
    let folder = tempfile::tempdir().expect("a folder");
    for compiler in Compiler::ALL {
        // Twice: compiled, and from the cache that all of them share.
        for _ in 0..2 {
            let cache = Some(folder.path().join("modules"));
            let config = HostConfig { compiler, limits, cache, ..HostConfig::default() };
            let (host, actor) = loaded_with(&guest(BODY), config, &[]);
            check(compiler, &|length| {
                let mut response = Vec::new();
                host.call_into(&actor, "any", &vec![0; length], &mut response).map(|()| response)
            });
        }
    }
}

#[test]
fn a_trap_and_a_loop_are_ended_and_the_next_call_is_served_on_every_compiler() {
    let limits = Limits { deadline: Duration::from_millis(50), ..Limits::default() };
    let late: Result<Vec<u8>, _> = Err(CallFailure::Deadline(limits.deadline));
    each(limits, |compiler, call| {
        // A short call may meet the deadline too, on a busy machine.
        let in_time = |length| (0..100).map(|_| call(length)).find(|outcome| *outcome != late);
        assert!(matches!(in_time(1), Some(Err(CallFailure::Trap(_)))), "{compiler}");
        assert_eq!(call(255), late, "{compiler}");
        assert_eq!(in_time(0), Some(Ok(b"default".to_vec())), "{compiler}");
    });
}

#[test]
fn fuel_is_counted_on_every_compiler() {
    let limits = Limits { fuel: Some(100_000), deadline: Duration::from_secs(3_600), ..Limits::default() };
    each(limits, |compiler, call| {
        assert_eq!(call(2).as_deref(), Ok(&b"default"[..]), "{compiler}");
        assert_eq!(call(200), Err(CallFailure::Fuel(100_000)), "{compiler}");
        assert_eq!(call(2).as_deref(), Ok(&b"default"[..]), "{compiler}");
    });
}

#[test]
fn a_compiler_has_a_name() {
    for compiler in Compiler::ALL {
        assert_eq!(compiler.name().parse(), Ok(compiler));
    }
    let unknown = "llvm".parse::<Compiler>().expect_err("there is none of that name").to_string();
    assert_eq!(unknown, "no compiler is called \"llvm\"; there are cranelift, winch, pulley");
}
