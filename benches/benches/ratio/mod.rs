//! Ways to do the same beside each other, in interleaved batches, and what came of it beside its goal.
//!
//! What holds on a shared machine is a ratio of neighbours: whatever slows one batch down slows the next one too. So
//! batches of about a millisecond alternate, A B B A, and a line tells the ratio of the medians of their means, with the
//! quartiles of the ratios within each pair, which are the noise.
//!
//! A line is asked for as a benchmark of Criterion's is, by a part of its name: `cargo bench --bench in_process -- ratio`
//! measures all of them and nothing else.

use std::env;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Bencher;

/// Pairs of batches for one line, and how long one batch takes.
const CALLS: Pace = Pace { pairs: 1_000, batch: Duration::from_millis(1) };
/// The same where a batch has to be long enough that its begin and its end, when less is under way, do not count.
const THROUGHPUT: Pace = Pace { pairs: 100, batch: Duration::from_millis(100) };
/// How often a way is timed before its batches are made; the fastest counts.
const TRIES: usize = 9;
/// Switches of Criterion's that no value follows, in front of a name.
const SWITCHES: [&str; 12] = [
    "--bench",
    "--test",
    "--exact",
    "--noplot",
    "-n",
    "--verbose",
    "-v",
    "--quiet",
    "--quick",
    "--discard-baseline",
    "--ignored",
    "--nocapture",
];

/// One way to do it.
pub(crate) struct Way<'a> {
    name: &'static str,
    /// Does it so many times.
    run: Box<dyn FnMut(u64) + 'a>,
    /// What its time is read from.
    clock: Box<dyn Fn() -> Duration + 'a>,
}

/// What is to come out.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Nobody has set one.
    Unset,
}

/// Measures the lines that the command line asks for.
pub(crate) struct Lines {
    /// A part of the name.
    filter: Option<String>,
    task: Task,
}

struct Pace {
    pairs: usize,
    batch: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Measured,
    /// Each way once: `cargo test --benches` only wants to see it run.
    Tried,
    /// Not at all: benchmarks are to be listed, or profiled.
    Left,
}

// === impl Way ===

impl<'a> Way<'a> {
    /// A way whose calls are made one by one.
    pub(crate) fn new<T>(name: &'static str, mut call: impl FnMut() -> T + 'a) -> Self {
        Self::batched(name, move |times| {
            for _ in 0..times {
                black_box(call());
            }
        })
    }

    /// A way that makes a number of calls itself.
    pub(crate) fn batched(name: &'static str, run: impl FnMut(u64) + 'a) -> Self {
        let since = Instant::now();
        Self::clocked(name, run, move || since.elapsed())
    }

    /// The same, timed by another clock: how much of something was taken until now.
    pub(crate) fn clocked(
        name: &'static str,
        run: impl FnMut(u64) + 'a,
        clock: impl Fn() -> Duration + 'a,
    ) -> Self {
        Self { name, run: Box::new(run), clock: Box::new(clock) }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The same as a benchmark of Criterion's.
    pub(crate) fn bench(&mut self, bencher: &mut Bencher<'_>) {
        bencher.iter_custom(|times| self.time(times));
    }

    fn time(&mut self, times: u64) -> Duration {
        let start = (self.clock)();
        (self.run)(times);
        (self.clock)().saturating_sub(start)
    }

    /// How many calls take about as long as a batch shall; it warms up, too. Whatever else runs on the processor takes it for
    /// longer than a batch, so that a single look would take a few calls for many: such a way would be measured cold, and the
    /// other one not.
    fn calls(&mut self, batch: Duration) -> u64 {
        let mut calls = 1;
        loop {
            let took = (0..TRIES).map(|_| self.time(calls)).min().unwrap_or_default();
            if took * 2 >= batch {
                let scale = batch.as_secs_f64() / took.as_secs_f64().max(1e-9);
                return ((calls as f64 * scale) as u64).max(1);
            }
            calls *= 2;
        }
    }
}

// === impl Goal ===

impl Goal {
    /// In words, with a verdict on what came out.
    fn judge(self, value: f64, unit: &str) -> String {
        let (words, goal, met) = match self {
            Self::AtLeast(goal) => ("at least", goal, value >= goal),
            Self::AtMost(goal) => ("at most", goal, value <= goal),
            Self::Unset => return "no goal".to_owned(),
        };
        format!("goal {words} {goal}{unit}: {}", if met { "met" } else { "missed" })
    }
}

// === impl Lines ===

impl Lines {
    /// Reads the command line as Criterion does.
    pub(crate) fn from_args() -> Self {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let given = |name: &str| arguments.iter().any(|argument| argument.starts_with(name));
        let task = if given("--list") || given("--profile-time") {
            Task::Left
        } else if given("--bench") && !given("--test") {
            Task::Measured
        } else {
            Task::Tried
        };
        let before = [None].into_iter().chain(arguments.iter().map(Some));
        let filter = arguments.iter().zip(before).find(|(argument, before)| {
            let follows_an_option =
                before.is_some_and(|before| before.starts_with('-') && !SWITCHES.contains(&before.as_str()));
            !argument.starts_with('-') && !follows_an_option
        });
        Self { filter: filter.map(|(argument, _)| argument.clone()), task }
    }

