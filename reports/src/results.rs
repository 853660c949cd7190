//! What a report says, as data: `results.json` is this, and the other two files are drawn from it.

use pillion_records::{Lane, Portability, Provenance};
use serde::Serialize;

/// The version of `results.json`.
pub const RESULTS_SCHEMA: u32 = 2;

/// Everything that a report says.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// [`RESULTS_SCHEMA`].
    pub schema: u32,
    /// The run.
    pub run: Run,
    /// Why figures here must be read with care, or may not carry a verdict at all.
    pub stamps: Vec<Stamp>,
    /// One verdict for each claim that this report can judge.
    pub verdicts: Vec<Verdict>,
    /// The reference lane against itself; `None` where it was not measured.
    pub aa: Option<Aa>,
    /// Half the width of the band within which two lanes count as equivalent: 0.05 is 5 %. A cell with an A/A
    /// comparison of its own has a margin of its own, never a smaller one.
    pub margin: f64,
    /// The empty call.
    pub harness_overhead: Option<Overhead>,
    /// The lanes.
    pub lanes: Vec<Lane>,
    /// Every pair of lanes in every cell that both measured.
    pub ratios: Vec<Ratio>,
    /// The two effects and their interaction, for each cell that all four corners measured.
    pub effects: Vec<Effect>,
    /// The cost of one capability call and of entering the app.
    pub slopes: Vec<Slope>,
    /// Sizes of what is deployed.
    pub sizes: Vec<Size>,
    /// Every app of every module on every engine, against its transcript.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub portability: Vec<Portability>,
    /// How long modules take to load, and to answer first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loading: Vec<Loaded>,
    /// What each lane measured in each cell.
    pub cells: Vec<CellResult>,
    /// Blocks without figures: wrong answers and failures.
    pub errors: Vec<ErrorRow>,
    /// Planned lane and cell pairs with no figures at all, and why.
    pub missing: Vec<Missing>,
    /// Blocks that something disturbed. They are kept.
    pub flagged: Vec<Flagged>,
    /// Where it ran and what was measured.
    pub provenance: Provenance,
}

/// The run in figures.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// `compare`, or the name given to `run`.
    pub name: String,
    /// The seed of every order and bootstrap.
    pub seed: u64,
    /// Few rounds.
    pub quick: bool,
    /// Preflight refused and was overruled.
    pub forced: bool,
    /// Sessions that contributed blocks.
    pub sessions: u32,
    /// Rounds that were planned.
    pub rounds_planned: u32,
    /// Rounds that are complete.
    pub rounds_done: u32,
    /// Why that many rounds.
    pub rounds_reason: String,
    /// The measured time of one block in ns.
    pub block_ns: u64,
    /// Blocks that the plan asks for.
    pub blocks_planned: u64,
    /// Blocks on record.
    pub blocks_done: u64,
    /// Blocks that are not on record, of lanes that gave no wrong answer: what `pillion resume` would
    /// measure.
    pub blocks_pending: u64,
    /// Blocks with figures.
    pub blocks_measured: u64,
    /// Blocks with figures whose warm-up hit its cap before it was steady.
    pub blocks_unsettled: u64,
    /// Blocks that something disturbed.
    pub blocks_flagged: u64,
    /// The largest share of a block's measured time that the hypervisor stole, over all CPUs.
    pub steal_share_max: f64,
    /// The steal over all blocks, as a share of their measured time.
    pub steal_share_mean: f64,
}

/// Why a report must be read with care.
#[derive(Clone, Debug, Serialize)]
pub struct Stamp {
    /// `void`, `noisy`, `no-aa`, `wrong-answer`, `incomplete`, `quick`, `forced`, `dirty`.
    pub kind: &'static str,
    /// The stamp in words.
    pub text: String,
}

/// The word of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The claim holds in every cell.
    Supported,
    /// The claim holds in no cell.
    Refuted,
    /// The claim holds in the cells that the condition names.
    SupportedWithCondition,
    /// The intervals are too wide, or figures are missing.
    Inconclusive,
    /// Void: the session's A/A interval excludes 1, so nothing is judged.
    None,
}

