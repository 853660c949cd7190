//! Where keys come from: a file, or the environment.

use std::env::{self, VarError};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pillion_host::identity::{KeyKind, KeyPair};
use zeroize::Zeroizing;

use super::file;
use crate::exit::Usage;

/// Reads a seed of this kind from the file, or else from the environment.
pub(super) fn secret(kind: KeyKind, path: Option<&Path>) -> Result<KeyPair> {
    if let Some(path) = path {
        if path.to_str().is_some_and(|text| kind.from_seed(text).is_ok()) {
            bail!(Usage(format!(
                "--{kind}-key takes the file of a seed; this is the seed itself, which others may now have seen in \
                 the list of processes: make a new key by `pillion module keygen {kind} --out FILE`"
            )));
        }
        let seed = file::read_seed(path)?;
        return kind.from_seed(&seed).with_context(|| path.display().to_string());
    }
    let variable = format!("PILLION_{}_SEED", kind.to_string().to_uppercase());
    match env::var(&variable) {
        Ok(seed) => kind.from_seed(Zeroizing::new(seed).trim()).context(variable),
        Err(VarError::NotPresent) => bail!(Usage(format!(
            "no key of the {kind}: name the file of its seed by --{kind}-key, or set {variable}"
        ))),
        Err(VarError::NotUnicode(_)) => bail!(Usage(format!("{variable} does not hold a seed"))),
    }
}
