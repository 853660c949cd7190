//! Pinning processes to cores.

use std::fs;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use pillion_records::Placement;

use crate::job::Job;

/// Pins this process and the others of its lane as a placement says.
pub(super) fn place(job: &Job, placement: Placement) -> Result<(), String> {
    let first = job.cpus.first().copied().unwrap_or_default();
    let last = job.cpus.last().copied().unwrap_or_default();
    let (app, others) = match placement {
        Placement::SameCore => (vec![first], vec![first]),
        Placement::OtherCore => (vec![first], vec![last]),
        Placement::Free => (job.cpus.clone(), job.cpus.clone()),
    };
    pin(std::process::id() as i32, &app)?;
    job.processes.iter().try_for_each(|process| pin(process.pid, &others))
}

/// Pins every thread of a process.
fn pin(pid: i32, cpus: &[usize]) -> Result<(), String> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu).map_err(|error| format!("CPU {cpu}: {error}"))?;
    }
    let threads =
        fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| format!("process {pid}: {error}"))?;
    for thread in threads.flatten() {
        let Some(id) = thread.file_name().to_str().and_then(|id| id.parse().ok()) else { continue };
        match sched_setaffinity(Pid::from_raw(id), &set) {
            // A thread may end while it is looked at.
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(error) => return Err(format!("pinning thread {id} to CPUs {cpus:?}: {error}")),
        }
    }
    Ok(())
}
