//! `pillion host schema`: what a manifest may say, for editors.

use anyhow::Result;
use pillion_host::manifest::Manifest;

use crate::exit::Exit;
use crate::out::say;

pub(crate) fn schema() -> Result<Exit> {
    say!("{}", serde_json::to_string_pretty(&Manifest::schema())?);
    Ok(Exit::Fine)
}
