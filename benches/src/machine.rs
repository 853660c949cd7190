//! The machine, as /proc and /sys tell it.

use std::fs;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use pillion_records::Machine;

/// The CPUs that this process may use.
#[must_use]
pub fn cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false)).collect()
}

/// The machine's fingerprint.
#[must_use]
pub fn machine() -> Machine {
    let info = read("/proc/cpuinfo");
    let named = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    let virtual_machine = info.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let product = read("/sys/class/dmi/id/sys_vendor");
    let hypervisor = match (virtual_machine, product.trim()) {
        (false, _) => "none".to_owned(),
        (true, "") => "yes, unnamed".to_owned(),
        (true, vendor) => vendor.to_owned(),
    };
    let release = read("/etc/os-release");
    let os = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    Machine {
        cpu: named("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cpus: cpus().len() as u32,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        hypervisor,
        clock_source: read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
            .trim()
            .to_owned(),
        memory_bytes: memory("MemTotal:"),
        os: os.unwrap_or(std::env::consts::OS).trim_matches('"').to_owned(),
    }
}

/// The load average over the last minute; 0 where the system does not tell.
#[must_use]
pub fn load_average() -> f64 {
    read("/proc/loadavg").split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// A figure of /proc/meminfo in bytes; 0 where it is not told.
pub(crate) fn memory(name: &str) -> u64 {
    let text = read("/proc/meminfo");
    let kib =
        text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

/// A file's text; empty where the system does not have it.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
