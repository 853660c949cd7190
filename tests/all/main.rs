//! Tests of the command line.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod comparing;
mod fake;
mod host;
mod module;
mod running;
mod scripts;

use std::process::{Command, Output};

fn pillion(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pillion")).args(arguments).output().unwrap()
}

fn teaches_by_examples(verb: &[&str]) {
    let out = pillion(&[verb, &["--help"]].concat());
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(0));
    assert!(text.contains("Example") && text.contains(&format!("pillion {}", verb.join(" "))), "{text}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for arguments in [&["list"][..], &["host", "schema"], &["module", "--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
        let out =
            command.args(arguments).stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!((out.status.code(), &*said), (Some(0), ""), "{arguments:?}");
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
    let out = command.arg("list").stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(5), "{said}");
    assert!(said.starts_with("pillion: standard output: ") && said.contains("No space left"), "{said}");
}

#[test]
fn every_verb_teaches_by_examples() {
    for verb in ["compare", "run", "resume", "report", "list", "doctor", "host", "module"] {
        teaches_by_examples(&[verb]);
    }
    for verb in ["keygen", "sign", "token", "inspect", "verify", "chain"] {
        teaches_by_examples(&["module", verb]);
    }
    teaches_by_examples(&["host", "run"]);
    let text = String::from_utf8_lossy(&pillion(&["--help"]).stdout).into_owned();
    assert!(text.contains("Exit codes") && text.contains("7  a module"), "{text}");
}

#[test]
fn what_is_not_there_is_a_usage_error() {
    let nowhere = tempfile::tempdir().unwrap();
    let path = nowhere.path().to_str().unwrap();
    for arguments in [
        &["nonsense"][..],
        &["run", "--lanes", "nonsense"],
        &["run", "--budget", "soon"],
        &["run", "--block", "0s"],
        &["run", "--block", "10m"],
        &["report", path],
        &["resume", path],
    ] {
        let out = pillion(arguments);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}: {out:?}");
        assert!(!out.stderr.is_empty());
    }
}

#[test]
fn the_list_shows_lanes_and_claims() {
    let out = pillion(&["list"]);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    for word in ["sidecar-grpc-uds", "wapc-crate", "kv-get", "redb", "C1", "C3"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn a_missing_runner_is_named_with_its_remedy() {
    let empty = tempfile::tempdir().unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_pillion"))
        .args(["run", "--lanes", "noop"])
        .env("PILLION_BINARIES", empty.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(5), "{text}");
    assert!(text.contains("runner-direct") && text.contains("cargo build"), "{text}");
}