/// What came of one claim.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// `C1`, `C3`.
    pub claim: String,
    /// The claim in short.
    pub words: String,
    /// What was measured.
    pub experiment: String,
    /// The threshold as text.
    pub threshold: String,
    /// The threshold as a number.
    pub threshold_value: f64,
    /// The commit that fixed the threshold.
    pub fixed_by: Option<String>,
    /// The verdict.
    pub verdict: Word,
    /// The verdict that the figures give when flagged blocks are left out.
    pub verdict_without_flagged: Word,
    /// Whether there would be a verdict if flagged blocks were as good as others: the run is noisy.
    pub hangs_on_flagged: bool,
    /// The condition of `supported-with-condition`.
    pub condition: Option<String>,
    /// Whether it may be quoted: false for a quick, forced or void run.
    pub for_verdicts: bool,
    /// C1: the smallest ratio over the cells judged. C3: the share of guests below both limits as built.
    pub estimate: Option<f64>,
    /// C1: the lower end of that ratio's interval. C3: no interval but the lowest share over the readings.
    pub low: Option<f64>,
    /// C1: the upper end of that ratio's interval. C3: no interval but the highest share over the readings.
    pub high: Option<f64>,
    /// The estimate in a sentence.
    pub finding: String,
    /// Why the verdict is what it is.
    pub reason: String,
    /// What it does not cover.
    pub caveat: String,
    /// The cells or readings behind it.
    pub parts: Vec<Part>,
}

/// One cell or reading behind a verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// The cell or reading in words.
    pub name: String,
    /// Whom the host was measured against, or what was counted.
    pub against: String,
    /// The ratio or share.
    pub estimate: f64,
    /// The lower end of its 95 % interval.
    pub low: Option<f64>,
    /// The upper end of its 95 % interval.
    pub high: Option<f64>,
    /// Powers of ten in the estimate: 1 is a factor of ten. Only for a ratio.
    pub decades: Option<f64>,
    /// The p value of the hypothesis that the true ratio is the threshold.
    pub p: Option<f64>,
    /// The same after Holm's correction over all parts.
    pub p_holm: Option<f64>,
    /// What this part says: `clears`, `falls-short`; `straddles`, where the interval holds the threshold;
    /// `undecided`, where the interval lies beyond it but Holm's correction leaves it open; `unsteady`, where
    /// flagged blocks decide.
    pub word: &'static str,
}

/// How long the module of a language takes to load in our host, and to answer first, in ns.
#[derive(Clone, Debug, Serialize)]
pub struct Loaded {
    /// The module's language.
    pub language: String,
    /// What made it run.
    pub compiler: String,
    /// From its bytes, signature and claims checked, to an actor that can be called, with nothing in the cache.
    pub compiled: Spread,
    /// The same with the compiled module in the cache.
    pub cached: Spread,
    /// The first call, an `echo` of 16 bytes, its instance and start functions included.
    pub first_call: Spread,
}

/// A few figures of one kind, each of a process of its own, in ns.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: u64,
    /// The smallest.
    pub least: u64,
    /// The largest.
    pub most: u64,
    /// How many there are.
    pub processes: u32,
}

/// The reference lane measured twice.
#[derive(Clone, Debug, Serialize)]
pub struct Aa {
    /// The lane.
    pub lane: String,
    /// The ratio over all its cells.
    pub ratio: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end of its 95 % interval.
    pub high: f64,
    /// Half the interval's width.
    pub half_width: f64,
    /// Whether the interval contains 1. If not, the session is void.
    pub contains_one: bool,
    /// Pairs behind it.
    pub n_rounds: u32,
    /// The same for each cell, where it shows which of them is noisy; the session is judged by the whole.
    pub cells: Vec<AaCell>,
}

