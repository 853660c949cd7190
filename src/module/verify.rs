//! `pillion module verify`: what a host would say.

use std::time::SystemTime;

use anyhow::Result;

use super::arguments::VerifyOptions;
use super::text::plain;
use super::{file, trust};
use crate::exit::Exit;
use crate::out::{say, tell};

pub(super) fn verify(options: &VerifyOptions) -> Result<Exit> {
    let wasm = file::read(&options.module)?;
    let trusted = options.trust.trust()?;
    let shown = plain(&options.module.display().to_string());
    match trusted.verify(&wasm, SystemTime::now()) {
        Ok(verified) => {
            let claims = verified.claims;
            let caps = claims.wascap.caps.join(", ");
            say!("{shown}: believed");
            say!("module   {}\nissuer   {}\ngrants   {}", claims.sub, claims.iss, plain(&caps));
            Ok(Exit::Fine)
        }
        Err(refused) => {
            tell!("pillion: {shown}: {}", trust::remedy(&refused));
            Ok(Exit::Disbelieved)
        }
    }
}
