//! A run: rounds in their recorded order, each block on disk before the next begins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use pillion_records::{
    Block, Cell, Load, Noise, Outcome, Placement, Plan, RecordError, Recorder, SCHEMA, write_plan,
};
use pillion_statistics::{Flagged, aa_ratios, mean_log_ratios, rounds_from_pilot};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::job::CellReply;
use crate::lane::LaneSpec;
use crate::leg::Workshop;
use crate::machine::load_average;
use crate::ticker::Ticker;

/// Rounds of the pilot that decides how many there will be.
pub const PILOT: u32 = 5;
/// The half-width that the pilot plans for, on the log scale.
const TARGET: f64 = 0.025;
/// The start of a plan's reason while the pilot is not done.
pub const PENDING: &str = "the pilot decides";
/// A gap in the ticker beyond this flags a block.
const GAP: Duration = Duration::from_millis(10);
/// Steal beyond this share of the CPUs' time flags a block.
const STEAL: f64 = 0.01;
/// Forced switches per second beyond which a lane in one pinned process is flagged.
const SWITCHES: f64 = 200.0;
/// The fixed work before or after a block takes so many times its median in this run so far: the core was slow. Not its
/// best: a core that runs faster for a second would make all others slow.
const SLOW: f64 = 1.1;
/// An entry that fails in every cell of so many rounds in a row is left out.
const PATIENCE: u32 = 2;

/// What watches a run.
pub trait Observer {
    /// An entry of a round begins; so many legs are done of so many.
    fn leg(&mut self, round: u32, entry: &str, done: u64, of: u64);
    /// Something went wrong; the run goes on.
    fn trouble(&mut self, what: &str);
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Blocks measured, in this session.
    pub measured: u64,
    /// Whether any lane answered wrongly, in any session.
    pub wrong: bool,
    /// Whether any block failed, in this session.
    pub failed: bool,
}

/// A run under way.
#[derive(Debug)]
pub struct Running<'a> {
    /// Its directory.
    pub directory: &'a Path,
    /// Its plan.
    pub plan: Plan,
    /// Blocks of earlier sessions.
    pub earlier: Vec<Block>,
    /// Where blocks go.
    pub recorder: Recorder,
    /// The binaries and what they share.
    pub workshop: &'a Workshop,
    /// How to run each lane.
    pub lanes: &'a [LaneSpec],
    /// The wall-clock time that all rounds may take.
    pub budget: Duration,
}

// === impl Running ===

