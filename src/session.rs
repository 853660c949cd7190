//! What `run`, `resume` and `doctor` share: lanes, workshop, preflight.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use pillion_harness::cells::{cells, of_lane};
use pillion_harness::lane::{LaneSpec, Registry};
use pillion_harness::leg::Workshop;
use pillion_harness::machine;
use pillion_harness::preflight::{lane_checks, machine_checks, server_checks};
use pillion_records::{Cell, Check, CheckOutcome, Load};
use tempfile::TempDir;

use crate::out::tell;
use crate::tools::{self, Guests};

/// The registered claims, compiled in.
pub(crate) const CLAIMS: &str = include_str!("../claims.toml");

/// Everything that a run works with.
pub(crate) struct Session {
    pub(crate) registry: Registry,
    pub(crate) lanes: Vec<LaneSpec>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) binaries: PathBuf,
    /// The runners and the sidecar, as far as the lanes need them.
    pub(crate) programs: Vec<PathBuf>,
    pub(crate) root: PathBuf,
    pub(crate) guests: Option<Guests>,
    pub(crate) workshop: Workshop,
    /// Holds the signed guest and compiled modules; removed when this goes.
    _directory: TempDir,
}

// === impl Session ===

impl Session {
    pub(crate) fn open(names: &[String], quick: bool, seed: u64, block: Duration) -> Result<Self> {
        let registry = Registry::built_in()?;
        let lanes = registry.choose(names)?;
        let binaries = tools::binaries()?;
        let programs = tools::require(&binaries, &lanes)?;
        let directory = tempfile::Builder::new().prefix("pillion-").tempdir()?;
        let guests = tools::guest(&binaries, &lanes, directory.path())?;
        let workshop = Workshop {
            binaries: binaries.clone(),
            cpus: machine::cpus(),
            guest: guests.as_ref().map(|guests| guests.signed.clone()),
            cache: directory.path().join("modules"),
            seed,
            block_ns: block.as_nanos() as u64,
        };
        let root = tools::root(&binaries);
        Ok(Self {
            registry,
            lanes,
            cells: cells(quick),
            binaries,
            programs,
            root,
            guests,
            workshop,
            _directory: directory,
        })
    }

    /// Preflight: the machine, then every lane standing.
    pub(crate) fn preflight(&self) -> Vec<Check> {
        let mut checks = machine_checks();
        let planned: Vec<Cell> = self.lanes.iter().flat_map(|lane| of_lane(&self.cells, lane)).collect();
        checks.extend(server_checks(&planned));
        let service = |lane: &LaneSpec| -> Vec<Cell> {
            of_lane(&self.cells, lane).into_iter().filter(|cell| cell.load == Load::Service).collect()
        };
        let lanes: Vec<_> = self.lanes.iter().map(|lane| (lane.clone(), service(lane))).collect();
        checks.extend(lane_checks(&self.workshop, &lanes));
        checks
    }
}

/// Prints what preflight found that is not as it should be, or all of it.
pub(crate) fn show(checks: &[Check], all: bool) {
    for check in checks {
        let word = match check.outcome {
            CheckOutcome::Pass if !all => continue,
            CheckOutcome::Pass => "pass  ",
            CheckOutcome::Warn => "warn  ",
            CheckOutcome::Refuse => "REFUSE",
        };
        tell!("{word} {}: {}", check.name, check.found);
    }
}
