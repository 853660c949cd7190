//! The guests that are built.

use std::env;
use std::path::PathBuf;

use crate::Error;
use crate::cargo::Build;
use crate::language::{Language, Module};

/// The package of the modules in Rust.
pub(crate) const GUEST: &str = "pillion-guest";

/// The module that has every app.
pub const ALL: &str = "all";

/// The modules of each language: the one with every app, and one for each app.
pub(crate) const MODULES: [&str; 7] = [ALL, "echo", "kv", "chain", "counter", "compute", "order"];

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
pub(crate) fn rust_guests() -> Result<Vec<Module>, Error> {
    let built = Build::of(GUEST, &MODULES).run()?;
    let module =
        |app: &str| Ok(Module { language: Language::Rust, app: app.to_owned(), path: built.path(app)? });
    MODULES.into_iter().map(module).collect()
}

/// An example of the SDK for actors in Rust by its name, built if it is not up to date.
///
/// # Errors
/// As [`guest`].
pub fn sdk_example(name: &str) -> Result<PathBuf, Error> {
    Build::of("pillion-sdk", &[name]).run()?.path(name)
}