impl Running<'_> {
    /// Measures every round that is not complete yet.
    ///
    /// # Errors
    /// A block could not be recorded.
    pub fn measure(mut self, observer: &mut dyn Observer) -> Result<Tally, RecordError> {
        let session = self.earlier.iter().map(|block| block.session + 1).max().unwrap_or(0);
        let complete: BTreeSet<u32> =
            (0..self.plan.rounds).filter(|&round| self.is_complete(round)).collect();
        let mut wrong: BTreeSet<String> = wrong_lanes(&self.earlier).collect();
        let mut failing: BTreeMap<String, u32> = BTreeMap::new();
        let mut tally = Tally { wrong: !wrong.is_empty(), ..Tally::default() };
        let mut blocks = std::mem::take(&mut self.earlier);
        // What a broken round recorded is superseded by measuring it anew.
        blocks.retain(|block| complete.contains(&block.round));
        let mut works: Vec<u64> = blocks.iter().flat_map(|block| block.noise.work_ns).collect();
        let ticker = Ticker::start(self.workshop.cpus.last().copied().unwrap_or_default());
        let begin = Instant::now();
        let mut measured_rounds = 0;

        let mut round = 0;
        while round < self.plan.rounds {
            if complete.contains(&round) {
                round += 1;
                continue;
            }
            let order = self.plan.order.get(round as usize).cloned().unwrap_or_default();
            for (position, &index) in order.iter().enumerate() {
                let Some(entry) = self.plan.entries.get(index as usize).cloned() else { continue };
                if wrong.contains(&entry.lane) {
                    continue;
                }
                let legs = u64::from(self.plan.rounds) * order.len() as u64;
                let done = u64::from(round) * order.len() as u64 + position as u64;
                observer.leg(round, &entry.entry, done, legs);
                let Some(spec) = self.lanes.iter().find(|spec| spec.lane.name == entry.lane) else {
                    continue;
                };
                let cells = self.plan.cells.get(&entry.lane).cloned().unwrap_or_default();
                let cells = shuffled(cells, self.plan.seed.wrapping_add(u64::from(round)));
                let single = !spec.has_sidecar();
                let left_out = failing.get(&entry.entry).is_some_and(|&rounds| rounds >= PATIENCE);
                let mut failures = 0;
                for leg in legs_of(&cells) {
                    // A wrong answer ends the lane at once: its other leg would only take time.
                    if wrong.contains(&entry.lane) {
                        break;
                    }
                    let mut replies: Vec<CellReply> = Vec::new();
                    let ended = if left_out {
                        Err(format!("left out after failing in {PATIENCE} rounds in a row"))
                    } else {
                        let ended = self.workshop.measure(spec, &leg, |reply| replies.push(reply));
                        if let Err(reason) = &ended {
                            observer.trouble(&format!("{}, round {}: {reason}", entry.entry, round + 1));
                        }
                        ended
                    };
                    works.extend(replies.iter().flat_map(|reply| reply.work_ns));
                    let typical = median(&mut works);
                    // Every cell leaves a row: a cell without an answer one that says why.
                    let stopped = ended.err();
                    let mut rows: Vec<(CellReply, Noise)> = replies
                        .into_iter()
                        .map(|reply| {
                            let noise = noise(&reply, &ticker, typical, self.workshop.cpus.len(), single);
                            (reply, noise)
                        })
                        .collect();
                    if let Some(reason) = stopped {
                        let missing: Vec<Cell> = leg
                            .iter()
                            .filter(|cell| !rows.iter().any(|(reply, _)| reply.cell == **cell))
                            .cloned()
                            .collect();
                        rows.extend(
                            missing.into_iter().map(|cell| (failed(cell, &reason), Noise::default())),
                        );
                    }
                    for (reply, noise) in rows {
                        match &reply.outcome {
                            Outcome::Measured(_) => tally.measured += 1,
                            Outcome::Wrong { reason } => {
                                observer.trouble(&format!(
                                    "{} answered wrongly and is left out: {reason}",
                                    entry.lane
                                ));
                                tally.wrong = true;
                                wrong.insert(entry.lane.clone());
                            }
                            Outcome::Failed { reason } => {
                                if failures == 0 && !left_out {
                                    observer.trouble(&format!(
                                        "{}, {}: {reason}",
                                        entry.entry, reply.cell.workload
                                    ));
                                }
                                tally.failed = true;
                                failures += 1;
                            }
                        }
                        let block = Block {
                            schema: SCHEMA,
                            session,
                            round,
                            position: position as u32,
                            entry: entry.entry.clone(),
                            lane: entry.lane.clone(),
                            cell: reply.cell,
                            began: reply.began,
                            outcome: reply.outcome,
                            noise,
                        };
                        self.recorder.append(&block)?;
                        blocks.push(block);
                    }
                }
                let rounds = failing.entry(entry.entry.clone()).or_default();
                *rounds = if failures == cells.len() { *rounds + 1 } else { 0 };
                if *rounds == PATIENCE {
                    observer.trouble(&format!(
                        "{} failed in every cell of {PATIENCE} rounds in a row and is left out",
                        entry.entry
                    ));
                }
            }
            measured_rounds += 1;
            round += 1;
            if self.plan.rounds_reason.starts_with(PENDING) && round >= PILOT {
                self.decide(&blocks, begin.elapsed(), measured_rounds)?;
            }
        }
        if let Some(own) = self.plan.provenance.load_averages.last_mut() {
            own.after = Some(load_average());
            // All blocks are recorded: a run is not to be lost for this.
            if let Err(error) = write_plan(self.directory, &self.plan) {
                observer.trouble(&format!("the load after the run was not recorded: {error}"));
            }
        }
        Ok(tally)
    }

    /// Whether every entry has all of its cells in a round, in one session.
    fn is_complete(&self, round: u32) -> bool {
        let wrong: BTreeSet<String> = wrong_lanes(&self.earlier).collect();
        self.plan.entries.iter().filter(|entry| !wrong.contains(&entry.lane)).all(|entry| {
            let cells = self.plan.cells.get(&entry.lane).map_or(&[][..], Vec::as_slice);
            cells.iter().all(|cell| {
                self.earlier
                    .iter()
                    .any(|block| block.round == round && block.entry == entry.entry && block.cell == *cell)
            })
        })
    }

    /// Fixes the number of rounds from the pilot, in the plan on disk.
    fn decide(&mut self, blocks: &[Block], spent: Duration, measured: u32) -> Result<(), RecordError> {
        let per_round = spent.as_secs_f64() / f64::from(measured.max(1));
        let left = self.budget.saturating_sub(spent).as_secs_f64();
        let more = if per_round > 0.0 { (left / per_round) as u32 } else { self.plan.rounds };
        let affordable = (PILOT + more).min(self.plan.order.len() as u32);
        let reference =
            self.plan.entries.iter().find(|entry| entry.entry != entry.lane).map(|entry| entry.lane.clone());
        let mut pilot = vec![aa_ratios(&self.plan, blocks, Flagged::Keep).concat()];
        for entry in self.plan.entries.iter().filter(|entry| Some(&entry.lane) != reference.as_ref()) {
            let cells = self.plan.cells.get(&entry.lane).map_or(&[][..], Vec::as_slice);
            let reference = reference.as_deref().unwrap_or_default();
            pilot.push(mean_log_ratios(cells, blocks, &entry.entry, reference, Flagged::Keep).concat());
        }
        let rounds = rounds_from_pilot(&pilot, TARGET, affordable);
        self.plan.rounds = rounds.rounds;
        self.plan.rounds_reason = rounds.reason;
        self.plan.order.truncate(rounds.rounds as usize);
        write_plan(self.directory, &self.plan)
    }
}

