//! The scripts, with programs in the place of those that they call.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::fake::write_program;

fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_program(path, &format!("#!/bin/sh\n{text}\n"));
}

fn copy(file: &str, to: &Path) {
    let to = to.join(file);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), to).unwrap();
}

fn with_path(command: &mut Command, first: &Path) -> Output {
    let path = format!("{}:{}", first.display(), std::env::var("PATH").unwrap());
    command.env("PATH", path).output().unwrap()
}

/// As `pillion` does: a directory takes one run, and what is checked is taken down.
const PILLION: &str = r#"
if [ "$1" = compare ]; then
    while [ $# -gt 0 ]; do [ "$1" = --out ] && out=$2; shift; done
    [ ! -e "$out/plan.json" ] || { echo "$out already holds a run" >&2; exit 2; }
    mkdir -p "$out" && touch "$out/plan.json"
else
    echo "$@" >> checked
fi"#;

#[test]
fn ci_passes_again_and_again_in_one_checkout_and_wherever_it_builds() {
    let checkout = tempfile::tempdir().unwrap();
    let at = checkout.path();
    copy(".ci/run", at);
    copy("scripts/compare", at);
    for name in ["scripts/setup", "scripts/test", "bin/cargo", "target/deny/bin/cargo-deny"] {
        program(&at.join(name), "exit 0");
    }
    fs::create_dir_all(at.join("reports/published/2026-01-01")).unwrap();
    for (round, target) in [None, None, Some("elsewhere"), Some("elsewhere")].into_iter().enumerate() {
        program(&at.join(target.unwrap_or("target")).join("release/pillion"), PILLION);
        if target.is_some() {
            // Then there is none in its usual place.
            let _ = fs::remove_dir_all(at.join("target/release"));
        }
        let mut command = Command::new("bash");
        command.arg(at.join(".ci/run"));
        command.env_remove("CARGO_TARGET_DIR");
        command.envs(target.map(|target| ("CARGO_TARGET_DIR", at.join(target))));
        let out = with_path(&mut command, &at.join("bin"));
        assert!(out.status.success(), "{round}: {out:?}");
        let checked = fs::read_to_string(at.join("checked")).unwrap();
        assert_eq!(checked.matches("report --check reports/published/2026-01-01/").count(), round + 1);
        assert_eq!(checked.matches("report --check --splice README.md").count(), round + 1);
    }
}

#[test]
fn setup_names_a_redis_that_is_too_old() {
    let bin = tempfile::tempdir().unwrap();
    program(&bin.path().join("redis-server"), "echo 'Redis server v=6.0.16 sha=00000000:0 bits=64'");
    // So that it stops there even if it thinks well of Redis, and installs nothing if a compiler is missing.
    program(&bin.path().join("cc"), "exit 1");
    let mut command = Command::new("bash");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/setup")).arg("build");
    let out = with_path(&mut command, bin.path());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(5), "{said}");
    assert!(said.contains("too old") && said.contains("6.0.16") && said.contains("install"), "{said}");
}