    /// How many times as long `over` takes as `under`.
    pub(crate) fn ratio(&self, group: &str, goal: Goal, ways: [&mut Way<'_>; 2]) {
        self.ratio_at(&CALLS, group, goal, ways);
    }

    /// As [`Lines::ratio`], of ways that do many at a time.
    pub(crate) fn throughput(&self, group: &str, goal: Goal, ways: [&mut Way<'_>; 2]) {
        self.ratio_at(&THROUGHPUT, group, goal, ways);
    }

    fn ratio_at(&self, pace: &Pace, group: &str, goal: Goal, [over, under]: [&mut Way<'_>; 2]) {
        let line = format!("ratio/{group}/{}-over-{}", over.name, under.name);
        let names = [over.name, under.name];
        let Some(times) = self.measure(pace, &line, [over, under]) else { return };
        let [longer, shorter] = medians(&times);
        let value = longer / shorter;
        let [low, _, high] = quartiles(pairs(&times, |over, under| over / under));
        let judged = goal.judge(value, "");
        tell(
            &line,
            &format!("{value:.3} (quartiles {low:.3} to {high:.3}), {judged}"),
            names,
            [longer, shorter],
        );
    }

    /// How much longer `more` takes than `less`, in ns, shared out over so many parts.
    pub(crate) fn difference(&self, name: &str, goal: Goal, parts: f64, [more, less]: [&mut Way<'_>; 2]) {
        let line = format!("ratio/{name}");
        let names = [more.name, less.name];
        let Some(times) = self.measure(&CALLS, &line, [more, less]) else { return };
        let [longer, shorter] = medians(&times);
        let value = (longer - shorter) / parts;
        let [low, _, high] = quartiles(pairs(&times, |more, less| (more - less) / parts));
        let judged = goal.judge(value, " ns");
        tell(
            &line,
            &format!("{value:.1} ns (quartiles {low:.1} to {high:.1}), {judged}"),
            names,
            [longer, shorter],
        );
    }

    /// How long it takes, in µs.
    pub(crate) fn duration(&self, group: &str, goal: Goal, way: &mut Way<'_>) {
        let line = format!("ratio/{group}/{}", way.name);
        let Some([times]) = self.measure(&CALLS, &line, [way]) else { return };
        let [low, value, high] = quartiles(times).map(|ns| ns / 1e3);
        let judged = goal.judge(value, " µs");
        tell(&line, &format!("{value:.3} µs (quartiles {low:.3} to {high:.3}), {judged}"), [], []);
    }

    /// The median of what was measured otherwise, and what is beside it.
    pub(crate) fn value(&self, line: &str, goal: Goal, values: Vec<f64>, beside: &str) {
        if self.wants(line) && self.task == Task::Measured {
            let [low, value, high] = quartiles(values);
            let judged = goal.judge(value, "");
            tell(line, &format!("{value:.3} (quartiles {low:.3} to {high:.3}), {judged}; {beside}"), [], []);
        }
    }

    /// How often something is to be measured that takes so many rounds, if the line is asked for.
    pub(crate) fn rounds(&self, line: &str, rounds: usize) -> Option<usize> {
        self.wants(line).then_some(if self.task == Task::Measured { rounds } else { 1 })
    }

    fn wants(&self, line: &str) -> bool {
        self.task != Task::Left && self.filter.as_ref().is_none_or(|filter| line.contains(filter))
    }

    /// The time of one call in each batch of each way, in ns, if the line is asked for and is to be told.
    fn measure<const N: usize>(
        &self,
        pace: &Pace,
        line: &str,
        ways: [&mut Way<'_>; N],
    ) -> Option<[Vec<f64>; N]> {
        if !self.wants(line) {
            return None;
        }
        if self.task == Task::Tried {
            ways.into_iter().for_each(|way| (way.run)(1));
            return None;
        }
        let mut sides = ways.map(|way| (way.calls(pace.batch), way, Vec::with_capacity(pace.pairs)));
        for _ in 0..pace.pairs {
            for (calls, way, times) in &mut sides {
                times.push(way.time(*calls).as_nanos() as f64 / *calls as f64);
            }
            // Whoever was last is the first of the next pair.
            sides.reverse();
        }
        debug_assert!(pace.pairs.is_multiple_of(2), "else the sides would be the wrong way round here");
        Some(sides.map(|(_, _, times)| times))
    }
}

fn tell<const N: usize>(line: &str, said: &str, names: [&str; N], times: [f64; N]) {
    let each: String = names.iter().zip(times).map(|(name, ns)| format!("; {name} {ns:.1} ns")).collect();
    eprintln!("{line:<50} {said}{each}");
}

fn medians(times: &[Vec<f64>; 2]) -> [f64; 2] {
    times.each_ref().map(|times| quartiles(times.clone())[1])
}

fn pairs([first, second]: &[Vec<f64>; 2], of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    first.iter().zip(second).map(|(first, second)| of(*first, *second)).collect()
}

/// Lower quartile, median and upper quartile.
pub(crate) fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values.get(values.len() * quarter / 4).copied().unwrap_or(f64::NAN))
}
