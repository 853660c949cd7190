//! A build of guests by cargo.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;
use crate::toolchain::{TARGET, rustc, workspace};

/// Guests need little stack, and every instance has one of its own.
const STACK: &str = "-Clink-arg=-zstack-size=131072";

/// What is to be built, and how.
pub(crate) struct Build<'a> {
    /// The package that has them.
    pub(crate) package: &'a str,
    /// The modules, by the names of the package's examples.
    pub(crate) modules: &'a [&'a str],
    /// More arguments of cargo.
    pub(crate) arguments: &'a [&'a str],
    /// More flags of the compiler.
    pub(crate) flags: &'a [&'a str],
    /// With std built as the modules are, which only the private compiler has the source for, and with what the compiler
    /// calls unstable.
    pub(crate) with_std: bool,
}

/// Modules that are up to date, until this is dropped.
pub(crate) struct Built {
    folder: PathBuf,
    _lock: File,
}

// === impl Build ===

impl<'a> Build<'a> {
    /// As guests are built.
    pub(crate) fn of(package: &'a str, modules: &'a [&'a str]) -> Self {
        Self { package, modules, arguments: &[], flags: &[], with_std: false }
    }

    pub(crate) fn run(&self) -> Result<Built, Error> {
        // What is unstable makes other dependencies of the same names.
        let target_dir = target_dir().join(if self.with_std { "guests-with-std" } else { "guests" });
        fs::create_dir_all(&target_dir).map_err(|cause| Error::File { path: target_dir.clone(), cause })?;
        // Cargo locks the folder while it builds, but not while tests look for the compiler or read what was built.
        let path = target_dir.join("lock");
        let lock = File::create(&path).map_err(|cause| Error::File { path: path.clone(), cause })?;
        lock.lock().map_err(|cause| Error::File { path, cause })?;

        let mut cargo = self.command(&target_dir)?;
        let output = cargo.output().map_err(|cause| Error::Start { program: "cargo".to_owned(), cause })?;
        if !output.status.success() {
            let arguments: Vec<_> = cargo.get_args().map(|argument| argument.to_string_lossy()).collect();
            return Err(Error::Build {
                command: format!("cargo {}", arguments.join(" ")),
                output: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        Ok(Built { folder: target_dir.join(TARGET).join("guest/examples"), _lock: lock })
    }

    fn command(&self, target_dir: &Path) -> Result<Command, Error> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(workspace()).args(["build", "--quiet", "--package", self.package]);
        cargo.args(["--target", TARGET, "--profile", "guest", "--target-dir"]).arg(target_dir);
        for module in self.modules {
            cargo.args(["--example", module]);
        }
        // What was set for the caller's own build is not meant for guests.
        for name in
            ["RUSTC", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"]
        {
            cargo.env_remove(name);
        }
        let flags = [&[flags().as_str()], self.flags].concat().join(" ");
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags).args(self.arguments);
        if let Some(rustc) = rustc()? {
            cargo.env("RUSTC", rustc);
        } else if self.with_std {
            return Err(Error::NoStd);
        }
        if self.with_std {
            // As scripts/ensure-wasm-target.sh builds the std that all other guests have.
            cargo.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_abort");
        }
        Ok(cargo)
    }
}

// === impl Built ===

impl Built {
    /// Where a module is.
    pub(crate) fn path(&self, module: &str) -> Result<PathBuf, Error> {
        let path = self.folder.join(format!("{module}.wasm"));
        path.canonicalize().map_err(|cause| Error::File { path, cause })
    }
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
