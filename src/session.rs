//! What `run`, `resume` and `doctor` share: lanes, workshop, preflight.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use pillion_harness::cells::{cells, of_lane};
use pillion_harness::lane::{LaneSpec, Program, Registry};
use pillion_harness::leg::Workshop;
use pillion_harness::machine;
use pillion_harness::preflight::{lane_checks, machine_checks, server_checks};
use pillion_records::{Cell, Check, CheckOutcome, Load};
use tempfile::TempDir;

use crate::exit::Refused;
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
    pub(crate) guests: Guests,
    /// The lanes and programs on which transcripts are played; none where lanes were chosen by name.
    pub(crate) players: Vec<LaneSpec>,
    pub(crate) programs_of_others: Vec<Program>,
    pub(crate) workshop: Workshop,
    /// Holds the signed guest and compiled modules; removed when this goes.
    _directory: TempDir,
}

// === impl Session ===

impl Session {
    pub(crate) fn open(names: &[String], quick: bool, seed: u64, block: Duration) -> Result<Self> {
        let registry = Registry::built_in()?;
        let mut lanes = registry.choose(names, quick)?;
        let binaries = tools::binaries()?;
        let programs = tools::require(&binaries, &lanes)?;
        let directory = tempfile::Builder::new().prefix("pillion-").tempdir()?;
        let everywhere = registry.is_whole(names);
        let mut languages: Vec<String> =
            lanes.iter().filter(|lane| lane.has_guest()).map(|lane| lane.guest.clone()).collect();
        if everywhere {
            languages.extend(registry.lanes.iter().map(|lane| lane.guest.clone()));
        }
        let mut known = BTreeSet::new();
        languages.retain(|language| known.insert(language.clone()));
        let guests = tools::guests(&binaries, &languages, directory.path())?;
        for (language, reason) in &guests.missing {
            let named = lanes
                .iter()
                .find(|lane| lane.has_guest() && lane.guest == *language && names.contains(&lane.lane.name));
            if let Some(lane) = named {
                bail!(Refused(format!("lane {}: {reason}", lane.lane.name)));
            }
            tell!("{language} is left out: {reason}");
            lanes.retain(|lane| !lane.has_guest() || lane.guest != *language);
        }
        let (players, programs_of_others) = if everywhere {
            (registry.players(), registry.programs.clone())
        } else {
            (Vec::new(), Vec::new())
        };
        tools::require(&binaries, &players)?;
        let workshop = Workshop {
            binaries: binaries.clone(),
            cpus: machine::cpus(),
            guests: guests.whole().map(|module| (module.language.clone(), module.signed.clone())).collect(),
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
            players,
            programs_of_others,
            workshop,
            _directory: directory,
        })
    }

    /// The modules that are measured, as they were built: `guest` is the one in Rust.
    pub(crate) fn modules(&self) -> BTreeMap<String, PathBuf> {
        let measured =
            |language: &str| self.lanes.iter().any(|lane| lane.has_guest() && lane.guest == language);
        let named = |language: &str| if language == "rust" { "guest" } else { language }.to_owned();
        let whole = self.guests.whole().filter(|module| measured(&module.language));
        whole.map(|module| (named(&module.language), module.unsigned.clone())).collect()
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
