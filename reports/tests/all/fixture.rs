//! A run made by hand, so that every answer is known.
//!
//! Each lane has a fixed latency in each cell and a small disturbance per round that all lanes of the round share, so
//! ratios between lanes are exact and their intervals have no width.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pillion_records::{
    Artifact, Block, Cell, Check, CheckOutcome, Claim, Cpu, Lane, LaneEntry, Load, LoadAverage, Machine,
    Measurement, Noise, Outcome, Placement, Plan, Provenance, SCHEMA, Section, histogram,
};

/// A run before it is written.
pub(crate) struct Fixture {
    pub(crate) plan: Plan,
    pub(crate) blocks: Vec<Block>,
}

/// The native lanes beside a sidecar.
pub(crate) const SIDECARS: [&str; 4] =
    ["sidecar-http-tcp", "sidecar-http-uds", "sidecar-grpc-tcp", "sidecar-grpc-uds"];

/// Name, app, coupling, protocol, transport, and the median of a small read on one core in ns.
type Row = (&'static str, &'static str, &'static str, Option<&'static str>, Option<&'static str>, f64);

const LANES: [Row; 9] = [
    ("noop", "none", "none", None, None, 2.0),
    ("direct", "native", "in-process", None, None, 100.0),
    ("host", "wasm", "in-process", None, None, 500.0),
    // Exactly twice the host.
    ("wapc-crate", "wasm", "in-process", None, None, 1_000.0),
    ("sidecar-http-tcp", "native", "sidecar", Some("http"), Some("tcp"), 25_000.0),
    ("sidecar-http-uds", "native", "sidecar", Some("http"), Some("uds"), 20_000.0),
    ("sidecar-grpc-tcp", "native", "sidecar", Some("grpc"), Some("tcp"), 30_000.0),
    // The best: 20 times the host.
    ("sidecar-grpc-uds", "native", "sidecar", Some("grpc"), Some("uds"), 10_000.0),
    ("wasm-sidecar-grpc-uds", "wasm", "sidecar", Some("grpc"), Some("uds"), 10_500.0),
];

// === impl Fixture ===

impl Fixture {
    /// A full run in which everything went well.
    pub(crate) fn good() -> Self {
        Self::with_rounds(6)
    }

    pub(crate) fn with_rounds(rounds: u32) -> Self {
        let lanes: Vec<Lane> = LANES.iter().map(lane).collect();
        let mut entries: Vec<LaneEntry> = lanes
            .iter()
            .map(|lane| LaneEntry { entry: lane.name.clone(), lane: lane.name.clone() })
            .collect();
        entries.push(LaneEntry { entry: "aa".into(), lane: "host".into() });
        let order: Vec<Vec<u32>> = (0..rounds)
            .map(|round| (0..entries.len() as u32).map(|at| (at + round) % entries.len() as u32).collect())
            .collect();
        let cells: BTreeMap<String, Vec<Cell>> =
            lanes.iter().map(|lane| (lane.name.clone(), cells_of(&lane.name))).collect();
        let plan = plan(rounds, lanes, entries, order, cells);
        let mut blocks = Vec::new();
        for round in 0..rounds {
            for (position, entry) in plan.order[round as usize].iter().enumerate() {
                let entry = &plan.entries[*entry as usize];
                for cell in &plan.cells[&entry.lane] {
                    blocks.push(block(round, position as u32, entry, cell));
                }
            }
        }
        Self { plan, blocks }
    }

    /// Multiplies every time of an entry by a factor that depends on the round.
    pub(crate) fn scale(self, entry: &str, factor: impl Fn(u32) -> f64) -> Self {
        self.scale_in(entry, |_| true, factor)
    }

    /// The same in some cells alone.
    pub(crate) fn scale_in(
        mut self,
        entry: &str,
        wanted: impl Fn(&Cell) -> bool,
        factor: impl Fn(u32) -> f64,
    ) -> Self {
        for block in self.blocks.iter_mut().filter(|block| block.entry == entry && wanted(&block.cell)) {
            let factor = factor(block.round);
            if let Outcome::Measured(figures) = &mut block.outcome {
                for value in [
                    &mut figures.mean_ns,
                    &mut figures.p50_ns,
                    &mut figures.p90_ns,
                    &mut figures.p99_ns,
                    &mut figures.max_ns,
                ] {
                    *value *= factor;
                }
            }
        }
        self
    }

    /// Flags every block from a round on.
    pub(crate) fn flagged_from(mut self, round: u32) -> Self {
        for block in self.blocks.iter_mut().filter(|block| block.round >= round) {
            block.noise.flags = vec!["steal".into()];
        }
        self
    }

    /// Writes the run into a fresh directory under the test's own.
    pub(crate) fn write(&self, name: &str) -> PathBuf {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reports").join(name);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        // Not through a `Recorder`, which waits for the disk at each of a thousand blocks.
        std::fs::write(dir.join("plan.json"), serde_json::to_vec(&self.plan).unwrap()).unwrap();
        let lines: String =
            self.blocks.iter().map(|block| serde_json::to_string(block).unwrap() + "\n").collect();
        std::fs::write(dir.join("blocks.jsonl"), lines).unwrap();
        dir
    }
}

pub(crate) fn small_read(provider: &str, placement: Placement) -> Cell {
    Cell {
        workload: "kv-get".into(),
        payload: 16,
        calls: None,
        provider: provider.into(),
        placement,
        load: Load::Service,
    }
}

fn lane(row: &Row) -> Lane {
    let (name, app, coupling, protocol, transport, _) = *row;
    Lane {
        name: name.into(),
        description: format!("{app} app, {coupling}"),
        app: app.into(),
        coupling: coupling.into(),
        protocol: protocol.map(Into::into),
        transport: transport.map(Into::into),
        form: None,
        language: None,
        limit: false,
    }
}

fn cells_of(lane: &str) -> Vec<Cell> {
    if lane == "noop" {
        return vec![Cell {
            workload: "noop".into(),
            payload: 0,
            ..small_read("memory", Placement::SameCore)
        }];
    }
    let mut cells = vec![
        small_read("memory", Placement::SameCore),
        small_read("memory", Placement::OtherCore),
        small_read("memory", Placement::Free),
        small_read("redis", Placement::SameCore),
        Cell { payload: 1024, ..small_read("memory", Placement::SameCore) },
        Cell { workload: "kv-set".into(), ..small_read("memory", Placement::SameCore) },
    ];
    cells.extend([0, 1, 4, 16, 64].map(|calls| Cell {
        workload: "chain".into(),
        calls: Some(calls),
        ..small_read("memory", Placement::SameCore)
    }));
    cells.extend([8, 64].map(|in_flight| Cell {
        load: Load::Throughput { in_flight },
        ..small_read("memory", Placement::Free)
    }));
    cells
}

/// The latency of a lane in a cell, in ns.
fn latency(lane: &str, cell: &Cell) -> f64 {
    let (.., coupling, _, _, base) =
        LANES.iter().find(|row| row.0 == lane).map(|row| (row.1, row.2, row.3, row.4, row.5)).unwrap();
    let sidecar = coupling == "sidecar";
    let place = match cell.placement {
        Placement::SameCore => 1.0,
        Placement::OtherCore if sidecar => 5.0,
        Placement::Free if sidecar => 2.0,
        _ => 1.0,
    };
    let provider = if cell.provider == "redis" { 20_000.0 } else { 0.0 };
    let size = if cell.payload > 1000 { 1.2 } else { 1.0 };
    match (cell.workload.as_str(), cell.calls) {
        // Entering takes 0.4 and a call 0.6 of a single read.
        ("chain", Some(calls)) => base * (0.4 + 0.6 * f64::from(calls)),
        _ => base * place * size + provider,
    }
}

fn block(round: u32, position: u32, entry: &LaneEntry, cell: &Cell) -> Block {
    let shared = 1.0 + 0.01 * f64::from(round % 3);
    let p50 = latency(&entry.lane, cell) * shared;
    let sidecar = entry.lane.contains("sidecar");
    let operations = 20_000;
    let mut samples = histogram::empty().unwrap();
    for sample in 0..2_000_u32 {
        // Symmetric about the median, with a tail of one in a hundred.
        let tail = if sample % 100 == 99 { 3.0 } else { 1.0 };
        let spread = 0.9 + 0.2 * f64::from(sample % 97) / 96.0;
        samples.record((p50 * spread * tail * 1e3) as u64).unwrap();
    }
    let cpu = |process: &str, share: f64| Cpu {
        process: process.into(),
        total_ns: (p50 * share) as u64 * operations,
        system_ns: (p50 * share * 0.4) as u64 * operations,
        voluntary: if sidecar { operations } else { 0 },
        involuntary: 10,
    };
    let mut processes = vec![cpu("app", if sidecar { 0.5 } else { 1.0 })];
    if sidecar {
        processes.push(cpu("sidecar", 0.4));
    }
    if cell.provider == "redis" {
        processes.push(cpu("provider", 0.2));
    }
    Block {
        schema: SCHEMA,
        session: 0,
        round,
        position,
        entry: entry.entry.clone(),
        lane: entry.lane.clone(),
        cell: cell.clone(),
        began: "2026-11-22T10:00:00Z".into(),
        outcome: Outcome::Measured(Box::new(Measurement {
            operations,
            wall_ns: (p50 * 1.1 * operations as f64) as u64,
            batch: if p50 < 2_000.0 { 10 } else { 1 },
            samples: samples.len(),
            histogram_ps: histogram::encode(&samples).unwrap(),
            mean_ns: p50 * 1.05,
            p50_ns: p50,
            p90_ns: p50 * 1.2,
            p99_ns: p50 * 3.0,
            max_ns: p50 * 40.0,
            warmup_batches: 5,
            warmup_settled: true,
            pss_bytes: processes.iter().map(|_| 12_000_000).collect(),
            cpu: processes,
            provider_calls: 64,
        })),
        noise: Noise::default(),
    }
}

fn plan(
    rounds: u32,
    lanes: Vec<Lane>,
    entries: Vec<LaneEntry>,
    order: Vec<Vec<u32>>,
    cells: BTreeMap<String, Vec<Cell>>,
) -> Plan {
    Plan {
        schema: SCHEMA,
        name: "fixture".into(),
        quick: false,
        forced: false,
        seed: 7,
        rounds,
        rounds_reason: "made by hand".into(),
        block_ns: 50_000_000,
        lanes,
        entries,
        order,
        cells,
        claims: vec![
            claim("C1", "calling waSCC is a local call, calling Dapr a network call", "one decade", 10.0),
            claim("C3", "a module is usually less than 2 MB", "at least half of the guests", 0.5),
        ],
        provenance: provenance(),
        portability: Vec::new(),
        loading: Vec::new(),
        artifacts: vec![
            artifact(
                "guest",
                "module",
                2_050_000,
                300_000,
                &[("code", 200_000), ("data", 50_000), ("custom .debug_info", 1_799_992)],
            ),
            artifact(
                "host",
                "executable",
                9_000_000,
                8_000_000,
                &[(".text", 6_000_000), (".rodata", 2_000_000)],
            ),
            artifact(
                "sidecar",
                "executable",
                5_000_000,
                4_500_000,
                &[(".text", 3_500_000), (".rodata", 900_000)],
            ),
        ],
    }
}

fn claim(id: &str, words: &str, threshold: &str, value: f64) -> Claim {
    Claim {
        id: id.into(),
        words: words.into(),
        experiment: "a fixture".into(),
        threshold: threshold.into(),
        value,
        fixed_by: Some("0123456789abcdef".into()),
        caveat: "made by hand".into(),
    }
}

fn artifact(name: &str, kind: &str, raw: u64, stripped: u64, sections: &[(&str, u64)]) -> Artifact {
    Artifact {
        name: name.into(),
        kind: kind.into(),
        language: "Rust".into(),
        raw,
        stripped,
        gzip: stripped / 3,
        zstd: stripped / 4,
        optimized: None,
        sections: sections
            .iter()
            .map(|(name, bytes)| Section { name: (*name).into(), bytes: *bytes })
            .collect(),
    }
}

fn provenance() -> Provenance {
    Provenance {
        began: "2026-11-22T10:00:00Z".into(),
        command: vec!["pillion".into(), "compare".into()],
        commit: Some("fedcba9876543210".into()),
        dirty: false,
        rustc: "rustc 1.95.0".into(),
        guest_rustc: "rustc 1.95.0".into(),
        profile: "release, thin LTO".into(),
        lockfile_sha256: "00".repeat(32),
        modules: BTreeMap::from([("guest".into(), "11".repeat(32))]),
        programs: Default::default(),
        servers: BTreeMap::from([("redis-server".into(), "7.0".into())]),
        machine: Machine {
            cpu: "A CPU <of the fixture> & more".into(),
            cpus: 2,
            kernel: "6.1".into(),
            hypervisor: "none".into(),
            clock_source: "tsc".into(),
            memory_bytes: 4_000_000_000,
            os: "Debian".into(),
        },
        preflight: vec![Check {
            name: "governor".into(),
            outcome: CheckOutcome::Warn,
            found: "not visible in this guest".into(),
        }],
        load_averages: vec![
            LoadAverage { before: Some(0.12), after: Some(1.9) },
            LoadAverage { before: Some(0.3), after: None },
        ],
    }
}
