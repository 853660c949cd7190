//! The process at the other end, and the cores.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::Place;

/// Killed when it is dropped.
pub(crate) struct Peer(Child);

// === impl Peer ===

impl Peer {
    /// Starts the other end of a form, and waits until it serves.
    pub(crate) fn start(form: &str, name: &str, core: usize, place: Place) -> Self {
        let place = if place == Place::SameCore { "same" } else { "other" };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", form, name, &core.to_string(), place])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Those that this process may run on.
pub(crate) fn cores() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
    (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap()).collect()
}

pub(crate) fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core).unwrap();
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}
