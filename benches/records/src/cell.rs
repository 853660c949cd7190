//! What is measured: one point of the design.

use serde::{Deserialize, Serialize};

/// What is measured under one lane: workload × payload × provider × placement × load.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    /// The workload: `noop`, `echo`, `kv-get`, `kv-set`, `chain`, `counter`, `order`, `compute`.
    pub workload: String,
    /// Bytes of the payload (of the value, for `kv-*` and `chain`); for `compute` the rounds of hashing.
    pub payload: u64,
    /// Capability calls in a request, for `chain`; `None` where the workload fixes it.
    pub calls: Option<u32>,
    /// The provider: `memory`, `redis`, `redb`.
    pub provider: String,
    /// Where the processes run.
    pub placement: Placement,
    /// How requests are issued.
    pub load: Load,
}

/// Where the processes of a lane run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// App and sidecar pinned to one core.
    SameCore,
    /// App and sidecar pinned to a core each; a lane in one process is pinned to the first.
    OtherCore,
    /// The kernel places them.
    Free,
}

/// How requests are issued. The kinds are never mixed in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Load {
    /// Service time: a closed loop with one request in flight.
    Service,
    /// Throughput: a closed loop with this many requests in flight.
    Throughput {
        /// Requests in flight.
        in_flight: u32,
    },
    // An open loop (response time, with arrivals from a seeded schedule) takes its place here.
}
