//! Metrics of a host, as Prometheus reads them: a layer of middleware that counts.

mod serve;
mod text;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use crate::dispatch::Contract;
use crate::engine::{CallFailure, Reply};
use crate::middleware::{ActorCall, CapabilityCall, Middleware};

pub use serve::MetricsServer;

/// Counts calls into actors, and calls that actors make; a layer of middleware.
///
/// Labels are bounded, whatever actors make up: operations that no contract has are `other`, and so are actors beyond
/// the first thousand that were seen.
#[derive(Default)]
pub struct Metrics {
    /// By actor, operation and outcome.
    entered: Counted<(Arc<str>, &'static str, &'static str)>,
    /// By actor, contract, operation and outcome.
    left: Counted<(Arc<str>, &'static str, &'static str, &'static str)>,
    actors: RwLock<HashSet<Arc<str>>>,
}

/// Series of one metric.
struct Counted<Labels>(RwLock<HashMap<Labels, Arc<Series>>>);

/// How many calls there were, and how long they took.
#[derive(Default)]
struct Series {
    nanoseconds: AtomicU64,
    /// One more than there are bounds: the last is of what took longer.
    buckets: [AtomicU64; BOUNDS.len() + 1],
}

/// The upper bounds of the buckets, in nanoseconds: a call in process takes hundreds of them, one of a server millions.
const BOUNDS: [u64; 12] = [
    250,
    500,
    1_000,
    2_500,
    10_000,
    50_000,
    250_000,
    1_000_000,
    5_000_000,
    25_000_000,
    250_000_000,
    2_500_000_000,
];

/// So many actors have labels of their own.
const ACTORS: usize = 1_000;

const OTHER: &str = "other";

/// What is called at an actor.
const ENTRIES: [&str; 6] =
    ["HandleRequest", "DeliverMessage", "DeliverEvent", "ReceiveChunk", "HealthRequest", "Initialize"];

/// The operations of waSCC's contracts.
const OPERATIONS: [&str; 32] = [
    "Add",
    "Get",
    "Set",
    "Del",
    "Clear",
    "Range",
    "Push",
    "ListItemDelete",
    "SetAdd",
    "SetRemove",
    "SetUnion",
    "SetIntersection",
    "SetQuery",
    "KeyExists",
    "Publish",
    "Request",
    "PerformRequest",
    "CreateContainer",
    "RemoveContainer",
    "RemoveObject",
    "ListObjects",
    "UploadChunk",
    "StartDownload",
    "StartUpload",
    "GetObjectInfo",
    "WriteEvent",
    "QueryStream",
    "RequestGuid",
    "RequestSequence",
    "RequestRandom",
    "WriteLog",
    "ReceiveChunk",
];

// === impl Metrics ===

impl Metrics {
    /// The label of an actor.
    fn actor(&self, key: &str) -> Arc<str> {
        {
            let actors = self.actors.read();
            if let Some(known) = actors.get(key) {
                return Arc::clone(known);
            }
            if actors.len() > ACTORS {
                return actors.get(OTHER).map_or_else(|| OTHER.into(), Arc::clone);
            }
        }
        let mut actors = self.actors.write();
        // With `other`, there is one more than that.
        let label: Arc<str> = if actors.len() < ACTORS { key.into() } else { OTHER.into() };
        actors.insert(Arc::clone(&label));
        label
    }
}

impl Middleware for Metrics {
    fn after_actor(&self, call: &ActorCall<'_>, outcome: Result<&[u8], &CallFailure>, took: Duration) {
        let operation = known(&ENTRIES, call.operation.as_bytes());
        self.entered.count((self.actor(call.actor), operation, outcome_of(outcome)), took);
    }

    fn after_capability(&self, call: &CapabilityCall<'_>, reply: &mut Reply, took: Duration) {
        let contract = Contract::of_name(call.namespace);
        let (contract, operation) = match contract {
            Some(contract) => (contract.name(), known(&OPERATIONS, call.operation)),
            // Actors have what operations they like.
            None => ("actor", OTHER),
        };
        let outcome = if reply.is_error() { "error" } else { "ok" };
        self.left.count((self.actor(call.actor), contract, operation, outcome), took);
    }
}

fn known(names: &[&'static str], name: &[u8]) -> &'static str {
    names.iter().find(|known| known.as_bytes() == name).copied().unwrap_or(OTHER)
}

fn outcome_of(outcome: Result<&[u8], &CallFailure>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(CallFailure::Guest(_)) => "error",
        Err(failure) if failure.is_busy() => "busy",
        Err(CallFailure::Deadline(_) | CallFailure::Patience(_)) => "timeout",
        Err(CallFailure::Fuel(_)) => "fuel",
        Err(CallFailure::Trap(_)) => "trap",
        Err(CallFailure::Halted(_)) => "halted",
        Err(_) => "failed",
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

// === impl Counted ===

impl<Labels> Default for Counted<Labels> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<Labels: Eq + Hash + Clone + Ord> Counted<Labels> {
    fn count(&self, labels: Labels, took: Duration) {
        let known = self.0.read().get(&labels).cloned();
        let series = known.unwrap_or_else(|| Arc::clone(self.0.write().entry(labels).or_default()));
        series.count(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// All series, in the order of their labels.
    fn all(&self) -> Vec<(Labels, Arc<Series>)> {
        let mut all: Vec<_> =
            self.0.read().iter().map(|(labels, series)| (labels.clone(), Arc::clone(series))).collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }
}

// === impl Series ===

impl Series {
    fn count(&self, took: u64) {
        let bucket = BOUNDS.partition_point(|bound| *bound < took);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(took, Ordering::Relaxed);
    }
}
