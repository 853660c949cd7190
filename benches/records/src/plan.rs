//! What a run set out to do, and where: written before the first block.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Cell;

/// What old runs do not say is not written, so that they stay what they are.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What a run set out to do, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`SCHEMA`](crate::SCHEMA).
    pub schema: u32,
    /// `compare`, or the name given to `run`.
    pub name: String,
    /// Few rounds: the report is stamped "not for verdicts".
    pub quick: bool,
    /// Preflight refused and was overruled: the report is stamped.
    pub forced: bool,
    /// The seed of every order, schedule and bootstrap.
    pub seed: u64,
    /// Rounds that were planned.
    pub rounds: u32,
    /// Why that many: from the pilot, or capped by the budget.
    pub rounds_reason: String,
    /// The measured time of one block in ns.
    pub block_ns: u64,
    /// The lanes, each once.
    pub lanes: Vec<Lane>,
    /// What takes part in a round: every lane, and the A/A entry.
    pub entries: Vec<LaneEntry>,
    /// For each round the entries in their order, as indices into `entries`.
    pub order: Vec<Vec<u32>>,
    /// The cells by lane name. A lane may lack a cell that makes no sense for it.
    pub cells: BTreeMap<String, Vec<Cell>>,
    /// The claims put to the test.
    pub claims: Vec<Claim>,
    /// Where it ran and what was measured.
    pub provenance: Provenance,
    /// Sizes of what was measured: modules, host, sidecar, native app.
    pub artifacts: Vec<Artifact>,
    /// What came of the transcripts: every module on every engine. Early runs lack it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub portability: Vec<Portability>,
    /// How long modules take to load and to answer first. Early runs lack it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loading: Vec<Loading>,
}

/// One app of one module on one engine, against its transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portability {
    /// The language of the module, or of the native app.
    pub language: String,
    /// SHA-256 of the signed module's bytes, in hex; `None` for the native app.
    pub sha256: Option<String>,
    /// The lane, or the program of others, that ran it: `host`, `host-winch`, `node`.
    pub engine: String,
    /// What the engine says of itself and its version, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The app: `echo`, `kv`, `chain`, `counter`, `compute`, `order`.
    pub app: String,
    /// The hash that the transcript asks for, in hex.
    pub expected: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Played,
}

/// What came of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Played {
    /// Every reply, error and record was as the transcript says, byte by byte.
    Same {
        /// Calls made and records looked at.
        steps: u32,
    },
    /// Something was not.
    Different {
        /// The hash of what was observed, in hex.
        transcript: String,
        /// The first difference, in words.
        difference: String,
    },
    /// The engine could not run the module, or gave no answer.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was not tried.
    LeftOut {
        /// Why, and the remedy.
        reason: String,
    },
}

/// How long a module takes to load in our host, and to answer first. Each list has one figure per process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loading {
    /// The module's language.
    pub language: String,
    /// `cranelift`, `winch` or `pulley`.
    pub compiler: String,
    /// From the signed module's bytes to an actor that can be called, with nothing in the cache, in ns.
    pub compiled_ns: Vec<u64>,
    /// The same with the compiled module in the cache, in ns.
    pub cached_ns: Vec<u64>,
    /// The first call, an `echo` of 16 bytes: instance, memory and start function included, in ns.
    pub first_call_ns: Vec<u64>,
}

/// One way to run an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// `direct`, `host`, `sidecar-http-tcp` and so on.
    pub name: String,
    /// One line for readers.
    pub description: String,
    /// The app's form: `native` or `wasm`; `none` for `noop`.
    pub app: String,
    /// `in-process`, `sidecar`, or `none` for `noop`.
    pub coupling: String,
    /// `http`, `http2`, `grpc`, `stream`, `shared-memory`, or `None` in process.
    pub protocol: Option<String>,
    /// `tcp`, `uds`, `memory`, or `None` in process.
    pub transport: Option<String>,
    /// In what it differs from another lane of its protocol and transport; `None` for the usual form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// The language of its guest, where that is not Rust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Whether it is the limit of an architecture, which nobody ships: shown, and no candidate for the best of its kind.
    #[serde(default, skip_serializing_if = "is_false")]
    pub limit: bool,
}

