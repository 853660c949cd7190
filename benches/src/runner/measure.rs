//! One block: verify, calibrate, warm up, measure, settle.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use pillion_records::{Cell, Load, Measurement, Outcome, histogram};

use super::account::Account;
use super::drive::{Stop, Window, drive, drive_many, merge};
use super::process::{all, between, monotonic_ns, pss, steal_ns, usage};
use super::questions::Questions;
use super::work::fixed_work;
use super::{App, placement, verify};
use crate::job::{CellReply, Job};

/// A sample takes at least so many times as long as reading the clock.
const CLOCKS_PER_SAMPLE: u128 = 100;
/// Parts of a block that make one warm-up batch, and how many of these at most.
const WARMUP_PARTS: u32 = 16;
/// How far the last three batch medians may lie apart.
const SETTLED: f64 = 0.02;

/// Measures one cell.
pub(super) async fn measure<A: App>(app: &Arc<A>, job: &Job, cell: &Cell) -> CellReply {
    let mut reply = CellReply {
        cell: cell.clone(),
        began: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        from_ns: monotonic_ns(),
        to_ns: 0,
        steal_ns: 0,
        work_ns: [0; 2],
        outcome: Outcome::Failed { reason: String::new() },
    };
    reply.outcome = match block(app, job, cell, &mut reply).await {
        Ok(measurement) => Outcome::Measured(Box::new(measurement)),
        Err(Stop::Wrong(reason)) => Outcome::Wrong { reason },
        Err(Stop::Failed(reason)) => Outcome::Failed { reason },
    };
    if reply.to_ns == 0 {
        reply.to_ns = monotonic_ns();
    }
    reply
}

async fn block<A: App>(
    app: &Arc<A>,
    job: &Job,
    cell: &Cell,
    reply: &mut CellReply,
) -> Result<Measurement, Stop> {
    placement::place(job, cell.placement).map_err(Stop::Failed)?;
    let questions = Arc::new(Questions::of(cell, job.seed).map_err(Stop::Failed)?);
    let provider_calls = verify::verify(&**app, &questions, job).await?;
    let mut account = Account::open(&**app, &questions, cell.load).await?;
    let time = Duration::from_nanos(job.block_ns);

    let batch = calibrate(app, &questions, time / WARMUP_PARTS, &mut account).await?;
    let (warmup_batches, warmup_settled) = warm_up(app, &questions, batch, time, &mut account).await?;

    let processes = all(&job.processes, &cell.provider);
    let steal = steal_ns();
    reply.work_ns[0] = fixed_work();
    reply.began = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let before = usage(&processes).map_err(Stop::Failed)?;
    reply.from_ns = monotonic_ns();
    let windows = run(app, &questions, batch, time, &mut account).await?;
    reply.to_ns = monotonic_ns();
    let after = usage(&processes).map_err(Stop::Failed)?;
    reply.work_ns[1] = fixed_work();
    reply.steal_ns = steal_ns().saturating_sub(steal);

    let window = merge(windows, Duration::from_nanos(reply.to_ns - reply.from_ns))?;

    let pss_bytes = processes.iter().map(|process| pss(process.pid)).collect();
    account.settle(&**app, &questions, job).await?;

    let at = |quantile: f64| window.histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Measurement {
        operations: window.operations,
        wall_ns: window.wall.as_nanos() as u64,
        batch,
        samples: window.histogram.len(),
        histogram_ps: histogram::encode(&window.histogram)
            .map_err(|error| Stop::Failed(error.to_string()))?,
        mean_ns: window.sum_ns / window.operations as f64,
        p50_ns: at(0.5),
        p90_ns: at(0.9),
        p99_ns: at(0.99),
        max_ns: at(1.0),
        warmup_batches,
        warmup_settled,
        cpu: between(&processes, &before, &after),
        provider_calls,
        pss_bytes,
    })
}

/// One window of each loop, which go on where they stand.
async fn run<A: App>(
    app: &Arc<A>,
    questions: &Arc<Questions>,
    batch: u32,
    time: Duration,
    account: &mut Account,
) -> Result<Vec<Window>, Stop> {
    let windows = match account.load() {
        Load::Service => {
            vec![drive(&**app, questions, batch, time, account.places(questions)[0], false).await?]
        }
        Load::Throughput { .. } => drive_many(app, questions, batch, time, account.places(questions)).await?,
    };
    account.add(&windows);
    Ok(windows)
}

/// Requests per sample: as few as keep the clock's cost below a hundredth of it.
async fn calibrate<A: App>(
    app: &Arc<A>,
    questions: &Questions,
    time: Duration,
    account: &mut Account,
) -> Result<u32, Stop> {
    let start = Instant::now();
    for _ in 0..1_000 {
        std::hint::black_box(Instant::now());
    }
    let clock_ps = start.elapsed().as_nanos();
    // A first look with large batches, in which the clock does not weigh; a slow call ends it after one batch.
    let first = account.places(questions)[0];
    let window = drive(&**app, questions, 32, time.min(Duration::from_millis(5)), first, false).await?;
    account.add(std::slice::from_ref(&window));
    let call_ps = (window.histogram.value_at_quantile(0.5)).max(1);
    Ok((CLOCKS_PER_SAMPLE * clock_ps).div_ceil(u128::from(call_ps)).clamp(1, 100_000) as u32)
}

/// Runs until the last three batch medians agree, or a whole block's time is spent.
async fn warm_up<A: App>(
    app: &Arc<A>,
    questions: &Arc<Questions>,
    batch: u32,
    block: Duration,
    account: &mut Account,
) -> Result<(u32, bool), Stop> {
    let mut medians = Vec::new();
    for done in 1..=WARMUP_PARTS {
        let windows = run(app, questions, batch, block / WARMUP_PARTS, account).await?;
        let window = merge(windows, Duration::ZERO)?;
        medians.push(window.histogram.value_at_quantile(0.5) as f64);
        if let [.., a, b, c] = medians[..] {
            let (low, high) = (a.min(b).min(c), a.max(b).max(c));
            if high <= low * (1.0 + SETTLED) {
                return Ok((done, true));
            }
        }
    }
    Ok((WARMUP_PARTS, false))
}
