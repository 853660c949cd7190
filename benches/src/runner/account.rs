//! What was asked while nobody looked closely, settled with the provider and its store afterwards.
//!
//! A timed loop looks at each reply in passing only. That no call was lost or made twice shows afterwards, outside of
//! what is timed: by the provider's own count of calls, and by what the store holds.

use pillion_logic::oracle::Calls;
use pillion_records::Load;

use super::App;
use super::drive::{Stop, Window};
use super::questions::{Questions, fingerprint};
use super::verify::{ask, look};
use crate::job::Job;

/// What the loops of a cell asked since it was verified.
#[derive(Debug)]
pub(super) struct Account {
    load: Load,
    loops: Vec<Asked>,
    /// The provider's count when it was opened.
    before: u64,
}

/// What one loop asked: the requests in their order, over and over, from one of them on.
#[derive(Clone, Copy, Debug)]
struct Asked {
    first: usize,
    requests: u64,
}

/// How far the first requests of the loops lie apart, so that they do not march in step.
const APART: usize = 7;

// === impl Asked ===

impl Asked {
    /// The place of its next request among `count`.
    fn place(self, count: usize) -> usize {
        // The remainder is below a count of requests in memory.
        (self.first + (self.requests % count as u64) as usize) % count
    }
}

// === impl Account ===

impl Account {
    /// Opens the account of a cell whose store was just verified.
    pub(super) async fn open<A: App>(app: &A, questions: &Questions, load: Load) -> Result<Self, Stop> {
        let loops = match load {
            Load::Service => 1,
            Load::Throughput { in_flight } => in_flight.max(1) as usize,
        };
        let count = questions.suite.cases.len();
        let loops = (0..loops).map(|number| Asked { first: number * APART % count, requests: 0 });
        Ok(Self { load, loops: loops.collect(), before: app.provider_calls().await.map_err(Stop::Failed)? })
    }

    pub(super) fn load(&self) -> Load {
        self.load
    }

    /// Where each loop goes on.
    pub(super) fn places(&self, questions: &Questions) -> Vec<usize> {
        self.loops.iter().map(|asked| asked.place(questions.suite.cases.len())).collect()
    }

    /// Takes down what the loops, or the first of them, asked in their windows.
    pub(super) fn add(&mut self, windows: &[Window]) {
        for (asked, window) in self.loops.iter_mut().zip(windows) {
            asked.requests += window.operations;
        }
    }

    /// Compares what was asked with the provider's count and with what the store holds.
    pub(super) async fn settle<A: App>(
        mut self,
        app: &A,
        questions: &Questions,
        job: &Job,
    ) -> Result<(), Stop> {
        let changes = !questions.suite.after.is_empty();
        if changes {
            // With every pass complete, the state follows from the oracle's after a single one.
            self.complete(app, questions).await?;
        }
        let reached = app.provider_calls().await.map_err(Stop::Failed)?.saturating_sub(self.before);
        let calls = self.calls(questions);
        let expected = calls.reaching(job.calls_per_add, job.bulk);
        // An add that is built from a get and a conditional save is tried again when another came between.
        let alone = self.loops.len() == 1 || job.calls_per_add == 1 || calls.add == 0;
        if reached < expected || alone && reached > expected {
            return Err(Stop::Wrong(format!(
                "{} timed requests reached the provider {reached} times, expected {expected}: calls were lost or made \
                 twice",
                self.loops.iter().map(|asked| asked.requests).sum::<u64>()
            )));
        }
        if changes { self.state(app, questions).await } else { Ok(()) }
    }

    /// Asks what is left of each loop's pass.
    async fn complete<A: App>(&mut self, app: &A, questions: &Questions) -> Result<(), Stop> {
        let cases = questions.suite.cases.as_slice();
        let mut reply = Vec::new();
        for asked in &mut self.loops {
            while !asked.requests.is_multiple_of(cases.len() as u64) {
                let at = asked.place(cases.len());
                let case = &cases[at];
                if questions.repeatable {
                    ask(app, case, &mut reply).await?;
                } else {
                    reply.clear();
                    app.call(case.operation, &case.request, &mut reply).await.map_err(|reason| {
                        Stop::Failed(format!("operation {} failed after timing: {reason}", case.operation))
                    })?;
                    if fingerprint(&reply, false) != questions.expected[at] {
                        return Err(Stop::Wrong(format!(
                            "after timing, operation {} answered \"{}\"",
                            case.operation,
                            reply.escape_ascii()
                        )));
                    }
                }
                asked.requests += 1;
            }
        }
        Ok(())
    }

    /// The capability calls of all that was asked.
    fn calls(&self, questions: &Questions) -> Calls {
        let cases = questions.suite.cases.as_slice();
        let count = cases.len() as u64;
        let mut sum = Calls::default();
        for (at, case) in cases.iter().enumerate() {
            let asked = |asked: &Asked| {
                // The steps from the loop's first request to this one.
                let steps = ((at + cases.len() - asked.first) % cases.len()) as u64;
                asked.requests / count + u64::from(asked.requests % count > steps)
            };
            let times: u64 = self.loops.iter().map(asked).sum();
            sum += case.calls * times;
        }
        sum
    }

    /// What the store must hold after whole passes: a number moved by as much with each of them, the verified one
    /// among them; anything else as after one. With several in flight nobody knows whose value came last.
    async fn state<A: App>(&self, app: &A, questions: &Questions) -> Result<(), Stop> {
        let suite = &questions.suite;
        let passes: u64 =
            1 + self.loops.iter().map(|asked| asked.requests / suite.cases.len() as u64).sum::<u64>();
        let number = |value: &[u8]| str::from_utf8(value).ok()?.parse::<i64>().ok();
        let mut reply = Vec::new();
        for after in &suite.after {
            let before = suite.records.iter().find(|record| record.key == after.key);
            let numbers = before.and_then(|before| Some((number(&before.value)?, number(&after.value)?)));
            let expected = match numbers {
                Some((before, once)) => {
                    let moved = i64::try_from(passes).unwrap_or(i64::MAX).saturating_mul(once - before);
                    before.saturating_add(moved).to_string().into_bytes()
                }
                None if self.loops.len() > 1 => continue,
                None => after.value.clone(),
            };
            look(app, &after.key, &expected, &mut reply).await.map_err(|stop| match stop {
                Stop::Wrong(reason) => Stop::Wrong(format!("after timing, {reason}")),
                failed @ Stop::Failed(_) => failed,
            })?;
        }
        Ok(())
    }
}
