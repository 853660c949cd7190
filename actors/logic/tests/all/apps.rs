//! Every workload answers what the oracle says, with the calls it says, and leaves what it says.

use pillion_logic::oracle::{Suite, Workload, failures, suite};
use pillion_logic::{AppError, OPERATIONS};
use proptest::prelude::*;

use crate::ask;
use crate::store::Store;

/// Asks everything; the first disagreement is the error.
fn run(suite: &Suite) -> Result<(), String> {
    let store = Store::new(&suite.records);
    for case in &suite.cases {
        let reply = ask(&store, case.operation, &case.request).map_err(|error| error.to_string());
        case.check(reply.as_deref()).map_err(|mismatch| mismatch.to_string())?;
    }
    let expected = suite.calls().one_by_one();
    if store.calls() != expected {
        return Err(format!("{:?} calls were made, not {expected:?}", store.calls()));
    }
    match suite.after.iter().find(|record| store.value(&record.key).as_ref() != Some(&record.value)) {
        None => Ok(()),
        Some(record) => Err(format!("{:?} holds {:?}, not {record:?}", record.key, store.value(&record.key))),
    }
}

fn workload() -> impl Strategy<Value = Workload> {
    prop::sample::select(&Workload::ALL[..])
}

proptest! {
    #[test]
    fn every_workload_answers_what_the_oracle_says(
        workload in workload(), payload in 0_usize..3_000, calls in 0_u32..9, seed: u64, count in 0_usize..40,
    ) {
        prop_assert_eq!(run(&suite(workload, payload, calls, seed, count)), Ok(()));
    }

    #[test]
    fn a_suite_follows_from_its_seed(workload in workload(), seed: u64) {
        prop_assert_eq!(suite(workload, 64, 2, seed, 20), suite(workload, 64, 2, seed, 20));
        prop_assert_ne!(suite(workload, 64, 2, seed, 20), suite(workload, 64, 2, seed ^ 1, 20));
    }
}

#[test]
fn what_must_fail_fails_with_the_oracles_words() {
    assert_eq!(run(&failures()), Ok(()));
}

#[test]
fn an_order_is_rejected_in_each_of_the_three_ways() {
    let suite = suite(Workload::Order, 0, 0, 7, 16);
    let replies: Vec<u8> = suite.cases.iter().flat_map(|case| case.expected.clone().unwrap()).collect();
    let replies = String::from_utf8(replies).unwrap();
    for reason in ["out of stock", "unknown customer", "unknown product"] {
        assert_eq!(replies.matches(reason).count(), 1, "{reason}");
    }
    assert_eq!(replies.matches("accepted").count(), 13);
}

#[test]
fn compute_is_sha_256() {
    let store = Store::default();
    // SHA-256 of "abc" is the example of FIPS 180-4; the second is the same hashed again.
    for (rounds, expected) in [(0_u32, "ba7816bf8f01cfea"), (1, "4f8b42c22dd3729b")] {
        let reply = ask(&store, "compute", &[&rounds.to_le_bytes()[..], b"abc"].concat()).unwrap();
        let start: String = reply[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((reply.len(), start.as_str()), (32, expected));
    }
}

#[test]
fn every_operation_is_known_and_no_other() {
    let store = Store::default();
    for operation in OPERATIONS {
        assert_ne!(ask(&store, operation, b""), Err(AppError::BadDispatch((*operation).to_owned())));
    }
    assert_eq!(ask(&store, "Echo", b""), Err(AppError::BadDispatch("Echo".to_owned())));
}

#[test]
fn a_reply_is_appended() {
    let mut reply = b"before ".to_vec();
    let store = Store::default();
    let handled = crate::store::ready(pillion_logic::handle(&store, "echo", b"after", &mut reply)).unwrap();
    handled.finish(&mut reply);
    assert_eq!(reply, b"before after");
}

#[test]
fn workloads_have_names() {
    for workload in Workload::ALL {
        assert_eq!(workload.to_string().parse(), Ok(workload));
    }
    let error = "kv.get".parse::<Workload>().unwrap_err().to_string();
    assert!(error.contains("kv-get"), "{error}");
}

#[test]
fn a_wrong_reply_is_told_apart() {
    let suite = suite(Workload::KvGet, 200, 0, 1, 1);
    let case = &suite.cases[0];
    let message = case.check(Ok::<_, String>(b"something else".as_slice())).unwrap_err().to_string();
    assert!(message.contains("kv.get") && message.contains("something else"), "{message}");
    assert!(case.check(Err("lost")).unwrap_err().to_string().contains("lost"));
    let failing = &failures().cases[0];
    assert!(failing.check(Ok::<_, String>(b"".as_slice())).is_err());
    assert!(failing.check(Err("another error")).is_err());
    assert!(failing.check(Err("the guest said: bad dispatch")).is_ok());
}