/// Cells by kind of load, since a process has one runtime: service time first.
fn legs_of(cells: &[Cell]) -> Vec<Vec<Cell>> {
    let (service, throughput): (Vec<Cell>, Vec<Cell>) =
        cells.iter().cloned().partition(|cell| cell.load == Load::Service);
    [service, throughput].into_iter().filter(|leg| !leg.is_empty()).collect()
}

fn wrong_lanes(blocks: &[Block]) -> impl Iterator<Item = String> + '_ {
    let wrong = blocks.iter().filter(|block| matches!(block.outcome, Outcome::Wrong { .. }));
    wrong.map(|block| block.lane.clone())
}

/// Cells in an order of the round's own, the same for all of its entries, so that none always follows the same other.
/// Those of one provider stay together: another provider means another process state.
fn shuffled(mut cells: Vec<Cell>, seed: u64) -> Vec<Cell> {
    let mut providers: Vec<String> = Vec::new();
    for cell in &cells {
        if !providers.contains(&cell.provider) {
            providers.push(cell.provider.clone());
        }
    }
    cells.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    cells.sort_by_key(|cell| providers.iter().position(|provider| *provider == cell.provider));
    cells
}

/// The median of the works that were measured; they are left in another order.
fn median(works: &mut Vec<u64>) -> Option<u64> {
    works.retain(|&work| work > 0);
    let middle = works.len() / 2;
    (!works.is_empty()).then(|| *works.select_nth_unstable(middle).1)
}

fn failed(cell: Cell, reason: &str) -> CellReply {
    CellReply {
        cell,
        began: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        from_ns: 0,
        to_ns: 0,
        steal_ns: 0,
        work_ns: [0; 2],
        outcome: Outcome::Failed { reason: reason.to_owned() },
    }
}

/// What disturbed a block. Forced switches count only where one pinned process has its core to itself: two that share
/// a core switch by design.
fn noise(reply: &CellReply, ticker: &Ticker, typical: Option<u64>, cpus: usize, single: bool) -> Noise {
    let Outcome::Measured(measurement) = &reply.outcome else { return Noise::default() };
    let largest_gap_ns = ticker.largest(reply.from_ns, reply.to_ns);
    let mut flags = Vec::new();
    let wall = (reply.to_ns - reply.from_ns) as f64;
    if reply.steal_ns as f64 > STEAL * wall * cpus as f64 {
        flags.push("steal".to_owned());
    }
    if u128::from(largest_gap_ns) > GAP.as_nanos() {
        flags.push("gap".to_owned());
    }
    let slowest = reply.work_ns.into_iter().max().unwrap_or_default();
    if typical.is_some_and(|typical| slowest as f64 > SLOW * typical as f64) {
        flags.push("slow core".to_owned());
    }
    let alone = single && measurement.cpu.len() == 1 && reply.cell.placement != Placement::Free;
    let forced = measurement.cpu.first().map_or(0, |cpu| cpu.involuntary) as f64;
    if alone && forced / (wall / 1e9) > SWITCHES {
        flags.push("involuntary switches".to_owned());
    }
    Noise { steal_ns: reply.steal_ns, largest_gap_ns, work_ns: reply.work_ns, flags }
}
