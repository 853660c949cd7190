//! The guests that are built.

use std::env;
use std::path::PathBuf;

use crate::Error;
use crate::cargo::Build;

/// The package of the modules in Rust.
pub(crate) const GUEST: &str = "pillion-guest";

/// The module that has every app.
pub const ALL: &str = "all";

/// The modules in Rust: the one with every app, and one for each app.
const RUST: [&str; 7] = [ALL, "echo", "kv", "chain", "counter", "compute", "order"];

/// A module that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The language that it is written in, as `rust`.
    pub language: &'static str,
    /// The app that it has, or [`ALL`].
    pub app: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

/// The unsigned guest in Rust with every app, built if it is not up to date. `PILLION_GUEST` hands out another one
/// instead.
///
/// # Errors
/// [`Error`], with what the compiler said.
pub fn guest() -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os("PILLION_GUEST") {
        let path = PathBuf::from(path);
        return if path.is_file() { Ok(path) } else { Err(Error::NoSuchGuest(path)) };
    }
    Build::of(GUEST, &[ALL]).run()?.path(ALL)
}

/// The unsigned guests in Rust, [`ALL`] first and then one for each app, built by one call of cargo if they are not up to
/// date.
///
/// # Errors
/// As [`guest`].
pub fn rust_guests() -> Result<Vec<Module>, Error> {
    let built = Build::of(GUEST, &RUST).run()?;
    let module = |app| Ok(Module { language: "rust", app, path: built.path(app)? });
    RUST.into_iter().map(module).collect()
}

/// The example of the SDK for actors in Rust, `visits`, built if it is not up to date.
///
/// # Errors
/// As [`guest`].
pub fn sdk_example() -> Result<PathBuf, Error> {
    Build::of("pillion-sdk", &["visits"]).run()?.path("visits")
}
