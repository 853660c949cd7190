//! The load loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use pillion_records::histogram;

use super::App;
use super::questions::{Questions, fingerprint, roll};

/// Of so many batches the last reply of one is compared byte by byte; the first batch of every window is such a one.
/// It happens between samples, and so rarely that it does not show in CPU time either.
const WHOLE: u64 = 256;

/// Why a loop ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// A reply was wrong.
    Wrong(String),
    /// A call failed.
    Failed(String),
}

/// What one loop did.
pub(super) struct Window {
    pub(super) operations: u64,
    pub(super) wall: Duration,
    pub(super) histogram: Histogram<u64>,
    /// The sum of all samples in ns.
    pub(super) sum_ns: f64,
}

/// Sends requests one after another until the time is over; `batch` of them make a sample. `first` is the place of
/// the first request.
pub(super) async fn drive<A: App>(
    app: &A,
    questions: &Questions,
    batch: u32,
    time: Duration,
    first: usize,
    cooperative: bool,
) -> Result<Window, Stop> {
    let mut histogram = histogram::empty().map_err(|error| Stop::Failed(error.to_string()))?;
    let cases = questions.suite.cases.as_slice();
    let mut at = first % cases.len();
    let (mut operations, mut sum_ns) = (0_u64, 0.0);
    let mut reply = Vec::with_capacity(128 * 1024);
    let begin = Instant::now();
    let mut end = begin;
    let mut batches = 0_u64;
    while end - begin < time {
        let (mut sum, mut expected) = (0, 0);
        let start = Instant::now();
        for _ in 0..batch {
            let case = &cases[at];
            reply.clear();
            app.call(case.operation, &case.request, &mut reply).await.map_err(|reason| {
                Stop::Failed(format!("operation {} failed during timing: {reason}", case.operation))
            })?;
            sum = roll(sum, fingerprint(&reply, questions.repeatable));
            expected = roll(expected, questions.expected[at]);
            at += 1;
            if at == cases.len() {
                at = 0;
            }
        }
        end = Instant::now();
        if sum != expected {
            return Err(Stop::Wrong(format!(
                "the checksum of {batch} replies to {} was {sum:016x} during timing, expected {expected:016x}",
                cases[0].operation
            )));
        }
        if questions.repeatable && batches.is_multiple_of(WHOLE) {
            let last = &cases[at.checked_sub(1).unwrap_or(cases.len() - 1)];
            last.check::<&str>(Ok(reply.as_slice()))
                .map_err(|mismatch| Stop::Wrong(format!("during timing, {mismatch}")))?;
        }
        batches += 1;
        let elapsed = end - start;
        sum_ns += elapsed.as_nanos() as f64;
        histogram.saturating_record((elapsed.as_nanos() as u64).saturating_mul(1_000) / u64::from(batch));
        operations += u64::from(batch);
        if cooperative {
            // An app that is always ready would else keep its thread until the end, and the other tasks from theirs.
            tokio::task::consume_budget().await;
        }
    }
    Ok(Window { operations, wall: end - begin, histogram, sum_ns })
}

/// Drives with several requests in flight, each on a task of its own that begins at its place, and answers the window
/// of each.
pub(super) async fn drive_many<A: App>(
    app: &Arc<A>,
    questions: &Arc<Questions>,
    batch: u32,
    time: Duration,
    places: Vec<usize>,
) -> Result<Vec<Window>, Stop> {
    let tasks: Vec<_> = places
        .into_iter()
        .map(|first| {
            let (app, questions) = (Arc::clone(app), Arc::clone(questions));
            tokio::spawn(async move { drive(&*app, &questions, batch, time, first, true).await })
        })
        .collect();
    let mut windows = Vec::with_capacity(tasks.len());
    // All of them are waited for: one left behind would go on calling while the next cell counts its calls.
    for task in tasks {
        windows.push(task.await.unwrap_or_else(|error| Err(Stop::Failed(format!("a task ended: {error}")))));
    }
    windows.into_iter().collect()
}

/// One window of those of all tasks. It is not part of what is measured: merging takes milliseconds.
pub(super) fn merge(windows: Vec<Window>, wall: Duration) -> Result<Window, Stop> {
    let mut windows = windows.into_iter();
    let mut all = windows.next().ok_or_else(|| Stop::Failed("nothing in flight".into()))?;
    for window in windows {
        all.operations += window.operations;
        all.sum_ns += window.sum_ns;
        all.histogram.add(&window.histogram).map_err(|error| Stop::Failed(error.to_string()))?;
    }
    all.wall = wall;
    Ok(all)
}
