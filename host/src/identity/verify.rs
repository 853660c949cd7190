//! Whether a module is who it says it is.

use std::collections::HashSet;
use std::time::SystemTime;

use super::claims::unix_seconds;
use super::sections::{Sections, module_hash};
use super::{Claims, IdentityError, Validity, token};

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

/// The hash that claims about this module must state: upper-case hexadecimal SHA-256 of it without its tokens.
///
/// # Errors
/// When the bytes are no module.
pub fn hash(wasm: &[u8]) -> Result<String, IdentityError> {
    Ok(module_hash(&Sections::parse(wasm)?.without_tokens()))
}

/// Checks all there is to check about a module at that time. [`super::Trust::verify`] does so for trusted operators.
///
/// # Errors
/// With the first check that fails.
pub fn verify(wasm: &[u8], trusted: &TrustedIssuers, now: SystemTime) -> Result<Verified, IdentityError> {
    verify_by(wasm, now, |claims| {
        if trusted.contains(&claims.iss) { Ok(()) } else { Err(IdentityError::Untrusted(claims.iss.clone())) }
    })
}

/// As [`verify`], where `trust` tells whether the issuer of these properly signed claims is believed.
pub(super) fn verify_by(
    wasm: &[u8],
    now: SystemTime,
    trust: impl FnOnce(&Claims) -> Result<(), IdentityError>,
) -> Result<Verified, IdentityError> {
    let sections = Sections::parse(wasm)?;
    let claims = token::decode(sections.token()?)?;
    trust(&claims)?;
    let module = sections.without_tokens();
    check(&claims, &module, now)?;
    Ok(Verified { claims, module })
}

/// Whether claims are valid at that time and about this module, which is without its token.
pub(super) fn check(claims: &Claims, module: &[u8], now: SystemTime) -> Result<(), IdentityError> {
    match claims.validity(now) {
        Validity::Valid => {}
        Validity::Expired { expired } => {
            return Err(IdentityError::Expired { expired, now: unix_seconds(now) });
        }
        Validity::NotYet { valid_from } => {
            return Err(IdentityError::NotYetValid { valid_from, now: unix_seconds(now) });
        }
    }
    let actual = module_hash(module);
    if claims.wascap.hash != actual {
        return Err(IdentityError::Hash { claimed: claims.wascap.hash.clone(), actual });
    }
    Ok(())
}