/// The reference lane measured twice, in one cell.
#[derive(Clone, Debug, Serialize)]
pub struct AaCell {
    /// The cell.
    #[serde(flatten)]
    pub cell: CellKey,
    /// The ratio.
    pub ratio: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end of its 95 % interval.
    pub high: f64,
    /// The margin of equivalence in this cell: the session's, or half this interval's width where that is
    /// wider. `None` where the interval excludes 1: the cell told apart what is the same, and every word in
    /// it is `unsure`.
    pub margin: Option<f64>,
}

/// The empty call: what the harness itself costs. It is printed and never subtracted.
#[derive(Clone, Debug, Serialize)]
pub struct Overhead {
    /// Its median in ns.
    pub p50_ns: f64,
    /// Lanes within five times of it, with their cell: their figures are as much the harness's as their own.
    pub close_lanes: Vec<String>,
}

/// A cell in words that sort and compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CellKey {
    /// The workload.
    pub workload: String,
    /// Bytes, or rounds for `compute`.
    pub payload: u64,
    /// Calls in a request, for `chain`.
    pub calls: Option<u32>,
    /// The provider.
    pub provider: String,
    /// `same-core`, `other-core`, `free`.
    pub placement: &'static str,
    /// `service`, or `throughput-8` for eight in flight.
    pub load: String,
}

/// One lane against another in one cell.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    /// The lane above the line.
    pub a: String,
    /// The lane below the line.
    pub b: String,
    /// The cell.
    #[serde(flatten)]
    pub cell: CellKey,
    /// `p50`, `p90`, `p99`, `mean`, `cpu_per_op`, `ops_per_cpu_second`.
    pub statistic: &'static str,
    /// The statistic of `a` over that of `b`.
    pub ratio: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end of its 95 % interval.
    pub high: f64,
    /// Rounds in which both were measured.
    pub n_rounds: u32,
    /// `a` against `b`: `faster`, `slower`, `equivalent`, `unsure`; for `ops_per_cpu_second` more is faster.
    pub word: &'static str,
    /// The same without flagged blocks; `None` where none is left.
    pub word_without_flagged: Option<&'static str>,
}

/// The cost of the sandbox and of the hop, as factors, and how they interact.
#[derive(Clone, Debug, Serialize)]
pub struct Effect {
    /// The cell.
    #[serde(flatten)]
    pub cell: CellKey,
    /// The statistic: `p50`.
    pub statistic: &'static str,
    /// Native in process, native beside a sidecar, wasm in process, wasm beside a sidecar.
    pub corners: [String; 4],
    /// The corners' typical p50 in ns.
    pub corner_p50_ns: [f64; 4],
    /// `sandbox` (wasm over native), `hop` (sidecar over in process) or `interaction`.
    pub effect: &'static str,
    /// As a factor.
    pub ratio: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end of its 95 % interval.
    pub high: f64,
}

/// Latency over capability calls in a request, as a line.
#[derive(Clone, Debug, Serialize)]
pub struct Slope {
    /// The lane.
    pub lane: String,
    /// Bytes of the value.
    pub payload: u64,
    /// The provider.
    pub provider: String,
    /// The placement.
    pub placement: &'static str,
    /// ns per capability call.
    pub slope_ns: f64,
    /// The lower end of its 95 % interval.
    pub slope_low_ns: f64,
    /// The upper end of its 95 % interval.
    pub slope_high_ns: f64,
    /// ns to enter and leave the app: the typical p50 of a request without calls, as it was measured; `None`
    /// where it was not.
    pub entering_ns: Option<f64>,
    /// The lower end of its 95 % interval.
    pub entering_low_ns: Option<f64>,
    /// The upper end of its 95 % interval.
    pub entering_high_ns: Option<f64>,
    /// How far the line misses at most: the largest over the numbers of calls of the rounds' mean relative
    /// residual, to four decimals.
    pub misfit: f64,
    /// Rounds behind it.
    pub n_rounds: u32,
}

