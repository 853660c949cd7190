//! A small plan and block.

use std::collections::BTreeMap;

use pillion_records::{
    Block, Cell, Cpu, Load, Machine, Measurement, Noise, Outcome, Placement, Plan, Provenance, SCHEMA,
};

pub(crate) fn plan() -> Plan {
    Plan {
        schema: SCHEMA,
        name: "sample".into(),
        quick: true,
        forced: false,
        seed: 7,
        rounds: 1,
        rounds_reason: "a sample".into(),
        block_ns: 1_000,
        lanes: Vec::new(),
        entries: Vec::new(),
        order: Vec::new(),
        cells: BTreeMap::new(),
        claims: Vec::new(),
        provenance: Provenance {
            began: "2026-01-01T00:00:00Z".into(),
            command: Vec::new(),
            commit: None,
            dirty: false,
            rustc: String::new(),
            guest_rustc: String::new(),
            profile: String::new(),
            lockfile_sha256: String::new(),
            modules: BTreeMap::new(),
            programs: Default::default(),
            servers: BTreeMap::new(),
            machine: Machine {
                cpu: String::new(),
                cpus: 2,
                kernel: String::new(),
                hypervisor: String::new(),
                clock_source: String::new(),
                memory_bytes: 0,
                os: String::new(),
            },
            preflight: Vec::new(),
            load_averages: Vec::new(),
        },
        portability: Vec::new(),
        loading: Vec::new(),
        artifacts: Vec::new(),
    }
}

pub(crate) fn block(round: u32) -> Block {
    Block {
        schema: SCHEMA,
        session: 0,
        round,
        position: 0,
        entry: "direct".into(),
        lane: "direct".into(),
        cell: Cell {
            workload: "kv-get".into(),
            payload: 16,
            calls: None,
            provider: "memory".into(),
            placement: Placement::SameCore,
            load: Load::Throughput { in_flight: 8 },
        },
        began: "2026-01-01T00:00:00Z".into(),
        outcome: Outcome::Measured(Box::new(Measurement {
            operations: 10,
            wall_ns: 1_000,
            batch: 1,
            samples: 10,
            histogram_ps: String::new(),
            mean_ns: 100.5,
            p50_ns: 100.0,
            p90_ns: 101.0,
            p99_ns: 102.0,
            max_ns: 103.0,
            warmup_batches: 3,
            warmup_settled: true,
            cpu: vec![Cpu {
                process: "app".into(),
                total_ns: 900,
                system_ns: 100,
                voluntary: 1,
                involuntary: 2,
            }],
            provider_calls: 10,
            pss_bytes: vec![4_096],
        })),
        noise: Noise::default(),
    }
}
