//! Whether a module is who it says it is.

use std::collections::HashSet;
use std::time::SystemTime;

use super::claims::unix_seconds;
use super::sections::{Sections, module_hash};
use super::{Claims, IdentityError, token};

/// The public keys of the accounts (`A…`) whose word is taken.
pub type TrustedIssuers = HashSet<String>;

/// A module whose every check passed.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What its token says.
    pub claims: Claims,
    /// The module without its token: what the hash in the claims is of.
    pub module: Vec<u8>,
}

/// The claims of a module, with their signature and header checked, but neither trust, validity nor hash: for
/// looking at a module, never for running it.
///
/// # Errors
/// When there is not exactly one token, or it is not properly signed.
pub fn extract(wasm: &[u8]) -> Result<Claims, IdentityError> {
    token::decode(Sections::parse(wasm)?.token()?)
}

/// Checks all there is to check about a module at that time.
///
/// # Errors
/// With the first check that fails.
pub fn verify(wasm: &[u8], trusted: &TrustedIssuers, now: SystemTime) -> Result<Verified, IdentityError> {
    let sections = Sections::parse(wasm)?;
    let claims = token::decode(sections.token()?)?;
    if !trusted.contains(&claims.iss) {
        return Err(IdentityError::Untrusted(claims.iss));
    }
    let now = unix_seconds(now);
    if let Some(expired) = claims.exp.filter(|end| *end <= now) {
        return Err(IdentityError::Expired { expired, now });
    }
    if let Some(valid_from) = claims.nbf.filter(|begin| *begin > now) {
        return Err(IdentityError::NotYetValid { valid_from, now });
    }
    let module = sections.without_tokens();
    let actual = module_hash(&module);
    if claims.wascap.hash != actual {
        return Err(IdentityError::Hash { claimed: claims.wascap.hash, actual });
    }
    Ok(Verified { claims, module })
}
