//! Building a guest.

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use crate::Error;
use crate::language::{Language, Module};
use crate::toolchain::{TARGET, rustc, workspace};

/// Guests need little stack, and every instance has one of its own.
const STACK: &str = "-Clink-arg=-zstack-size=131072";

/// The unsigned guest in Rust, built if it is not up to date. `PILLION_GUEST` hands out another one instead.
///
/// # Errors
/// [`Error`], with what the compiler said.
pub fn guest() -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os("PILLION_GUEST") {
        let path = PathBuf::from(path);
        return if path.is_file() { Ok(path) } else { Err(Error::NoSuchGuest(path)) };
    }
    let target_dir = target_dir().join("guests");
    fs::create_dir_all(&target_dir).map_err(|cause| Error::File { path: target_dir.clone(), cause })?;
    // Cargo locks the folder while it builds, but not while tests look for the compiler or read what was built.
    let path = target_dir.join("lock");
    let lock = File::create(&path).map_err(|cause| Error::File { path: path.clone(), cause })?;
    lock.lock().map_err(|cause| Error::File { path, cause })?;

    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace()).args(["build", "--quiet", "--package", "pillion-guest"]);
    cargo.args(["--target", TARGET, "--profile", "guest", "--target-dir"]).arg(&target_dir);
    // What was set for the caller's own build is not meant for guests.
    for name in ["RUSTC", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"]
    {
        cargo.env_remove(name);
    }
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags());
    if let Some(rustc) = rustc()? {
        cargo.env("RUSTC", rustc);
    }
    let output = cargo.output().map_err(|cause| Error::Start { program: "cargo".to_owned(), cause })?;
    if !output.status.success() {
        return Err(Error::Build {
            command: format!("cargo build -p pillion-guest --target {TARGET} --profile guest"),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    let guest = target_dir.join(TARGET).join("guest/pillion_guest.wasm");
    guest.canonicalize().map_err(|cause| Error::File { path: guest, cause })
}

/// The modules in Rust.
pub(crate) fn rust_guests() -> Result<Vec<Module>, Error> {
    Ok(vec![Module { language: Language::Rust, app: "all".to_owned(), path: guest()? }])
}

/// The flags of a guest. No path of the building machine gets into it, so that every machine builds the same bytes.
fn flags() -> String {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let places = [(workspace().canonicalize().ok(), "/pillion"), (cargo, "/cargo")];
    let known = places.into_iter().filter_map(|(from, to)| Some((from?, to)));
    known.fold(STACK.to_owned(), |flags, (from, to)| {
        format!("{flags} --remap-path-prefix={}={to}", from.display())
    })
}

pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}
