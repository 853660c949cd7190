//! The checks on the stored inputs, and on random ones: as many as `PROPTEST_CASES` says.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pillion_fuzz::{CHECKS, Check};
use proptest::prelude::*;

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(name)
}

fn stored(name: &str) -> Vec<Vec<u8>> {
    let folder = fs::read_dir(corpus(name)).expect("each check has stored inputs");
    let mut paths: Vec<_> = folder.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("it can be read")).collect()
}

#[test]
fn the_checks_hold_for_the_stored_inputs() {
    for (name, check) in CHECKS {
        let inputs = stored(name);
        assert!(!inputs.is_empty(), "{name} has no stored inputs");
        for input in inputs {
            check(&input);
        }
    }
}

#[test]
fn there_is_a_target_for_each_check() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("the targets have a manifest");
    let named: BTreeSet<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"targets/")?.strip_suffix(".rs\""))
        .collect();
    assert_eq!(named, CHECKS.iter().map(|(name, _)| *name).collect());
}

proptest! {
    #[test]
    fn the_checks_hold_for_any_bytes(
        check in prop::sample::select(CHECKS.to_vec()), bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let (_, check): (_, Check) = check;
        check(&bytes);
    }

    #[test]
    fn the_checks_hold_for_changed_stored_inputs(
        check in prop::sample::select(CHECKS.to_vec()), input: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut: prop::sample::Index,
    ) {
        let (name, check) = check;
        let inputs = stored(name);
        let mut bytes = input.get(&inputs).clone();
        for (at, to) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
        }
        check(&bytes);
        check(&bytes[..cut.index(bytes.len() + 1)]);
    }
}
