//! Is this machine, now, fit to measure on?

use std::process::Command;
use std::thread;
use std::time::Duration;

use pillion_records::{Cell, Check, CheckOutcome};

use crate::children::REDIS_MISSING;
use crate::lane::LaneSpec;
use crate::leg::{Standing, Workshop};
use crate::machine::{cpus, machine, memory, read};
use crate::runner::process::{busy_ns, steal_ns};

/// How long steal and the work of others are watched.
const WATCH: Duration = Duration::from_millis(500);

/// Checks of the machine alone.
#[must_use]
pub fn machine_checks() -> Vec<Check> {
    let cpus = cpus().len();
    let found = machine();
    let load: f64 =
        read("/proc/loadavg").split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    let smt = read("/sys/devices/system/cpu/smt/active");
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let (stolen, busy) = (steal_ns(), busy_ns());
    thread::sleep(WATCH);
    let share =
        |before: u64, now: u64| (now - before) as f64 / (WATCH.as_nanos() as f64 * cpus.max(1) as f64);
    let (stolen, busy) = (share(stolen, steal_ns()), share(busy, busy_ns()));
    let (free, swap) = (memory("MemAvailable:"), memory("SwapTotal:") - memory("SwapFree:"));
    vec![
        check(
            "CPUs",
            cpus >= 2,
            CheckOutcome::Refuse,
            format!("{cpus} usable"),
            "placement on another core needs two; give this process more CPUs",
        ),
        check(
            "SMT",
            smt.trim() != "1",
            CheckOutcome::Warn,
            describe(smt.trim(), &[("0", "off"), ("1", "on"), ("", "unknown")]),
            "two CPUs may share one core; switch it off by /sys/devices/system/cpu/smt/control",
        ),
        check(
            "governor",
            matches!(governor.trim(), "" | "performance"),
            CheckOutcome::Warn,
            describe(governor.trim(), &[("", "none (fixed, or left to the hypervisor)")]),
            "`cpupower frequency-set -g performance`",
        ),
        // Not the load average: it remembers a build for minutes after its end.
        check(
            "other work",
            busy < 0.5,
            CheckOutcome::Refuse,
            format!("{:.0} % of the CPUs over {} ms", busy * 100.0, WATCH.as_millis()),
            "something else is running; stop it or wait",
        ),
        check(
            "quiet",
            busy < 0.05,
            CheckOutcome::Warn,
            format!("{:.0} % of the CPUs are busy with other work", busy * 100.0),
            "figures will be noisy",
        ),
        check(
            "load average",
            load < 0.5 * cpus as f64,
            CheckOutcome::Warn,
            format!("{load:.2} for {cpus} CPUs"),
            "something ran within the last minute; look for what comes back",
        ),
        check(
            "steal",
            stolen < 0.02,
            CheckOutcome::Warn,
            format!("{:.1} % over {} ms", stolen * 100.0, WATCH.as_millis()),
            "the hypervisor gives the CPUs to others; measure at another time",
        ),
        check(
            "memory",
            free > 512 << 20,
            CheckOutcome::Refuse,
            format!("{} MiB free", free >> 20),
            "512 MiB are needed",
        ),
        check(
            "swap",
            swap == 0,
            CheckOutcome::Warn,
            format!("{} MiB used", swap >> 20),
            "`swapoff -a`, if memory suffices",
        ),
        check(
            "clock source",
            matches!(found.clock_source.as_str(), "tsc" | "kvm-clock" | "arch_sys_counter"),
            CheckOutcome::Warn,
            found.clock_source,
            "reading this clock may take a system call",
        ),
    ]
}

/// Whether the servers of the providers are there: without one, every lane would fail.
#[must_use]
pub fn server_checks<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Vec<Check> {
    if !cells.into_iter().any(|cell| cell.provider == "redis") {
        return Vec::new();
    }
    let found = Command::new("redis-server").arg("--version").output();
    let version = found.as_ref().map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    let there = found.as_ref().is_ok_and(|out| out.status.success());
    vec![Check {
        name: "redis-server".to_owned(),
        outcome: if there { CheckOutcome::Pass } else { CheckOutcome::Refuse },
        found: version.ok().filter(|_| there).unwrap_or_else(|| REDIS_MISSING.to_owned()),
    }]
}

/// Starts every lane once, connected and ready, and looks at it.
#[must_use]
pub fn lane_checks(workshop: &Workshop, lanes: &[(LaneSpec, Vec<Cell>)]) -> Vec<Check> {
    lanes
        .iter()
        .map(|(lane, cells)| {
            let name = format!("lane {}", lane.lane.name);
            match workshop.probe(lane, cells) {
                Ok(standing) => judge(name, &standing),
                // The run goes on without it, with an error row for each of its cells.
                Err(reason) => {
                    Check { name, outcome: CheckOutcome::Warn, found: format!("does not start: {reason}") }
                }
            }
        })
        .collect()
}

/// What a standing lane must be: a release build, and prompt on every connection.
#[must_use]
pub fn judge(name: String, standing: &Standing) -> Check {
    let mut prompt = 0;
    let mut unseen = None;
    for (process, sockets) in &standing.sockets {
        match sockets {
            Ok(sockets) if sockets.delaying > 0 => {
                let found = format!(
                    "{} TCP connections of its {process} lack TCP_NODELAY: answers in two writes would wait for 40 ms",
                    sockets.delaying
                );
                return Check { name, outcome: CheckOutcome::Refuse, found };
            }
            Ok(sockets) => prompt += sockets.prompt,
            Err(reason) => unseen = Some(reason),
        }
    }
    if !standing.release {
        let found = "a debug build; build by `cargo build --release --workspace --bins`".to_owned();
        return Check { name, outcome: CheckOutcome::Refuse, found };
    }
    match unseen {
        Some(reason) => Check { name, outcome: CheckOutcome::Warn, found: format!("starts; {reason}") },
        None => {
            let found = if prompt == 0 {
                "starts; no TCP connection".to_owned()
            } else {
                format!("starts; TCP_NODELAY on all of its {prompt} ends")
            };
            Check { name, outcome: CheckOutcome::Pass, found }
        }
    }
}

/// Whether any check refuses.
#[must_use]
pub fn refused(checks: &[Check]) -> bool {
    checks.iter().any(|check| check.outcome == CheckOutcome::Refuse)
}

fn check(name: &str, good: bool, otherwise: CheckOutcome, found: String, remedy: &str) -> Check {
    let (outcome, found) =
        if good { (CheckOutcome::Pass, found) } else { (otherwise, format!("{found}: {remedy}")) };
    Check { name: name.to_owned(), outcome, found }
}

fn describe(found: &str, words: &[(&str, &str)]) -> String {
    words.iter().find(|(value, _)| *value == found).map_or(found, |(_, word)| word).to_owned()
}
