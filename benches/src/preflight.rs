//! Is this machine, now, fit to measure on?

use std::process::Command;
use std::thread;
use std::time::Duration;

use pillion_records::{Cell, Check, CheckOutcome};

use crate::children::REDIS_MISSING;
use crate::lane::LaneSpec;
use crate::leg::{Standing, Workshop};
use crate::machine::{cpus, load_average, machine, memory, read};
use crate::runner::process::{busy_ns, steal_ns};

/// The least major version of Redis whose commands the provider knows how to use.
const REDIS_LEAST: u32 = 7;

/// How long steal and the work of others are watched.
const WATCH: Duration = Duration::from_millis(500);

/// Checks of the machine alone.
#[must_use]
pub fn machine_checks() -> Vec<Check> {
    let cpus = cpus().len();
    let found = machine();
    let load = load_average();
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
    let version = found.ok().filter(|out| out.status.success());
    let version = version.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    vec![redis_check(version.as_deref())]
}

/// What `redis-server --version` says, as `Redis server v=7.0.15 sha=…`; `None` where it is not there.
fn redis_check(version: Option<&str>) -> Check {
    let name = "redis-server".to_owned();
    let Some(version) = version else {
        return Check { name, outcome: CheckOutcome::Refuse, found: REDIS_MISSING.to_owned() };
    };
    let number = version.split_whitespace().find_map(|word| word.strip_prefix("v="));
    let major = number.and_then(|number| number.split('.').next()?.parse::<u32>().ok());
    match major {
        Some(major) if major < REDIS_LEAST => {
            let number = number.unwrap_or_default();
            let found = format!(
                "{number} is too old, version {REDIS_LEAST} or newer is needed: install one from https://redis.io/downloads"
            );
            Check { name, outcome: CheckOutcome::Refuse, found }
        }
        Some(_) => Check { name, outcome: CheckOutcome::Pass, found: version.to_owned() },
        // The provider asks the server itself, and refuses then.
        None => Check { name, outcome: CheckOutcome::Warn, found: format!("no version in {version:?}") },
    }
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

/// What a standing lane must be: release builds, and prompt on every connection.
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
    if !standing.debug.is_empty() {
        let found = format!(
            "a debug build of {}; build by `cargo build --release --workspace --bins --features pillion-sidecar/shared-memory`",
            standing.debug.join(" and ")
        );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_is_too_old_or_missing_is_refused_with_the_remedy() {
        let outcome = |version: Option<&str>| redis_check(version).outcome;
        assert_eq!(outcome(Some("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc")), CheckOutcome::Pass);
        assert_eq!(outcome(Some("Redis server v=10.0.0 sha=00000000:0")), CheckOutcome::Pass);
        assert_eq!(outcome(Some("something else")), CheckOutcome::Warn);
        assert_eq!(outcome(None), CheckOutcome::Refuse);
        let old = redis_check(Some("Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc"));
        assert_eq!(old.outcome, CheckOutcome::Refuse);
        assert!(old.found.contains("6.2.14") && old.found.contains("install"), "{old:?}");
    }
}
