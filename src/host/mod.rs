//! `pillion host`: the host by itself, for real. One file per verb.

pub(crate) mod arguments;
mod run;
mod schema;

use anyhow::Result;

use crate::exit::Exit;
use arguments::HostVerb;

pub(crate) fn host(verb: &HostVerb) -> Result<Exit> {
    match verb {
        HostVerb::Run(options) => run::run(options),
        HostVerb::Schema => schema::schema(),
    }
}
