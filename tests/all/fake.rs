//! Runs over a runner whose figures are known.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use pillion_records::histogram;
use serde_json::Value;
use tempfile::TempDir;

/// The lanes `noop` and `direct`, both by the fake runner.
pub(crate) struct Fake {
    pub(crate) directory: TempDir,
}

/// The fake runner.
pub(crate) const RUNNER: &str = include_str!("fake_runner.py");

/// Three rounds of the lanes that it has, into the directory that follows.
const RUN: [&str; 9] =
    ["--quick", "--rounds", "3", "--lanes", "noop,direct", "--force", "--block", "1ms", "--out"];

/// Only what will never happen takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

// === impl Fake ===

impl Fake {
    pub(crate) fn new() -> Self {
        let fake = Self { directory: tempfile::tempdir().unwrap() };
        fake.program("runner-direct", RUNNER);
        fake
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn pillion(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        let histograms: Vec<String> = (1..=7)
            .map(|number| {
                let mut samples = histogram::empty().unwrap();
                samples.record_n(50_000 * number, 1_000).unwrap();
                histogram::encode(&samples).unwrap()
            })
            .collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
        command.args(arguments).env("PILLION_BINARIES", self.directory.path());
        command.env("FAKE_HISTOGRAMS", serde_json::to_string(&histograms).unwrap());
        command.envs(environment.iter().copied());
        command
    }

    /// A run of three rounds; a busy machine is no reason to refuse here.
    pub(crate) fn run(&self, name: &str, environment: &[(&str, &str)]) -> Command {
        self.verb("run", name, environment)
    }

    /// The same by a verb of its kind.
    pub(crate) fn verb(&self, verb: &str, name: &str, environment: &[(&str, &str)]) -> Command {
        let out = self.path(name);
        let mut command = self.pillion(&[verb], environment);
        command.args(RUN).arg(out);
        command
    }

    /// The same, where no file may have more than so many KiB.
    pub(crate) fn run_with_room(&self, name: &str, kib: u64) -> Command {
        let pillion = self.run(name, &[]);
        let mut command = Command::new("bash");
        // Without the trap the system would end the process, where a full disk answers an error.
        let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
        command.arg("-c").arg(script).arg(pillion.get_program()).args(pillion.get_args());
        command.envs(pillion.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// Makes a program beside the runner.
    pub(crate) fn program(&self, name: &str, text: &str) {
        write_program(&self.path(name), text);
    }

    pub(crate) fn results(&self, name: &str) -> Value {
        let report = self.pillion(&["report", self.path(name).to_str().unwrap()], &[]).output().unwrap();
        assert!(report.status.code().is_some_and(|code| code != 101), "{report:?}");
        serde_json::from_slice(&fs::read(self.path(name).join("results.json")).unwrap()).unwrap()
    }
}

pub(crate) fn done(mut command: Command, code: i32) -> String {
    let out: Output = command.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(code), "{said}");
    said
}

pub(crate) fn wait_until(what: impl Fn() -> bool) {
    let begin = Instant::now();
    while !what() {
        assert!(begin.elapsed() < PATIENCE, "what is waited for does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Writes a program, by another process: a file that this one had open for writing may still be open in the child of
/// another test, and is then not executed.
pub(crate) fn write_program(path: &Path, text: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"]).arg(path).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{}", path.display());
}
