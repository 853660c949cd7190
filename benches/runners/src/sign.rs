//! Signing the guest for one run, with keys that nobody keeps.

use std::path::Path;

use anyhow::{Context as _, Result};
use pillion_host::identity::{self, ActorClaims, Claims, KeyPair};

/// Signs the module `from` into `to`, and answers the issuer's public key.
///
/// # Errors
/// A file cannot be read or written, or is no module.
pub fn sign(from: &Path, to: &Path) -> Result<String> {
    let bare = std::fs::read(from).with_context(|| from.display().to_string())?;
    let (account, module) = (KeyPair::new_account(), KeyPair::new_module());
    let actor = ActorClaims {
        name: Some("pillion guest".into()),
        caps: vec!["wascc:keyvalue".into()],
        ..ActorClaims::default()
    };
    let signed = identity::sign(&bare, Claims::new(&account, &module, actor), &account)?;
    std::fs::write(to, signed).with_context(|| to.display().to_string())?;
    Ok(account.public_key())
}
