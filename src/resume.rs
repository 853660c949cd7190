//! `pillion resume`: goes on with a run.

use std::time::Duration;

use anyhow::{Result, bail};
use pillion_harness::provenance::provenance;
use pillion_harness::run::Running;
use pillion_records::{Provenance, Recorder, Run};

use crate::arguments::ResumeOptions;
use crate::exit::{Exit, Refused};
use crate::progress::Progress;
use crate::run::exit_of;
use crate::session::Session;

pub(crate) fn resume(options: &ResumeOptions) -> Result<Exit> {
    let Run { plan, .. } = Run::read(&options.directory)?;
    let names: Vec<String> = plan.lanes.iter().map(|lane| lane.name.clone()).collect();
    let block = Duration::from_nanos(plan.block_ns);
    let session = Session::open(&names, plan.quick, plan.seed, block)?;
    let guest = session.guests.as_ref().map(|guests| guests.unsigned.as_path());
    let runner = session.lanes.first().map(|lane| session.binaries.join(&lane.runner)).unwrap_or_default();
    let now = provenance(&session.root, &runner, guest, Vec::new(), Vec::new());
    same(&plan.provenance, &now)?;
    let (recorder, run) = Recorder::resume(&options.directory)?;
    if run.torn_bytes > 0 {
        eprintln!("a last line that was cut short ({} bytes) is measured anew", run.torn_bytes);
    }
    eprintln!("going on after {} blocks, in the recorded order", run.blocks.len());
    let running = Running {
        directory: &options.directory,
        plan: run.plan,
        earlier: run.blocks,
        recorder,
        workshop: &session.workshop,
        lanes: &session.lanes,
        budget: options.budget,
    };
    let tally = running.measure(&mut Progress::new())?;
    eprintln!("{} more blocks; `pillion report {}` draws them", tally.measured, options.directory.display());
    Ok(exit_of(tally))
}

/// Figures of another commit, module or machine do not belong into the same run.
fn same(planned: &Provenance, now: &Provenance) -> Result<()> {
    let mut differ = Vec::new();
    if planned.commit != now.commit {
        differ.push(format!(
            "commit (planned {}, now {})",
            planned.commit.as_deref().unwrap_or("none"),
            now.commit.as_deref().unwrap_or("none")
        ));
    }
    if planned.modules != now.modules {
        differ.push("modules".to_owned());
    }
    if planned.machine != now.machine {
        differ.push("machine".to_owned());
    }
    if planned.rustc != now.rustc {
        differ.push("compiler".to_owned());
    }
    if differ.is_empty() {
        return Ok(());
    }
    bail!(Refused(format!("the run cannot go on here: other {}; begin a new run", differ.join(", "))))
}
