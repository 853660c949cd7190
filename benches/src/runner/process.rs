//! What processes use: CPU time, context switches, memory.

use std::fs;

use nix::sys::time::TimeValLike;
use nix::time::ClockId;
use nix::unistd::{Pid, SysconfVar, sysconf};
use pillion_records::Cpu;

use crate::job::Process;

/// The counters of one process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    total_ns: u64,
    system_ns: u64,
    voluntary: u64,
    involuntary: u64,
}

/// This process as `app`, then the others that take part in cells of a provider.
pub(super) fn all(others: &[Process], provider: &str) -> Vec<Process> {
    let app = Process { role: "app".into(), pid: std::process::id() as i32, provider: None };
    let others = others.iter().filter(|other| other.provider.as_deref().is_none_or(|only| only == provider));
    std::iter::once(app).chain(others.cloned()).collect()
}

/// What processes used up to now.
pub(super) fn usage(processes: &[Process]) -> Result<Vec<Usage>, String> {
    processes.iter().map(|process| Usage::of(process.pid)).collect()
}

/// What they used between two moments.
pub(super) fn between(processes: &[Process], before: &[Usage], after: &[Usage]) -> Vec<Cpu> {
    processes
        .iter()
        .zip(before.iter().zip(after))
        .map(|(process, (before, after))| Cpu {
            process: process.role.clone(),
            total_ns: after.total_ns.saturating_sub(before.total_ns),
            system_ns: after.system_ns.saturating_sub(before.system_ns),
            // A thread that ended takes its switches with it.
            voluntary: after.voluntary.saturating_sub(before.voluntary),
            involuntary: after.involuntary.saturating_sub(before.involuntary),
        })
        .collect()
}

/// The proportional set size of a process in bytes; 0 where the kernel does not tell.
pub(super) fn pss(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    field(&text, "Pss:").map_or(0, |kib| kib * 1024)
}

/// Time stolen by the hypervisor since boot, over all CPUs, in ns.
pub(crate) fn steal_ns() -> u64 {
    cpu_ns(&[8])
}

/// Time that anything ran since boot, over all CPUs, in ns: user, nice, system, and both kinds of interrupts.
pub(crate) fn busy_ns() -> u64 {
    cpu_ns(&[1, 2, 3, 6, 7])
}

/// The sum of some columns of the first line of /proc/stat (proc_stat(5)), in ns.
fn cpu_ns(columns: &[usize]) -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line: Vec<&str> = text.lines().next().unwrap_or_default().split_whitespace().collect();
    let ticks = |column: &usize| line.get(*column).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    columns.iter().map(ticks).sum::<u64>() * tick_ns()
}

/// Now on the monotonic clock, which all processes of a machine share, in ns.
pub(crate) fn monotonic_ns() -> u64 {
    ClockId::CLOCK_MONOTONIC.now().map_or(0, |now| now.num_nanoseconds() as u64)
}

fn tick_ns() -> u64 {
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    1_000_000_000 / per_second as u64
}

/// The number after a word at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

// === impl Usage ===

impl Usage {
    fn of(pid: i32) -> Result<Self, String> {
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid))
            .and_then(ClockId::now)
            .map_err(|error| format!("the CPU clock of process {pid}: {error}"))?;
        let mut usage = Self { total_ns: clock.num_nanoseconds() as u64, ..Self::default() };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The command's name may hold spaces; it ends with the last bracket. `stime` is the 13th field after it.
        let system =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(12)?.parse::<u64>().ok());
        usage.system_ns = system.unwrap_or(0) * tick_ns();
        for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            usage.voluntary += field(&status, "voluntary_ctxt_switches:").unwrap_or(0);
            usage.involuntary += field(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0);
        }
        Ok(usage)
    }
}
