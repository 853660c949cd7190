//! `pillion resume`: goes on with a run.

use std::time::Duration;

use anyhow::{Result, bail};
use pillion_harness::preflight::refused;
use pillion_harness::provenance::provenance;
use pillion_harness::run::Running;
use pillion_records::{Check, LoadAverage, Provenance, Recorder, Run, write_plan};

use crate::arguments::ResumeOptions;
use crate::exit::{Exit, Refused};
use crate::out::tell;
use crate::progress::Progress;
use crate::run::exit_of;
use crate::session::{Session, show};

pub(crate) fn resume(options: &ResumeOptions) -> Result<Exit> {
    let Run { plan, .. } = Run::read(&options.directory)?;
    let names: Vec<String> = plan.lanes.iter().map(|lane| lane.name.clone()).collect();
    let block = Duration::from_nanos(plan.block_ns);
    let session = Session::open(&names, plan.quick, plan.seed, block)?;
    let now = provenance(&session.root, &session.programs, &session.modules(), Vec::new(), Vec::new());
    same(&plan.provenance, &now)?;
    let checks = session.preflight();
    show(&checks, false);
    if refused(&checks) && !options.force {
        bail!(Refused("preflight refuses; see the remedies above, or --force".into()));
    }
    let (recorder, mut run) = Recorder::resume(&options.directory)?;
    // The report is stamped for all of the run, and shows what preflight found in each session.
    run.plan.forced |= refused(&checks);
    let again = checks.into_iter().map(|check| Check { name: format!("{} (resumed)", check.name), ..check });
    run.plan.provenance.preflight.extend(again);
    if run.plan.provenance.load_averages.is_empty() {
        // A run of before they were recorded.
        run.plan.provenance.load_averages.push(LoadAverage { before: None, after: None });
    }
    run.plan.provenance.load_averages.extend(now.load_averages);
    write_plan(&options.directory, &run.plan)?;
    if run.torn_bytes > 0 {
        tell!("a last line that was cut short ({} bytes) is measured anew", run.torn_bytes);
    }
    tell!("going on after {} blocks, in the recorded order", run.blocks.len());
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
    tell!("{} more blocks; `pillion report {}` draws them", tally.measured, options.directory.display());
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
    let parts = [
        ("modules", planned.modules != now.modules),
        ("programs", planned.programs != now.programs),
        ("lock file", planned.lockfile_sha256 != now.lockfile_sha256),
        ("servers", planned.servers != now.servers),
    ];
    differ.extend(parts.into_iter().filter(|(_, other)| *other).map(|(part, _)| part.to_owned()));
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
