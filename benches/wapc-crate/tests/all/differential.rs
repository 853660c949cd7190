//! Requests in any order, well-formed or not, get the same answer on every way over every provider.

use std::sync::atomic::{AtomicU64, Ordering};

use pillion_logic::OPERATIONS;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::lanes::Lanes;

/// Sequences that are tried unless PROPTEST_CASES says another number.
const CASES: u32 = 16;

/// One request. Names are completed with the number of the sequence, so that each starts with nothing there.
#[derive(Clone, Debug)]
enum Step {
    Get(usize),
    Set(usize, String),
    Chain(u32, usize),
    Count {
        name: u8,
        method: &'static str,
    },
    Order {
        known: [bool; 2],
        quantity: u32,
    },
    /// As it is.
    Raw(&'static str, Vec<u8>),
}

/// The keys of a sequence: those that the apps make of names, and others.
fn keys(sequence: u64) -> Vec<String> {
    let own = ["counter:n-0-", "counter:n-1-", "customer:c-", "product:s-", "stock:s-", "order:o-"];
    let others = ["plain-", "a key/with ?& %\u{e9}\u{1f980}-", "../"];
    own.iter().chain(&others).map(|key| format!("{key}{sequence}")).collect()
}

impl Step {
    fn request(&self, sequence: u64) -> (&'static str, Vec<u8>) {
        let key = |which: &usize| keys(sequence).swap_remove(*which);
        match self {
            Self::Get(which) => ("kv.get", key(which).into_bytes()),
            Self::Set(which, value) => {
                let key = key(which);
                let length = u16::try_from(key.len()).unwrap().to_le_bytes();
                ("kv.set", [&length[..], key.as_bytes(), value.as_bytes()].concat())
            }
            Self::Chain(calls, which) => {
                ("chain", [&calls.to_le_bytes()[..], key(which).as_bytes()].concat())
            }
            Self::Count { name, method } => {
                let line =
                    format!("{method} /counter/n-{name}-{sequence}?some=query HTTP/1.1\r\nhost: x\r\n\r\n");
                ("counter", line.into_bytes())
            }
            Self::Order { known, quantity } => {
                let [customer, sku] = known.map(|known| if known { "" } else { "un" });
                let order = format!(
                    r#"{{"order":"o-{sequence}","customer":"{customer}c-{sequence}","sku":"{sku}s-{sequence}","quantity":{quantity}}}"#
                );
                ("order", order.into_bytes())
            }
            Self::Raw(operation, bytes) => (operation, bytes.clone()),
        }
    }
}

/// What is a number to counters, and what only looks like one. Numbers stay far within the 32 bits of a waSCC counter.
const NUMBERS: [&str; 12] =
    ["0", "7", "-3", "1000000", "007", "+5", "-0", " 7", "1.5", "", "9223372036854775808", "\"7\""];

/// Values that apps make sense of, that they nearly do, and any text: over HTTP a value is one.
fn value() -> impl Strategy<Value = String> {
    let known = [
        r#"{"discount":10}"#,
        r#"{"discount":200}"#,
        r#"{"discount":"ten"}"#,
        r#"{"price":250}"#,
        r#"{"price":-1}"#,
        "null",
        "{",
        "\\",
        "\"",
        "a\"b\\c\u{0}\n",
    ];
    prop_oneof![
        6 => proptest::sample::select([&known[..], &NUMBERS].concat()).prop_map(str::to_owned),
        2 => any::<String>(),
        1 => (1..20_000_usize).prop_map(|length| "v".repeat(length)),
    ]
}

/// Requests that are none, most of them: any bytes, but for those that save a value. `||` is not for apps to use: a
/// sidecar tells their keys apart by it, and refuses it.
fn raw() -> impl Strategy<Value = Step> {
    let operations: Vec<_> = OPERATIONS.iter().copied().filter(|it| *it != "kv.set").collect();
    let anything = (proptest::sample::select(operations), proptest::collection::vec(any::<u8>(), 0..24))
        // The first four bytes are a number in some: of hashes, or of calls.
        .prop_map(|(operation, mut bytes)| {
            bytes.iter_mut().take(4).skip(1).for_each(|byte| *byte = 0);
            (operation, bytes)
        })
        .prop_filter("a key with ||", |(_, bytes)| !bytes.windows(2).any(|two| two == b"||"));
    let short = (1..=255_u8, proptest::collection::vec(any::<u8>(), 0..24)).prop_map(|(excess, key)| {
        let length = u16::try_from(key.len()).unwrap() + u16::from(excess);
        ("kv.set", [&length.to_le_bytes()[..], &key].concat())
    });
    let unreadable = Just(("kv.set", vec![2, 0, 0xff, 0xfe, b'v']));
    let unknown = Just(("no.such", vec![1]));
    prop_oneof![4 => anything, 1 => short, 1 => unreadable, 1 => unknown]
        .prop_map(|(operation, bytes)| Step::Raw(operation, bytes))
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..keys(0).len();
    prop_oneof![
        2 => key().prop_map(Step::Get),
        4 => (key(), value()).prop_map(|(key, value)| Step::Set(key, value)),
        // What an order needs, so that some go through.
        2 => proptest::sample::select(vec![(2, r#"{"discount":10}"#), (3, r#"{"price":250}"#), (4, "5")])
            .prop_map(|(key, value)| Step::Set(key, value.to_owned())),
        // What counters are to add to.
        3 => (0..2_usize, proptest::sample::select(NUMBERS.to_vec()))
            .prop_map(|(key, value)| Step::Set(key, value.to_owned())),
        2 => (0..4_u32, key()).prop_map(|(calls, key)| Step::Chain(calls, key)),
        5 => (0..2_u8, proptest::sample::select(vec!["GET", "POST", "PUT"]))
            .prop_map(|(name, method)| Step::Count { name, method }),
        3 => (proptest::array::uniform2(proptest::bool::weighted(0.9)), 0..4_u32)
            .prop_map(|(known, quantity)| Step::Order { known, quantity }),
        2 => raw(),
    ]
}

/// What an answer has in common on every lane. A failed capability call is told in the words of whoever failed; what it
/// failed of is the same.
fn told(answer: Result<Vec<u8>, String>) -> Result<Vec<u8>, String> {
    let failure = "is not an integer";
    answer.map_err(|error| if error.contains(failure) { failure.to_owned() } else { error })
}

#[test]
fn any_sequence_gets_the_same_answers_on_every_lane() {
    let lanes = Lanes::open();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { CASES };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let sequences = AtomicU64::new(0);
    let (first, others) = lanes.all.split_first().unwrap();
    let outcome = TestRunner::new(config).run(&proptest::collection::vec(step(), 1..48), |steps| {
        let sequence = sequences.fetch_add(1, Ordering::Relaxed);
        // At the end, what each key holds.
        let reads = (0..keys(sequence).len()).map(Step::Get);
        for step in steps.into_iter().chain(reads) {
            let (operation, request) = step.request(sequence);
            let ask = |lane: &crate::lanes::Lane| told(lanes.runtime.block_on(lane.ask(operation, &request)));
            let expected = ask(first);
            for lane in others {
                prop_assert_eq!(
                    ask(lane),
                    expected.clone(),
                    "{}, and before it {}: {:?}",
                    &lane.name,
                    &first.name,
                    &step
                );
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
