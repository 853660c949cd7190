//! Runs from plan to report, over a runner whose figures are known.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use pillion_records::histogram;
use serde_json::Value;
use tempfile::TempDir;

/// The lanes `noop` and `direct`, both by the fake runner.
struct Fake {
    directory: TempDir,
}

// === impl Fake ===

impl Fake {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runner = directory.path().join("runner-direct");
        fs::write(&runner, include_str!("fake_runner.py")).unwrap();
        fs::set_permissions(&runner, fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn pillion(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut samples = histogram::empty().unwrap();
        samples.record_n(50_000, 1_000).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
        command.args(arguments).env("PILLION_BINARIES", self.directory.path());
        command.env("FAKE_HISTOGRAM", histogram::encode(&samples).unwrap());
        command.envs(environment.iter().copied());
        command
    }

    /// A run of two rounds; a busy machine is no reason to refuse here.
    fn run(&self, name: &str, environment: &[(&str, &str)]) -> Command {
        let out = self.path(name);
        let arguments = [
            "run",
            "--quick",
            "--rounds",
            "3",
            "--lanes",
            "noop,direct",
            "--force",
            "--block",
            "1ms",
            "--out",
        ];
        let mut command = self.pillion(&arguments, environment);
        command.arg(out);
        command
    }

    fn results(&self, name: &str) -> Value {
        let report = self.pillion(&["report", self.path(name).to_str().unwrap()], &[]).output().unwrap();
        assert!(report.status.code().is_some_and(|code| code != 101), "{report:?}");
        serde_json::from_slice(&fs::read(self.path(name).join("results.json")).unwrap()).unwrap()
    }
}

fn done(mut command: Command, code: i32) -> String {
    let out: Output = command.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(code), "{said}");
    said
}

fn wait_until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lines(path: &Path) -> usize {
    fs::read(path).map_or(0, |text| text.iter().filter(|&&byte| byte == b'\n').count())
}

#[test]
fn a_run_that_was_killed_goes_on_and_comes_to_the_same() {
    let fake = Fake::new();
    done(fake.run("whole", &[]), 0);
    let whole = fake.results("whole");
    assert!(whole["aa"].is_object() && whole["cells"][0].is_object(), "{whole}");

    // Two starts by preflight and five a round: the tenth is within the second round.
    let starts = fake.path("starts");
    let environment = [("FAKE_STARTS", starts.to_str().unwrap()), ("FAKE_HANGS", "10")];
    let mut run = fake.run("killed", &environment).spawn().unwrap();
    wait_until(|| lines(&starts) == 10);
    run.kill().unwrap();
    run.wait().unwrap();
    // Nothing is left behind, although nobody could tidy up.
    let runner = fs::read_to_string(&starts).unwrap().lines().last().unwrap().to_owned();
    wait_until(|| fs::read_link(format!("/proc/{runner}/exe")).is_err());
    let blocks = fake.path("killed").join("blocks.jsonl");
    let recorded = fs::read(&blocks).unwrap();
    assert!(!recorded.is_empty());

    let killed = fake.path("killed");
    done(fake.pillion(&["resume", killed.to_str().unwrap(), "--force"], &[]), 0);
    assert!(fs::read(&blocks).unwrap().starts_with(&recorded), "what was recorded stays");
    let resumed = fake.results("killed");
    for part in ["cells", "slopes", "aa", "harness_overhead", "errors", "missing"] {
        assert_eq!(resumed[part], whole[part], "{part}");
    }
    // A complete run has nothing left to measure.
    let before = lines(&blocks);
    done(fake.pillion(&["resume", killed.to_str().unwrap(), "--force"], &[]), 0);
    assert_eq!(lines(&blocks), before);
}

#[test]
fn a_wrong_answer_is_recorded_and_ends_in_its_own_code() {
    let fake = Fake::new();
    let said = done(fake.run("wrong", &[("FAKE_WRONG", "noop")]), 3);
    assert!(said.contains("noop answered wrongly and is left out: 17 for 18"), "{said}");
    // It is not forgotten when the lane answers rightly afterwards.
    let path = fake.path("wrong");
    done(fake.pillion(&["resume", path.to_str().unwrap(), "--force"], &[]), 3);
    let report = fake.pillion(&["report", path.to_str().unwrap()], &[]).output().unwrap();
    assert_eq!(report.status.code(), Some(3), "{report:?}");
}

#[test]
fn a_lane_that_fails_leaves_rows_and_the_others_go_on() {
    let fake = Fake::new();
    let said = done(fake.run("failing", &[("FAKE_FAILING", "noop")]), 6);
    assert!(said.contains("no store today") && said.contains("failed in every cell"), "{said}");
    let text = fs::read_to_string(fake.path("failing").join("blocks.jsonl")).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |lane: &str, round: u64, outcome: &str| {
        let rows = rows.iter().filter(|row| row["lane"] == lane && row["round"] == round);
        rows.filter(|row| row["outcome"]["outcome"] == outcome).count()
    };
    for round in 0..3 {
        assert_eq!((of("noop", round, "failed"), of("noop", round, "measured")), (1, 0), "round {round}");
        assert!(of("direct", round, "measured") > 0 && of("direct", round, "failed") == 0, "round {round}");
    }
    assert!(text.contains("left out after failing in 2 rounds in a row"), "{text}");
}

#[test]
fn a_run_does_not_go_on_with_other_programs() {
    let fake = Fake::new();
    done(fake.run("first", &[]), 0);
    let runner = fake.path("runner-direct");
    fs::write(&runner, format!("{}\n# another build\n", include_str!("fake_runner.py"))).unwrap();
    let path = fake.path("first");
    let said = done(fake.pillion(&["resume", path.to_str().unwrap(), "--force"], &[]), 5);
    assert!(said.contains("other programs"), "{said}");
}

#[test]
fn no_path_of_this_machine_is_in_what_a_run_leaves() {
    let fake = Fake::new();
    done(fake.run("clean", &[]), 0);
    fake.results("clean");
    let here = fake.directory.path().to_str().unwrap();
    for entry in fs::read_dir(fake.path("clean")).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains(here), "{}", path.display());
    }
}
