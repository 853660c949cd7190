//! Compiled modules on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pillion_host::{Host, HostConfig, Limits};

use crate::guests::{echo, loaded_with};

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()).collect()
}

fn load_and_call(directory: &Path) {
    let config = HostConfig { cache: Some(directory.to_owned()), ..HostConfig::default() };
    let (host, actor) = loaded_with(&echo(), config, &[]);
    let mut response = Vec::new();
    host.call_into(&actor, "any", b"hello", &mut response).expect("it runs");
    assert_eq!(response, b"hello");
}

/// Code that counts what it runs is another than code that does not.
#[test]
fn a_module_is_kept_with_and_without_fuel() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("modules");
    for kept in [1, 2, 2] {
        let fuel = (kept > 1).then_some(10_000);
        let limits = Limits { fuel, ..Limits::default() };
        let config = HostConfig { limits, cache: Some(directory.clone()), ..HostConfig::default() };
        let (host, actor) = loaded_with(&echo(), config, &[]);
        let mut response = Vec::new();
        host.call_into(&actor, "any", b"hello", &mut response).expect("it runs");
        assert_eq!(response, b"hello");
        assert_eq!(entries(&directory).len(), kept);
    }
}

#[test]
fn a_module_is_compiled_once_whoever_signed_it() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("modules");
    load_and_call(&directory);
    let mode = fs::metadata(&directory).expect("made by the host").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let [entry] = &entries(&directory)[..] else { panic!("one entry") };
    let written = fs::metadata(entry).expect("an entry").modified().expect("a time");
    load_and_call(&directory);
    assert_eq!(entries(&directory), std::slice::from_ref(entry));
    assert_eq!(
        fs::metadata(entry).expect("an entry").modified().expect("a time"),
        written,
        "not written again"
    );
}

#[test]
fn a_damaged_entry_is_compiled_anew() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("modules");
    load_and_call(&directory);
    let [entry] = &entries(&directory)[..] else { panic!("one entry") };
    let sound = fs::read(entry).expect("an entry");
    let mut flipped = sound.clone();
    *flipped.last_mut().expect("not empty") ^= 1;
    // A proper hash over what is no artifact of wasmtime's is not believed either.
    let alien = [&sha256(b"alien")[..], b"alien"].concat();
    for damaged in [flipped, sound[..sound.len() / 2].to_vec(), vec![], alien] {
        fs::write(entry, damaged).expect("it can be damaged");
        load_and_call(&directory);
        assert_eq!(fs::read(entry).expect("an entry").len(), sound.len(), "written anew");
    }
}

#[test]
fn a_directory_open_to_others_is_refused() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("modules");
    fs::create_dir(&directory).expect("it can be made");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("it can be opened");
    let config = HostConfig { cache: Some(directory), ..HostConfig::default() };
    let error = Host::new(config).expect_err("it is refused").to_string();
    assert!(error.contains("chmod 700"), "{error}");
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).into()
}
