//! Which cells a run measures.

use pillion_records::{Cell, Load, Placement};

use crate::lane::LaneSpec;

const CHAIN: [u32; 8] = [0, 1, 2, 4, 8, 16, 32, 64];
const CHAIN_QUICK: [u32; 3] = [0, 8, 32];
/// Rounds of SHA-256 in a `compute` request.
const COMPUTE: u64 = 1_000;

/// The cells of a run, few of them for a quick one.
#[must_use]
pub fn cells(quick: bool) -> Vec<Cell> {
    use Placement::{Free, OtherCore, SameCore};
    let cell = |workload: &str, payload: u64, provider: &str, placement: Placement| Cell {
        workload: workload.into(),
        payload,
        calls: None,
        provider: provider.into(),
        placement,
        load: Load::Service,
    };
    let mut cells = vec![cell("noop", 0, "memory", SameCore)];
    for workload in ["kv-get", "kv-set"] {
        for payload in [16, 1_024, 65_536] {
            if !quick || workload == "kv-get" && payload < 65_536 {
                cells.push(cell(workload, payload, "memory", SameCore));
            }
            if !quick || workload == "kv-get" && payload == 1_024 {
                cells.push(cell(workload, payload, "memory", OtherCore));
            }
        }
    }
    if quick {
        cells.push(cell("kv-set", 1_024, "memory", SameCore));
    } else {
        cells.push(cell("kv-get", 1_024, "memory", Free));
        cells.push(cell("echo", 1_024, "memory", SameCore));
        cells.push(cell("counter", 0, "memory", SameCore));
        cells.push(cell("compute", COMPUTE, "memory", SameCore));
    }
    cells.push(cell("order", 0, "memory", SameCore));
    for &calls in if quick { &CHAIN_QUICK[..] } else { &CHAIN } {
        cells.push(Cell { calls: Some(calls), ..cell("chain", 16, "memory", SameCore) });
    }
    if !quick {
        cells.push(cell("kv-get", 1_024, "redis", SameCore));
        cells.push(cell("kv-set", 1_024, "redis", SameCore));
        cells.push(cell("kv-get", 1_024, "redb", SameCore));
    }
    for in_flight in if quick { &[64][..] } else { &[8, 64] } {
        let load = Load::Throughput { in_flight: *in_flight };
        cells.push(Cell { load, ..cell("kv-get", 1_024, "memory", Free) });
    }
    cells
}

/// Those of them that a lane takes.
#[must_use]
pub fn of_lane(cells: &[Cell], lane: &LaneSpec) -> Vec<Cell> {
    cells.iter().filter(|cell| lane.takes(cell)).cloned().collect()
}
