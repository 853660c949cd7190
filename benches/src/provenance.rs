//! Where figures come from: commit, compilers, lock file, servers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use pillion_records::{Check, LoadAverage, Provenance};
use sha2::{Digest as _, Sha256};

use crate::artifacts;
use crate::machine::{load_average, machine};

/// Everything of a run's provenance that can be found out beforehand. `programs` are the
/// runners and the sidecar; `modules` are the guests as they were built.
#[must_use]
pub fn provenance(
    root: &Path,
    programs: &[PathBuf],
    modules: &BTreeMap<String, PathBuf>,
    command: Vec<String>,
    preflight: Vec<Check>,
) -> Provenance {
    let modules: BTreeMap<&String, Vec<u8>> =
        modules.iter().filter_map(|(name, path)| Some((name, fs::read(path).ok()?))).collect();
    let commit = git(root, &["rev-parse", "HEAD"]);
    let dirty = git(root, &["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    let redis = Command::new("redis-server").arg("--version").output().ok();
    let servers = redis.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    Provenance {
        began: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        command,
        commit,
        dirty,
        rustc: programs.first().and_then(|path| artifacts::compiler_of_executable(path)).unwrap_or_else(|| "unknown".into()),
        guest_rustc: modules
            .values()
            .find_map(|bytes| artifacts::compiler_of_module(bytes))
            .unwrap_or_else(|| "unknown".into()),
        profile: "release: fat LTO, one codegen unit, unwinding panics, for both sides; guest: fat LTO, opt-level 3".into(),
        lockfile_sha256: fs::read(root.join("Cargo.lock")).map_or_else(|_| String::new(), |text| sha256(&text)),
        modules: modules.iter().map(|(name, bytes)| ((*name).clone(), sha256(bytes))).collect(),
        programs: programs.iter().filter_map(|path| hashed(path)).collect(),
        servers: servers.into_iter().map(|version| ("redis-server".to_owned(), version)).collect::<BTreeMap<_, _>>(),
        machine: machine(),
        preflight,
        load_averages: vec![LoadAverage { before: Some(load_average()), after: None }],
    }
}

/// What git answers, trimmed; `None` where it does not.
pub(crate) fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let out = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// A file's name and hash.
fn hashed(path: &Path) -> Option<(String, String)> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some((name, sha256(&fs::read(path).ok()?)))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
