//! The compiler for guests.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The workspace that this crate was built in.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The private compiler that guests must be built with; `None` where the ordinary one can do it.
pub(crate) fn rustc() -> Result<Option<PathBuf>, Error> {
    let script = workspace().join("scripts/ensure-wasm-target.sh");
    let output = Command::new(&script)
        .output()
        .map_err(|cause| Error::Start { program: script.display().to_string(), cause })?;
    if !output.status.success() {
        return Err(Error::Toolchain(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    // The lines are shell; a shell is who knows how to read their quotes.
    let mut shell = Command::new("sh");
    shell.env_remove("RUSTC").arg("-c").arg(r#"eval "$1"; printf %s "$RUSTC""#).arg("sh");
    let output = shell
        .arg(String::from_utf8_lossy(&output.stdout).as_ref())
        .output()
        .map_err(|cause| Error::Start { program: "sh".to_owned(), cause })?;
    let path = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((!path.is_empty()).then(|| path.into()))
}

/// The version of the compiler that builds guests, as `rustc --version` prints it.
///
/// # Errors
/// [`Error::Toolchain`] where there is none, [`Error::Start`] where it cannot be run.
pub fn guest_rustc() -> Result<String, Error> {
    let rustc = rustc()?.unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .arg("--version")
        .output()
        .map_err(|cause| Error::Start { program: rustc.display().to_string(), cause })?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
