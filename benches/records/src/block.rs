//! What one process measured in one cell.

use serde::{Deserialize, Serialize};

use crate::Cell;

/// What one fresh process measured in one cell in one round. One line of `blocks.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// [`SCHEMA`](crate::SCHEMA).
    pub schema: u32,
    /// The session, from 0. A resumed run opens a new one.
    pub session: u32,
    /// The round, from 0, counted over all sessions.
    pub round: u32,
    /// The place of the lane in the round's order, from 0.
    pub position: u32,
    /// The entry in the plan's `entries`: equal to `lane`, but for the A/A lane, which enters one lane twice.
    pub entry: String,
    /// The lane's name.
    pub lane: String,
    /// What was measured.
    pub cell: Cell,
    /// When the block began, as RFC 3339 in UTC.
    pub began: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What disturbed it.
    pub noise: Noise,
}

/// What came of a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It was measured, and every answer was right.
    Measured(Box<Measurement>),
    /// An answer differed from the oracle's, or the provider was not reached as often as it had to be.
    Wrong {
        /// What was expected and what came.
        reason: String,
    },
    /// The lane could not be measured: a process did not start, a call failed.
    Failed {
        /// Why.
        reason: String,
    },
}

/// The figures of one block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Requests answered within the measured time.
    pub operations: u64,
    /// The measured time in ns.
    pub wall_ns: u64,
    /// Requests timed together as one sample: above 1 where one request is too short for the clock. A sample is
    /// then the mean of its batch, and percentiles are those of batch means.
    pub batch: u32,
    /// Samples in the histogram.
    pub samples: u64,
    /// The histogram of samples in picoseconds (so that batches of short calls keep their digits): HdrHistogram V2
    /// deflate, base64.
    pub histogram_ps: String,
    /// Sum of all samples in ns over their number.
    pub mean_ns: f64,
    /// The 50th percentile in ns.
    pub p50_ns: f64,
    /// The 90th percentile in ns.
    pub p90_ns: f64,
    /// The 99th percentile in ns.
    pub p99_ns: f64,
    /// The largest sample in ns.
    pub max_ns: f64,
    /// Batches of warm-up before the first sample.
    pub warmup_batches: u32,
    /// Whether the last three batch medians of the warm-up agreed within 2 %; if not, the cap ended it.
    pub warmup_settled: bool,
    /// CPU time by process over the measured time, the app's first.
    pub cpu: Vec<Cpu>,
    /// The capability calls that reached the provider while the block was verified.
    pub provider_calls: u64,
    /// Proportional set size by process after the block, in the order of `cpu`, in bytes; 0 where it is not known.
    pub pss_bytes: Vec<u64>,
}

/// The CPU time that one process used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// `app`, `sidecar` or `provider` (a Redis server).
    pub process: String,
    /// User and system together, from the process's CPU clock, in ns.
    pub total_ns: u64,
    /// The system's part of it, from clock ticks, so coarse: in ns.
    pub system_ns: u64,
    /// Context switches that the process made by itself.
    pub voluntary: u64,
    /// Context switches that the kernel forced on it.
    pub involuntary: u64,
}

/// What disturbed a block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Time stolen by the hypervisor, over all CPUs, in ns.
    pub steal_ns: u64,
    /// The largest gap that a ticker at 1 kHz saw, in ns.
    pub largest_gap_ns: u64,
    /// How long a fixed piece of work took on the block's first CPU right before and after it, in ns: a core that is
    /// slower than at other times, whatever the reason. 0 where it was not measured.
    #[serde(default)]
    pub work_ns: [u64; 2],
    /// Why the block is flagged: empty if it is not.
    pub flags: Vec<String>,
}
