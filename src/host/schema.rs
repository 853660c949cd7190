//! `pillion host schema`: what a manifest may say, for editors.

use anyhow::Result;
use pillion_host::manifest::Manifest;

use crate::exit::Exit;

pub(crate) fn schema() -> Result<Exit> {
    println!("{}", serde_json::to_string_pretty(&Manifest::schema())?);
    Ok(Exit::Fine)
}
