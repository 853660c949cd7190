//! `pillion module chain`: who vouches for whom.

use std::time::SystemTime;

use anyhow::{Context as _, Result};

use super::arguments::ChainOptions;
use super::text::plain;
use super::{file, trust};
use crate::exit::Exit;
use crate::out::tell;

pub(super) fn chain(options: &ChainOptions) -> Result<Exit> {
    let bytes = file::read(&options.file)?;
    let trusted = options.trust.trust()?;
    let now = SystemTime::now();
    let shown = plain(&options.file.display().to_string());
    let chain = if trust::is_module(&bytes) {
        trusted.module_chain(&bytes, now)
    } else {
        trusted.token_chain(bytes.trim_ascii(), now)
    };
    let chain = chain.with_context(|| shown.clone())?;
    trust::show(&chain);
    match chain.broken() {
        None => Ok(Exit::Fine),
        Some(broken) => {
            tell!("pillion: {shown}: {}", trust::remedy(broken));
            Ok(Exit::Disbelieved)
        }
    }
}
