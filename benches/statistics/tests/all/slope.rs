//! The line of latency over calls per request.

use pillion_records::{Block, Cell, Load, Measurement, Noise, Outcome, Placement, SCHEMA};
use pillion_statistics::{Bootstrap, Flagged, least_squares, lines};

#[test]
fn the_slope_of_an_exact_line_is_found() {
    let points: Vec<(f64, f64)> = [0.0, 1.0, 4.0, 64.0].map(|k| (k, 500.0 + 30.0 * k)).to_vec();
    let (slope, intercept) = least_squares(&points).unwrap();
    assert!((slope - 30.0).abs() < 1e-9 && (intercept - 500.0).abs() < 1e-9);
    assert_eq!(least_squares(&[(1.0, 2.0), (1.0, 3.0)]), None);
}

#[test]
fn the_largest_point_does_not_decide_the_line_alone() {
    // 64 calls are off by a fifth, as they are by chance; a call costs 30 for all the others.
    let mut points: Vec<(f64, f64)> =
        [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0].map(|k| (k, 50.0 + 30.0 * k)).to_vec();
    points[6].1 *= 1.2;
    let (slope, intercept) = least_squares(&points).unwrap();
    assert!((30.0..33.0).contains(&slope), "{slope}");
    assert!((intercept - 50.0).abs() < 2.0, "{intercept}");
}

#[test]
fn entering_is_what_was_measured_and_a_bend_is_told() {
    // A step of 100 between no call and one, then 10 a call: no line fits.
    let cells = [0, 1, 2, 4].map(chain);
    let latency = |calls: u32| if calls == 0 { 40.0 } else { 100.0 + 10.0 * f64::from(calls) };
    let blocks: Vec<Block> = (0..4)
        .flat_map(|round| cells.iter().map(move |cell| (round, cell)))
        .map(|(round, cell)| block(round, cell, latency(cell.calls.unwrap())))
        .collect();
    let cells: Vec<&Cell> = cells.iter().collect();
    let line = lines(&blocks, "host", &cells, Flagged::Keep, &Bootstrap::new(1)).unwrap();
    let entering = line.entering.unwrap().interval.exp();
    assert!((entering.value - 40.0).abs() < 1e-9 && entering.half_width() < 1e-9, "{entering:?}");
    assert!(line.misfit > 0.1, "{}", line.misfit);
    let straight: Vec<Block> = blocks.into_iter().filter(|block| block.cell.calls != Some(0)).collect();
    let line = lines(&straight, "host", &cells[1..], Flagged::Keep, &Bootstrap::new(1)).unwrap();
    assert_eq!(line.entering, None);
    assert!((line.slope.interval.value - 10.0).abs() < 1e-9 && line.misfit < 1e-9, "{line:?}");
}

fn chain(calls: u32) -> Cell {
    Cell {
        workload: "chain".into(),
        payload: 16,
        calls: Some(calls),
        provider: "memory".into(),
        placement: Placement::SameCore,
        load: Load::Service,
    }
}

fn block(round: u32, cell: &Cell, p50_ns: f64) -> Block {
    Block {
        schema: SCHEMA,
        session: 0,
        round,
        position: 0,
        entry: "host".into(),
        lane: "host".into(),
        cell: cell.clone(),
        began: String::new(),
        outcome: Outcome::Measured(Box::new(Measurement {
            operations: 1,
            wall_ns: 1,
            batch: 1,
            samples: 1,
            histogram_ps: String::new(),
            mean_ns: p50_ns,
            p50_ns,
            p90_ns: p50_ns,
            p99_ns: p50_ns,
            max_ns: p50_ns,
            warmup_batches: 1,
            warmup_settled: true,
            cpu: Vec::new(),
            provider_calls: 0,
            pss_bytes: Vec::new(),
        })),
        noise: Noise::default(),
    }
}