/// The size of something that is deployed.
#[derive(Clone, Debug, Serialize)]
pub struct Size {
    /// What it is, as the run recorded it.
    #[serde(flatten)]
    pub artifact: pillion_records::Artifact,
    /// Whether `raw` is below 2·10⁶ bytes.
    pub raw_below_2_mb: bool,
    /// Whether `raw` is below 2·2²⁰ bytes.
    pub raw_below_2_mib: bool,
}

/// What one lane measured in one cell.
#[derive(Clone, Debug, Serialize)]
pub struct CellResult {
    /// The lane, or `aa`.
    pub entry: String,
    /// The lane's name.
    pub lane: String,
    /// The cell.
    #[serde(flatten)]
    pub cell: CellKey,
    /// Blocks with figures.
    pub blocks: u32,
    /// Samples in them.
    pub samples: u64,
    /// Requests timed as one sample, at most.
    pub batch: u32,
    /// The typical p50: the geometric mean over blocks of the 50th percentile, in ns.
    pub p50_ns: u64,
    /// The same in picoseconds, for calls of a few ns.
    pub p50_ps: u64,
    /// The 50th percentile of the block where it is smallest, in picoseconds.
    pub p50_smallest_ps: u64,
    /// The 50th percentile of the block where it is largest, in picoseconds.
    pub p50_largest_ps: u64,
    /// The geometric mean over blocks of the 90th percentile, in ns.
    pub p90_ns: u64,
    /// The geometric mean over blocks of the 99th percentile, in ns.
    pub p99_ns: u64,
    /// The geometric mean over blocks of the mean, in ns.
    pub mean_ns: u64,
    /// The largest sample of all blocks, in ns.
    pub max_ns: u64,
    /// The geometric mean over blocks of CPU time per request over all processes, in ns.
    pub cpu_per_op_ns: Option<u64>,
    /// The geometric mean over blocks of requests for each second of CPU time.
    pub ops_per_cpu_second: Option<f64>,
    /// The geometric mean over blocks of requests for each second. On a machine whose cores client and server share, it
    /// compares nothing.
    pub ops_per_second: Option<f64>,
    /// CPU time per request by process.
    pub cpu: Vec<ProcessCpu>,
    /// The largest proportional set size by process, in bytes, in the order of `cpu`; 0 where it is not known.
    pub pss_bytes: Vec<u64>,
    /// Calls that reached the provider while a block was verified.
    pub provider_calls: u64,
    /// Blocks whose warm-up hit its cap.
    pub warmup_capped: u32,
    /// Blocks that something disturbed.
    pub flagged: u32,
    /// All blocks' samples in picoseconds merged, for drawing only: HdrHistogram V2 deflate, base64.
    pub histogram_ps: String,
}

/// One process's share of a request.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessCpu {
    /// `app`, `sidecar`, `provider`.
    pub process: String,
    /// User time per request in ns.
    pub user_ns: u64,
    /// System time per request in ns.
    pub system_ns: u64,
    /// Context switches per request that the process made by itself.
    pub voluntary: f64,
    /// Context switches per request that the kernel forced on it.
    pub involuntary: f64,
}

/// A block without figures.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorRow {
    /// `wrong` or `failed`.
    pub kind: &'static str,
    /// The entry.
    pub entry: String,
    /// The session.
    pub session: u32,
    /// The round.
    pub round: u32,
    /// The cell.
    #[serde(flatten)]
    pub cell: CellKey,
    /// What was expected and what came, or why it failed.
    pub reason: String,
}

/// A planned pair of entry and cell with no figures.
#[derive(Clone, Debug, Serialize)]
pub struct Missing {
    /// The entry.
    pub entry: String,
    /// The cell.
    #[serde(flatten)]
    pub cell: CellKey,
    /// Why.
    pub reason: String,
}

/// A block that something disturbed.
#[derive(Clone, Debug, Serialize)]
pub struct Flagged {
    /// The entry.
    pub entry: String,
    /// The session.
    pub session: u32,
    /// The round.
    pub round: u32,
    /// The cell.
    #[serde(flatten)]
    pub cell: CellKey,
    /// What disturbed it.
    pub flags: Vec<String>,
}
