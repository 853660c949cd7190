//! `pillion module`: keys, signed modules, and the tokens that vouch for them. One file per verb.

pub(crate) mod arguments;
mod chain;
mod file;
mod inspect;
mod keygen;
mod keys;
mod sign;
mod text;
mod token;
mod trust;
mod verify;

use anyhow::Result;

use crate::exit::Exit;
use arguments::ModuleVerb;

pub(crate) fn module(verb: &ModuleVerb) -> Result<Exit> {
    match verb {
        ModuleVerb::Keygen(options) => keygen::keygen(options),
        ModuleVerb::Sign(options) => sign::sign(options),
        ModuleVerb::Token(options) => token::token(options),
        ModuleVerb::Inspect(options) => inspect::inspect(options),
        ModuleVerb::Verify(options) => verify::verify(options),
        ModuleVerb::Chain(options) => chain::chain(options),
    }
}
