//! The programs that a run needs, and the guest.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use pillion_harness::artifacts;
use pillion_harness::job::Guest;
use pillion_harness::lane::LaneSpec;
use pillion_records::Artifact;

use crate::exit::Refused;

/// The guest as it was built, and signed for one run.
pub(crate) struct Guests {
    pub(crate) unsigned: PathBuf,
    pub(crate) signed: Guest,
}

/// Where the runners are: beside this program, or in `PILLION_BINARIES`.
pub(crate) fn binaries() -> Result<PathBuf> {
    if let Some(directory) = std::env::var_os("PILLION_BINARIES") {
        return Ok(directory.into());
    }
    let own = std::env::current_exe().context("where is this program?")?;
    Ok(own.parent().unwrap_or(Path::new(".")).to_owned())
}

/// The checkout: the nearest directory above the binaries, or else above the working directory, with `claims.toml`.
pub(crate) fn root(binaries: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let found = binaries.ancestors().chain(here.ancestors()).find(|at| at.join("claims.toml").is_file());
    found.unwrap_or(&here).to_owned()
}

/// The programs that the lanes need, all of which must be there.
pub(crate) fn require(binaries: &Path, lanes: &[LaneSpec]) -> Result<Vec<PathBuf>> {
    let mut needed: Vec<&str> = lanes.iter().map(|lane| lane.runner.as_str()).collect();
    if lanes.iter().any(LaneSpec::has_sidecar) {
        needed.push("pillion-sidecar");
    }
    needed.sort_unstable();
    needed.dedup();
    let (there, missing): (Vec<&str>, Vec<&str>) =
        needed.into_iter().partition(|name| binaries.join(name).is_file());
    if missing.is_empty() {
        return Ok(there.into_iter().map(|name| binaries.join(name)).collect());
    }
    bail!(Refused(format!(
        "missing in {}: {}; build by `cargo build --release --workspace --bins --features pillion-sidecar/shared-memory`",
        binaries.display(),
        missing.join(", ")
    )))
}

/// The guest, built if `PILLION_GUEST` does not name one, and signed into a directory; `None` if no lane needs it.
pub(crate) fn guest(binaries: &Path, lanes: &[LaneSpec], directory: &Path) -> Result<Option<Guests>> {
    let Some(lane) = lanes.iter().find(|lane| lane.has_guest()) else { return Ok(None) };
    let unsigned = match std::env::var_os("PILLION_GUEST") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(answer(Command::new(binaries.join("pillion-artifacts")).arg("guest"))?),
    };
    let path = directory.join("guest.signed.wasm");
    let signer = binaries.join("runner-host");
    let issuer = answer(Command::new(&signer).arg("sign").arg(&unsigned).arg(&path))
        .with_context(|| format!("signing the guest for lane {}", lane.lane.name))?;
    Ok(Some(Guests { unsigned, signed: Guest { path, issuer } }))
}

/// Sizes of what is deployed, as far as the run's lanes use it.
pub(crate) fn sizes(binaries: &Path, guests: Option<&Guests>) -> Result<Vec<Artifact>> {
    let mut sizes = Vec::new();
    if let Some(guests) = guests {
        sizes.push(artifacts::module("guest", "Rust", &guests.signed.path).map_err(Refused)?);
    }
    for (name, file) in
        [("host", "runner-host"), ("sidecar", "pillion-sidecar"), ("native app", "pillion-native-app")]
    {
        let path = binaries.join(file);
        if path.is_file() {
            sizes.push(artifacts::executable(name, &path).map_err(Refused)?);
        }
    }
    Ok(sizes)
}

/// The last line that a program answers.
fn answer(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let out = command.output().map_err(|error| {
        Refused(format!(
            "{program} does not start ({error}); build by `cargo build --release --workspace --bins --features pillion-sidecar/shared-memory`"
        ))
    })?;
    if !out.status.success() {
        bail!(Refused(format!("{program}: {}", String::from_utf8_lossy(&out.stderr).trim())));
    }
    let text = String::from_utf8_lossy(&out.stdout);
    Ok(text.lines().next_back().unwrap_or_default().trim().to_owned())
}
