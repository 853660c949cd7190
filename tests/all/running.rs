//! Runs from plan to report, over a runner whose figures are known.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pillion_records::{Cell, Outcome, Run};
use serde_json::Value;

use crate::fake::{Fake, done, wait_until};

fn lines(path: &Path) -> usize {
    fs::read(path).map_or(0, |text| text.iter().filter(|&&byte| byte == b'\n').count())
}

fn rows(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What each block came to, by round, entry and cell. A round belongs to one session.
fn figures(path: &Path) -> BTreeMap<(u32, String, Cell), Outcome> {
    let mut sessions = BTreeMap::new();
    let blocks = Run::read(path).unwrap().blocks.into_iter().map(|block| {
        assert_eq!(*sessions.entry(block.round).or_insert(block.session), block.session);
        ((block.round, block.entry, block.cell), block.outcome)
    });
    blocks.collect()
}

/// Whether a broken run comes to the same as a whole one: in every block, and in every estimate. Intervals may be wider,
/// since its sessions are a level of their own.
fn same(fake: &Fake, broken: &str, whole: &str) {
    let (own, others) = (figures(&fake.path(broken)), figures(&fake.path(whole)));
    assert_eq!(own.keys().collect::<Vec<_>>(), others.keys().collect::<Vec<_>>());
    assert!(own == others, "other figures in {broken} than in {whole}");
    let (own, others) = (fake.results(broken), fake.results(whole));
    assert_eq!((&own["run"]["sessions"], &others["run"]["sessions"]), (&2.into(), &1.into()));
    for part in ["cells", "aa", "harness_overhead", "errors", "missing"] {
        assert_eq!(own[part], others[part], "{part}");
    }
    for part in ["slope_ns", "entering_ns", "misfit", "n_rounds"] {
        assert_eq!(own["slopes"][0][part], others["slopes"][0][part], "{part}");
    }
}

#[test]
fn a_run_that_was_killed_goes_on_and_comes_to_the_same() {
    let fake = Fake::new();
    done(fake.run("whole", &[]), 0);
    let whole = fake.results("whole");
    assert!(whole["aa"].is_object() && whole["cells"][0].is_object(), "{whole}");
    // Each round has figures of its own, but both entries of a lane the same: rounds that are mixed up show.
    let direct = whole["cells"].as_array().unwrap().iter().find(|cell| cell["entry"] == "direct").unwrap();
    assert!(direct["p50_smallest_ps"].as_u64() < direct["p50_largest_ps"].as_u64(), "{direct}");
    assert_eq!((&whole["aa"]["low"], &whole["aa"]["high"]), (&Value::from(1.0), &Value::from(1.0)));

    // Two starts by preflight and five a round: the tenth is within the second round, whose figures so far are far from
    // those that it gets when it is measured anew.
    let starts = fake.path("starts");
    let environment =
        [("FAKE_STARTS", starts.to_str().unwrap()), ("FAKE_HANGS", "10"), ("FAKE_TAINTED", "8")];
    let mut run = fake.run("killed", &environment).spawn().unwrap();
    wait_until(|| lines(&starts) == 10);
    run.kill().unwrap();
    run.wait().unwrap();
    // Nothing is left behind, although nobody could tidy up.
    let runner = fs::read_to_string(&starts).unwrap().lines().last().unwrap().to_owned();
    wait_until(|| fs::read_link(format!("/proc/{runner}/exe")).is_err());
    let blocks = fake.path("killed").join("blocks.jsonl");
    let recorded = fs::read(&blocks).unwrap();
    assert!(rows(&blocks).iter().any(|row| row["round"] == 1), "the second round was begun");

    let killed = fake.path("killed");
    done(fake.pillion(&["resume", killed.to_str().unwrap(), "--force"], &[]), 0);
    assert!(fs::read(&blocks).unwrap().starts_with(&recorded), "what was recorded stays");
    same(&fake, "killed", "whole");
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
    let rows = rows(&fake.path("failing").join("blocks.jsonl"));
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

#[test]
fn a_wrong_answer_ends_the_lane_at_once() {
    let fake = Fake::new();
    let starts = fake.path("starts");
    let environment = [("FAKE_WRONG", "direct"), ("FAKE_STARTS", starts.to_str().unwrap())];
    done(fake.run("wrong", &environment), 3);
    let rows = rows(&fake.path("wrong").join("blocks.jsonl"));
    let own: Vec<&Value> = rows.iter().filter(|row| row["lane"] == "direct").collect();
    assert_eq!(own.len(), 1, "{own:?}");
    assert_eq!(
        (&own[0]["outcome"]["outcome"], &own[0]["cell"]["load"]["kind"]),
        (&"wrong".into(), &"service".into())
    );
    // Two by preflight, three of the other lane, and one of this: none to measure its throughput.
    assert_eq!(lines(&starts), 6);
}

#[test]
fn a_disk_that_is_full_ends_a_run_clearly_and_resume_completes_it() {
    let fake = Fake::new();
    done(fake.run("whole", &[]), 0);
    let size = |file: &str| fs::metadata(fake.path("whole").join(file)).unwrap().len();
    // No file may grow beyond half of what the run records, which is room enough for its plan.
    let room = size("blocks.jsonl") / 2 / 1_024;
    assert!(size("plan.json") < room * 1_024);
    let said = done(fake.run_with_room("full", room), 5);
    let blocks = fake.path("full").join("blocks.jsonl");
    for part in ["no room left to record in", blocks.to_str().unwrap(), "free some space", "pillion resume"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let recorded = fs::read(&blocks).unwrap();
    assert!(recorded.ends_with(b"\n"), "the last block is whole");
    let kept = rows(&blocks);
    assert!(kept.len() > 10 && kept.len() < lines(&fake.path("whole").join("blocks.jsonl")));

    let path = fake.path("full");
    done(fake.pillion(&["resume", path.to_str().unwrap(), "--force"], &[]), 0);
    assert!(fs::read(&blocks).unwrap().starts_with(&recorded), "what was recorded stays");
    same(&fake, "full", "whole");
}

#[test]
fn the_load_average_is_recorded_before_and_after() {
    let fake = Fake::new();
    done(fake.run("loads", &[]), 0);
    let path = fake.path("loads");
    done(fake.pillion(&["resume", path.to_str().unwrap(), "--force"], &[]), 0);
    let plan: Value = serde_json::from_slice(&fs::read(path.join("plan.json")).unwrap()).unwrap();
    let loads = plan["provenance"]["load_averages"].as_array().unwrap();
    assert_eq!(loads.len(), 2, "{loads:?}");
    assert!(loads.iter().all(|load| load["before"].is_f64() && load["after"].is_f64()), "{loads:?}");
}
