//! `pillion module keygen`: a new key.

use anyhow::{Context as _, Result};
use zeroize::Zeroizing;

use super::arguments::KeygenOptions;
use super::file::{self, Existing};
use crate::exit::Exit;
use crate::out::say;

pub(super) fn keygen(options: &KeygenOptions) -> Result<Exit> {
    let key = options.kind.generate();
    let seed = Zeroizing::new(key.seed().context("a new key has a seed")?);
    if let Some(path) = &options.out {
        let existing = if options.force { Existing::Replaced } else { Existing::Kept };
        file::write(path, Zeroizing::new(format!("{}\n", *seed)).as_bytes(), 0o600, existing)?;
    }
    say!("{}", key.public_key());
    if options.print_seed {
        say!("{}", *seed);
    }
    Ok(Exit::Fine)
}
