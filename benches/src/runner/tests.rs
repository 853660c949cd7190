//! A runner notices what goes wrong while it is timing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pillion_logic::{CallError, Capabilities};
use pillion_records::{Cell, Load, Outcome, Placement};

use super::{App, measure::measure};
use crate::job::Job;
use crate::machine::cpus;

/// What a store does wrong, long after what is verified first.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// An add is acknowledged and not done, once.
    LosesAnAdd,
    /// An add is done twice, once.
    DoublesAnAdd,
    /// A set is acknowledged and not done, each time.
    LosesSets,
    /// A get reaches the provider twice, once.
    AsksTwice,
    /// A value has another byte in a place that no fingerprint looks at, each time.
    ChangesAByte,
}

/// More calls than are verified.
const LATE: u64 = 300;

struct Faulty {
    fault: Fault,
    values: Mutex<HashMap<String, Vec<u8>>>,
    calls: AtomicU64,
    /// Whether a fault that happens once has happened.
    happened: AtomicBool,
}

// === impl Faulty ===

impl Faulty {
    /// The number of this call.
    fn count(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether a fault is to happen now: it is this one, late, and once.
    fn happens(&self, fault: Fault, number: u64) -> bool {
        self.fault == fault && number >= LATE && !self.happened.swap(true, Ordering::Relaxed)
    }
}

impl Capabilities for Faulty {
    type Value = Vec<u8>;

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        let number = self.count();
        if self.happens(Fault::AsksTwice, number) {
            self.count();
        }
        let mut value = self.values.lock().unwrap().get(key).cloned();
        if let (Fault::ChangesAByte, true, Some(value)) = (self.fault, number >= LATE, &mut value) {
            value[100] ^= 1;
        }
        Ok(value)
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), CallError> {
        if self.count() < LATE || self.fault != Fault::LosesSets {
            self.values.lock().unwrap().insert(key.to_owned(), value.to_vec());
        }
        Ok(())
    }

    async fn add(&self, key: &str, delta: i64) -> Result<i64, CallError> {
        let number = self.count();
        let mut values = self.values.lock().unwrap();
        let value = values.entry(key.to_owned()).or_insert_with(|| b"0".to_vec());
        let before: i64 = str::from_utf8(value).unwrap().parse().unwrap();
        let done = if self.happens(Fault::LosesAnAdd, number) {
            0
        } else if self.happens(Fault::DoublesAnAdd, number) {
            2 * delta
        } else {
            delta
        };
        *value = (before + done).to_string().into_bytes();
        Ok(before + delta)
    }
}

impl App for Faulty {
    async fn call(&self, operation: &str, request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
        let handled = pillion_logic::handle(self, operation, request, reply).await;
        handled.map(|handled| handled.finish(reply)).map_err(|error| error.to_string())
    }

    async fn preload(&self, key: &str, value: &[u8]) -> Result<(), String> {
        self.values.lock().unwrap().insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    async fn stored(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.values.lock().unwrap().get(key).cloned())
    }

    async fn provider_calls(&self) -> Result<u64, String> {
        Ok(self.calls.load(Ordering::Relaxed))
    }
}

/// What comes of a cell over a store with a fault.
fn outcome(fault: Fault, workload: &str, load: Load) -> Outcome {
    let cell = Cell {
        workload: workload.into(),
        payload: 1_024,
        calls: None,
        provider: "memory".into(),
        placement: Placement::Free,
        load,
    };
    let job = Job {
        lane: "faulty".into(),
        cells: vec![cell.clone()],
        block_ns: 20_000_000,
        seed: 7,
        cpus: cpus(),
        processes: Vec::new(),
        stores: Vec::new(),
        sidecar: None,
        protocol: None,
        transport: None,
        busy_poll: false,
        bulk: false,
        pipelined: false,
        guest: None,
        compiler: None,
        transcripts: Vec::new(),
        calls_per_add: 1,
        cache: "unused".into(),
    };
    let app = Arc::new(Faulty {
        fault,
        values: Mutex::default(),
        calls: AtomicU64::new(0),
        happened: AtomicBool::new(false),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(measure(&app, &job, &cell)).outcome
}

fn wrong(fault: Fault, workload: &str, load: Load) -> String {
    match outcome(fault, workload, load) {
        Outcome::Wrong { reason } => reason,
        other => panic!("{fault:?} in {workload} was not noticed: {other:?}"),
    }
}

const SEVERAL: Load = Load::Throughput { in_flight: 5 };

#[test]
fn a_store_that_is_right_is_measured_in_every_workload() {
    for load in [Load::Service, SEVERAL] {
        for workload in ["echo", "kv-get", "kv-set", "counter", "order", "chain"] {
            let outcome = outcome(Fault::None, workload, load);
            assert!(matches!(outcome, Outcome::Measured(_)), "{workload}: {outcome:?}");
        }
    }
}

#[test]
fn an_add_that_is_lost_or_doubled_during_timing_is_noticed() {
    for fault in [Fault::LosesAnAdd, Fault::DoublesAnAdd] {
        for workload in ["counter", "order"] {
            for load in [Load::Service, SEVERAL] {
                let reason = wrong(fault, workload, load);
                assert!(reason.contains("after timing"), "{reason}");
            }
        }
    }
}

#[test]
fn a_set_that_is_lost_during_timing_is_noticed() {
    let reason = wrong(Fault::LosesSets, "kv-set", Load::Service);
    assert!(reason.contains("after timing"), "{reason}");
}

#[test]
fn a_call_that_is_made_twice_during_timing_is_noticed() {
    for load in [Load::Service, SEVERAL] {
        let reason = wrong(Fault::AsksTwice, "kv-get", load);
        assert!(reason.contains("lost or made twice"), "{reason}");
    }
}

#[test]
fn a_byte_that_is_wrong_during_timing_is_noticed_wherever_it_is() {
    let reason = wrong(Fault::ChangesAByte, "kv-get", Load::Service);
    assert!(reason.contains("during timing"), "{reason}");
}
