//! Signing modules: the token is computed over the module and embedded in it.

use std::borrow::Cow;

use nkeys::{KeyPair, KeyPairType};
use wasm_encoder::{CustomSection, Encode, Section};

use super::sections::{JWT_SECTION, Sections, canonical, is_token, module_hash};
use super::{Claims, IdentityError, KeyKind, token};

/// Signs a module and embeds the token in the section `jwt`, in place of any token it had.
///
/// Lengths of sections that are written longer than need be, as linkers leave them, are shortened, for that is what
/// every signer does and verifiers of the successors count on. The hash in the claims is filled in; `account` must be the claims' issuer and hold its seed.
///
/// # Errors
/// When the bytes are no module, or the key is not the issuer's or cannot sign.
pub fn sign(wasm: &[u8], claims: Claims, account: &KeyPair) -> Result<Vec<u8>, IdentityError> {
    sign_in(wasm, JWT_SECTION, claims, account)
}

/// As [`sign`], with the token in a section of that name: [`JWT_SECTION`], which waSCC reads, or
/// [`super::WASMCLOUD_JWT_SECTION`], which its successors do.
///
/// # Errors
/// As [`sign`], and when no token is ever looked for in a section of that name.
pub fn sign_in(
    wasm: &[u8],
    section: &str,
    mut claims: Claims,
    account: &KeyPair,
) -> Result<Vec<u8>, IdentityError> {
    let cannot = IdentityError::CannotSign;
    if !is_token(section) {
        return Err(cannot(format!("no token is looked for in a section {section:?}")));
    }
    if claims.iss != account.public_key() || account.key_pair_type() != KeyPairType::Account {
        return Err(cannot(format!(
            "the claims' issuer is {}, and the key is that of {}; it must be the issuer's account key",
            claims.iss,
            account.public_key()
        )));
    }
    KeyKind::Module.public_key("sub", &claims.sub).map_err(|error| cannot(error.to_string()))?;
    let bare = canonical(&Sections::parse(wasm)?.without_tokens())?;
    claims.wascap.hash = module_hash(&bare);
    Ok(append(bare, section, token::encode(&claims, account)?.as_bytes()))
}

/// Appends a token as it is, in a section of that name. It takes no other away and checks nothing.
#[must_use]
pub fn embed(wasm: &[u8], section: &str, token: &[u8]) -> Vec<u8> {
    append(wasm.to_vec(), section, token)
}

fn append(mut wasm: Vec<u8>, section: &str, token: &[u8]) -> Vec<u8> {
    let custom = CustomSection { name: Cow::Borrowed(section), data: Cow::Borrowed(token) };
    wasm.push(custom.id());
    custom.encode(&mut wasm);
    wasm
}
