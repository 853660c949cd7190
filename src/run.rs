//! `pillion run`: plan, preflight, measure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use pillion_harness::cells::of_lane;
use pillion_harness::claims::claims;
use pillion_harness::order::balanced;
use pillion_harness::portability;
use pillion_harness::preflight::refused;
use pillion_harness::provenance::provenance;
use pillion_harness::run::{PENDING, PILOT, Running, Tally};
use pillion_records::{Cell, Check, Load, Plan, Recorder, SCHEMA};

use crate::arguments::RunOptions;
use crate::exit::{Exit, Refused};
use crate::out::tell;
use crate::progress::Progress;
use crate::session::{CLAIMS, Session, show};
use crate::tools;

/// The measured time of a block, and how many rounds a quick run has.
const BLOCK: Duration = Duration::from_millis(120);
const BLOCK_QUICK: Duration = Duration::from_millis(60);
const ROUNDS_QUICK: u32 = 3;
/// How often each module is loaded to see how long it takes.
const LOADS: u32 = 9;
const LOADS_QUICK: u32 = 1;
/// More rounds than this are not planned, whatever the budget.
const MOST_ROUNDS: u32 = 1_000;
/// What a cell costs beyond its measured time: verification, warm-up (about half a block) and memory figures; and what
/// the processes of a leg cost.
const PER_CELL: Duration = Duration::from_millis(30);
const PER_LEG: Duration = Duration::from_millis(300);

/// A run that is done.
pub(crate) struct Finished {
    pub(crate) directory: PathBuf,
    pub(crate) exit: Exit,
}

pub(crate) fn run(options: &RunOptions) -> Result<Finished> {
    let block = options.block.unwrap_or(if options.quick { BLOCK_QUICK } else { BLOCK });
    let session = Session::open(&options.lanes, options.quick, options.seed, block)?;
    let checks = session.preflight();
    show(&checks, false);
    if refused(&checks) && !options.force {
        bail!(Refused(
            "preflight refuses; see the remedies above, or --force a run whose report is stamped".into()
        ));
    }
    let plan = plan(&session, options, block, checks)?;
    let directory = options.out.clone().unwrap_or_else(|| default_directory(&plan.provenance.began));
    announce(&plan, &directory);
    let recorder = Recorder::create(&directory, &plan)?;
    let running = Running {
        directory: &directory,
        plan,
        earlier: Vec::new(),
        recorder,
        workshop: &session.workshop,
        lanes: &session.lanes,
        budget: options.budget,
    };
    let tally = running.measure(&mut Progress::new())?;
    tell!("{} blocks recorded in {}", tally.measured, directory.display());
    Ok(Finished { directory, exit: exit_of(tally) })
}

pub(crate) fn exit_of(tally: Tally) -> Exit {
    match tally {
        Tally { wrong: true, .. } => Exit::Wrong,
        Tally { failed: true, .. } => Exit::Incomplete,
        _ => Exit::Fine,
    }
}

fn plan(session: &Session, options: &RunOptions, block: Duration, checks: Vec<Check>) -> Result<Plan> {
    let entries = session.registry.entries(&session.lanes);
    let cells: BTreeMap<String, Vec<Cell>> =
        session.lanes.iter().map(|lane| (lane.lane.name.clone(), of_lane(&session.cells, lane))).collect();
    let per_round: Duration = entries
        .iter()
        .map(|entry| {
            let cells = cells.get(&entry.lane).map_or(&[][..], Vec::as_slice);
            let legs = 1 + u32::from(cells.iter().any(|cell| cell.load != Load::Service));
            (block * 3 / 2 + PER_CELL) * cells.len() as u32 + PER_LEG * legs
        })
        .sum();
    let affordable = ((options.budget.as_secs_f64() / per_round.as_secs_f64()) as u32).min(MOST_ROUNDS);
    let (rounds, rounds_reason) = match (options.rounds, options.quick) {
        (Some(rounds), _) => (rounds, "as asked for".to_owned()),
        (None, true) => (ROUNDS_QUICK, "a quick run".to_owned()),
        (None, false) if affordable > PILOT => {
            (affordable, format!("{PENDING} after {PILOT} rounds; the budget affords about {affordable}"))
        }
        (None, false) => (PILOT, format!("the least: the budget affords about {affordable}")),
    };
    let (portability, loading) = if session.players.is_empty() {
        Default::default()
    } else {
        tell!("playing transcripts on {} engines", session.players.len() + session.programs_of_others.len());
        let modules = session.guests.played();
        let (lanes, programs) = (&session.players, &session.programs_of_others);
        let times = if options.quick { LOADS_QUICK } else { LOADS };
        (
            portability::play(&session.workshop, lanes, programs, &modules, &session.root)?,
            tools::loading(&session.binaries, &session.guests, times)?,
        )
    };
    let forced = refused(&checks);
    Ok(Plan {
        schema: SCHEMA,
        name: "compare".into(),
        quick: options.quick,
        forced,
        seed: options.seed,
        rounds,
        rounds_reason,
        block_ns: block.as_nanos() as u64,
        lanes: session.lanes.iter().map(pillion_harness::lane::LaneSpec::record).collect(),
        order: balanced(entries.len() as u32, rounds, options.seed),
        entries,
        cells,
        claims: claims(CLAIMS, &session.root)?,
        provenance: provenance(
            &session.root,
            &session.programs,
            &session.modules(),
            command(std::env::args()),
            checks,
        ),
        artifacts: tools::sizes(&session.binaries, &session.root, &session.guests, !options.quick)?,
        portability,
        loading,
    })
}

/// The command line as others may see it: the program and the directory of the run by their names alone, since where
/// they are on this machine says nothing of the run.
fn command(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let name = |path: &str| {
        let name = Path::new(path).file_name();
        name.map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
    };
    let mut is_path = true;
    arguments
        .map(|argument| {
            let shown = match argument.strip_prefix("--out=") {
                Some(path) => format!("--out={}", name(path)),
                None if is_path => name(&argument),
                None => argument.clone(),
            };
            is_path = argument == "--out";
            shown
        })
        .collect()
}

fn announce(plan: &Plan, directory: &Path) {
    let cells: usize =
        plan.entries.iter().filter_map(|entry| plan.cells.get(&entry.lane)).map(Vec::len).sum();
    tell!(
        "{} rounds ({}) of {} entries with {cells} cells in all, {} ms each, into {}",
        plan.rounds,
        plan.rounds_reason,
        plan.entries.len(),
        plan.block_ns / 1_000_000,
        directory.display()
    );
}

/// `runs/` and the time of the plan.
fn default_directory(began: &str) -> PathBuf {
    let name = if began.is_empty() {
        humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
    } else {
        began.to_owned()
    };
    Path::new("runs").join(name.replace(':', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_of_this_machine_is_recorded() {
        let given = [
            "/home/me/target/release/pillion",
            "run",
            "--out",
            "/home/me/runs/first",
            "--out=/tmp/x",
            "--quick",
        ];
        let shown = command(given.into_iter().map(str::to_owned));
        assert_eq!(shown, ["pillion", "run", "--out", "first", "--out=x", "--quick"]);
    }
}