/// One entry of a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneEntry {
    /// The entry's name: the lane's, or `aa` for the reference lane entered a second time.
    pub entry: String,
    /// The lane.
    pub lane: String,
}

/// A claim, as `claims.toml` registers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// `C1`, `C3`.
    pub id: String,
    /// What the author says, in short and in our words.
    pub words: String,
    /// What is measured.
    pub experiment: String,
    /// The threshold as text.
    pub threshold: String,
    /// The threshold as a number, in the metric's unit.
    pub value: f64,
    /// The commit that fixed it; `None` while it is not committed.
    pub fixed_by: Option<String>,
    /// What the verdict does not cover, in one line.
    pub caveat: String,
}

/// Where a run took place and what it measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// When the plan was made, as RFC 3339 in UTC.
    pub began: String,
    /// The exact command line.
    pub command: Vec<String>,
    /// The commit; `None` outside a checkout.
    pub commit: Option<String>,
    /// Whether the checkout had changes of its own.
    pub dirty: bool,
    /// `rustc -V` of the contenders.
    pub rustc: String,
    /// The compiler that built the guest.
    pub guest_rustc: String,
    /// The profile and what it sets.
    pub profile: String,
    /// SHA-256 of Cargo.lock in hex.
    pub lockfile_sha256: String,
    /// SHA-256 by module name in hex.
    pub modules: BTreeMap<String, String>,
    /// SHA-256 by program in hex: the runners and the sidecar.
    #[serde(default)]
    pub programs: BTreeMap<String, String>,
    /// Version by server: `redis-server`.
    pub servers: BTreeMap<String, String>,
    /// The machine.
    pub machine: Machine,
    /// What preflight found.
    pub preflight: Vec<Check>,
    /// The machine's load average over a minute, for each time that it was begun or gone on with; early runs lack it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_averages: Vec<LoadAverage>,
}

/// The load average around one stretch of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadAverage {
    /// Before its first block; `None` where nobody looked.
    pub before: Option<f64>,
    /// After its last block; `None` where it was broken off, or nobody looked.
    pub after: Option<f64>,
}

/// The machine's fingerprint. A run resumes only where it is the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The CPU's model name.
    pub cpu: String,
    /// Logical CPUs that the process may use.
    pub cpus: u32,
    /// The kernel's release.
    pub kernel: String,
    /// The hypervisor, or `none`.
    pub hypervisor: String,
    /// The clock source.
    pub clock_source: String,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// The operating system's name.
    pub os: String,
}

/// One check of preflight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// What came of it.
    pub outcome: CheckOutcome,
    /// What was found, and the remedy where there is one.
    pub found: String,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// As it should be.
    Pass,
    /// The figures suffer; the report says so.
    Warn,
    /// The figures would mislead: no run without `--force`.
    Refuse,
}

/// The size of something that is deployed, in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// `guest`, `host`, `sidecar`, `native app`.
    pub name: String,
    /// `module` or `executable`.
    pub kind: String,
    /// The language it was written in.
    pub language: String,
    /// As it was built, and signed where it is a module.
    pub raw: u64,
    /// Without symbols and, for a module, without custom sections other than the claims.
    pub stripped: u64,
    /// `stripped` after gzip, level 9.
    pub gzip: u64,
    /// `stripped` after zstd, level 19.
    pub zstd: u64,
    /// A module after `wasm-opt -Oz` of binaryen, if that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimized: Option<u64>,
    /// Bytes by section, in their order, with their headers; for a module they add up to `raw` less 8.
    pub sections: Vec<Section>,
}

/// A section of a module or executable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// `code`, `data`, `custom name` and so on.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
}
