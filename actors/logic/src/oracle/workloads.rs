//! The requests and replies of each workload.

use std::collections::BTreeMap;

use sha2::Digest;

use super::numbers::Numbers;
use super::{Calls, Case, Record, Suite, Workload, failures, order};

/// Records that reads and writes are spread over.
const KEYS: u64 = 16;

/// `count` requests of a workload. `payload` is the length of the value, for [`Workload::Compute`] the rounds, and
/// without meaning for [`Workload::Counter`] and [`Workload::Order`]; `calls` is the length of a
/// [`Workload::Chain`].
#[must_use]
pub fn suite(workload: Workload, payload: usize, calls: u32, seed: u64, count: usize) -> Suite {
    let mut numbers = Numbers::new(seed);
    match workload {
        Workload::Echo => echo(&mut numbers, payload, count),
        Workload::KvGet => reads(&mut numbers, payload, None, count),
        Workload::Chain => reads(&mut numbers, payload, Some(calls), count),
        Workload::KvSet => writes(&mut numbers, payload, count),
        Workload::Counter => counter(&mut numbers, count),
        Workload::Order => order::suite(&mut numbers, count),
        Workload::Compute => compute(&mut numbers, payload, count),
    }
}

/// Suites of every workload at several sizes, and [`failures`]: what a test asks of a lane.
#[must_use]
pub fn every_suite() -> Vec<Suite> {
    let sizes =
        Workload::ALL.into_iter().flat_map(|workload| [1, 16, 1_024, 65_536].map(|size| (workload, size)));
    sizes
        // Rounds of hashing are the same code in every lane.
        .map(|(workload, size)| (workload, if workload == Workload::Compute { size.min(10) } else { size }))
        .map(|(workload, size)| suite(workload, size, 3, 42, 20))
        .chain([failures()])
        .collect()
}

fn echo(numbers: &mut Numbers, payload: usize, count: usize) -> Suite {
    let case = |request: Vec<u8>| Case {
        operation: "echo",
        expected: Ok(request.clone()),
        request,
        calls: Calls::default(),
    };
    Suite { cases: (0..count).map(|_| case(numbers.bytes(payload))).collect(), ..Suite::default() }
}

/// `kv.get`, or `chain` with a number of calls.
fn reads(numbers: &mut Numbers, payload: usize, chain: Option<u32>, count: usize) -> Suite {
    let records: Vec<Record> = (0..KEYS)
        .map(|number| Record { key: format!("value:{number:04}"), value: numbers.text(payload) })
        .collect();
    let case = |record: &Record| match chain {
        None => Case {
            operation: "kv.get",
            request: record.key.clone().into_bytes(),
            expected: Ok(record.value.clone()),
            calls: Calls { get: 1, ..Calls::default() },
        },
        Some(calls) => Case {
            operation: "chain",
            request: [&calls.to_le_bytes()[..], record.key.as_bytes()].concat(),
            expected: Ok(if calls == 0 { Vec::new() } else { record.value.clone() }),
            calls: Calls { get: calls.into(), ..Calls::default() },
        },
    };
    let cases = (0..count).map(|_| case(&records[numbers.below(KEYS) as usize])).collect();
    Suite { records, cases, after: Vec::new() }
}

fn writes(numbers: &mut Numbers, payload: usize, count: usize) -> Suite {
    let mut after = BTreeMap::new();
    let cases = (0..count)
        .map(|_| {
            let (key, value) = (format!("written:{:04}", numbers.below(KEYS)), numbers.text(payload));
            // The keys are 12 bytes long.
            let request = [&[12, 0], key.as_bytes(), &value].concat();
            after.insert(key, value);
            Case {
                operation: "kv.set",
                request,
                expected: Ok(Vec::new()),
                calls: Calls { set: 1, ..Calls::default() },
            }
        })
        .collect();
    let after = after.into_iter().map(|(key, value)| Record { key, value }).collect();
    Suite { records: Vec::new(), cases, after }
}

fn counter(numbers: &mut Numbers, count: usize) -> Suite {
    let names = ["visits", "downloads-2026", "A_b.c"];
    let start: Vec<u64> = names.iter().map(|_| numbers.below(1_000)).collect();
    let mut values = start.clone();
    let record = |(name, value): (&&str, &u64)| Record {
        key: format!("counter:{name}"),
        value: value.to_string().into_bytes(),
    };
    let cases = (0..count)
        .map(|_| {
            let which = numbers.below(3) as usize;
            values[which] += 1;
            let name = names[which];
            let method = ["POST", "GET"][numbers.below(2) as usize];
            let query = ["", "?from=test"][numbers.below(2) as usize];
            Case {
                operation: "counter",
                request: format!(
                    "{method} /counter/{name}{query} HTTP/1.1\r\nhost: localhost\r\nuser-agent: oracle\r\n\
                     accept: application/json\r\ncontent-length: 0\r\n\r\n"
                )
                .into_bytes(),
                expected: Ok(format!(r#"{{"counter":"{name}","value":{}}}"#, values[which]).into_bytes()),
                calls: Calls { add: 1, ..Calls::default() },
            }
        })
        .collect();
    Suite {
        records: names.iter().zip(&start).map(record).collect(),
        cases,
        after: names.iter().zip(&values).map(record).collect(),
    }
}

fn compute(numbers: &mut Numbers, rounds: usize, count: usize) -> Suite {
    let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
    let cases = (0..count)
        .map(|_| {
            let seed = numbers.bytes(32);
            let chain = std::iter::successors(Some(hash(&seed)), |digest| Some(hash(digest)));
            Case {
                operation: "compute",
                request: [&rounds.to_le_bytes()[..], &seed].concat(),
                expected: Ok(chain.take(rounds as usize + 1).last().unwrap_or_default()),
                calls: Calls::default(),
            }
        })
        .collect();
    Suite { cases, ..Suite::default() }
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    sha2::Sha256::new().chain_update(bytes).finalize().to_vec()
}
