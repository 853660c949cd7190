//! Writing, reading and going on with a run.

use std::fs::{self, OpenOptions};
use std::io::Write;

use pillion_records::{Block, Outcome, RecordError, Recorder, Run};

use crate::sample::{block, plan};

#[test]
fn a_run_reads_back_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(directory.path(), &plan()).unwrap();
    recorder.append(&block(0)).unwrap();
    recorder.append(&block(1)).unwrap();
    let run = Run::read(directory.path()).unwrap();
    assert_eq!(run, Run { plan: plan(), blocks: vec![block(0), block(1)], torn_bytes: 0 });
}

#[test]
fn a_torn_last_line_is_tolerated_and_cut_on_resume() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(directory.path(), &plan()).unwrap();
    recorder.append(&block(0)).unwrap();
    let path = directory.path().join("blocks.jsonl");
    let torn = br#"{"schema":1,"sess"#;
    OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();

    let run = Run::read(directory.path()).unwrap();
    assert_eq!((run.blocks.len(), run.torn_bytes), (1, torn.len() as u64));

    let (mut recorder, run) = Recorder::resume(directory.path()).unwrap();
    assert_eq!(run.blocks, [block(0)]);
    recorder.append(&block(1)).unwrap();
    assert_eq!(Run::read(directory.path()).unwrap().blocks, [block(0), block(1)]);
}

#[test]
fn a_wrong_answer_outlives_its_round_being_measured_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(directory.path(), &plan()).unwrap();
    let wrong = Block { outcome: Outcome::Wrong { reason: "17 for 18".into() }, ..block(0) };
    let again = Block { session: 1, ..block(0) };
    for block in [&block(0), &wrong, &again] {
        recorder.append(block).unwrap();
    }
    assert_eq!(Run::read(directory.path()).unwrap().blocks, [wrong, again]);
}

#[test]
fn damage_before_the_last_line_is_refused_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    Recorder::create(directory.path(), &plan()).unwrap();
    fs::write(directory.path().join("blocks.jsonl"), "{\"schema\":1}\n").unwrap();
    let error = Run::read(directory.path()).unwrap_err();
    assert!(matches!(error, RecordError::Damaged { .. }));
    assert!(error.to_string().contains("line 1"), "{error}");
}

#[test]
fn another_format_is_refused_by_its_number() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.json"), r#"{"schema":99,"shape":"unknown"}"#).unwrap();
    let error = Run::read(directory.path()).unwrap_err();
    assert!(matches!(error, RecordError::Schema { found: 99, .. }), "{error}");
}

#[test]
fn a_directory_without_a_plan_is_not_a_run() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(Run::read(directory.path()), Err(RecordError::NotARun { .. })));
}

#[test]
fn a_second_run_does_not_overwrite_the_first() {
    let directory = tempfile::tempdir().unwrap();
    Recorder::create(directory.path(), &plan()).unwrap();
    assert!(matches!(Recorder::create(directory.path(), &plan()), Err(RecordError::Exists { .. })));
}
