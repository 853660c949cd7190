//! The token: `header.claims.signature`, each base64url without padding, signed with Ed25519.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use nkeys::{KeyPair, KeyPairType};
use serde::Deserialize;
use wasm_encoder::{CustomSection, Encode, Section};

use super::sections::{JWT_SECTION, Sections, module_hash};
use super::{Claims, IdentityError};

/// The only header there is.
const HEADER: &str = r#"{"typ":"jwt","alg":"Ed25519"}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
}

/// Signs a module and embeds the token in the section `jwt`, in place of any token it had.
///
/// The hash in the claims is filled in; `account` must be the claims' issuer and hold its seed.
///
/// # Errors
/// When the bytes are no module, or the key is not the issuer's or cannot sign.
pub fn sign(wasm: &[u8], mut claims: Claims, account: &KeyPair) -> Result<Vec<u8>, IdentityError> {
    if claims.iss != account.public_key() || account.key_pair_type() != KeyPairType::Account {
        return Err(IdentityError::CannotSign(format!(
            "the claims' issuer is {}, and the key is that of {}; it must be the issuer's account key",
            claims.iss,
            account.public_key()
        )));
    }
    let bare = Sections::parse(wasm)?.without_tokens();
    claims.wascap.hash = module_hash(&bare);
    Ok(append(bare, JWT_SECTION, encode(&claims, account)?.as_bytes()))
}

/// Appends a token as it is, in a section of that name. It takes no other away and checks nothing.
#[must_use]
pub fn embed(wasm: &[u8], section: &str, token: &[u8]) -> Vec<u8> {
    append(wasm.to_vec(), section, token)
}

/// Signs claims as they are.
pub(super) fn encode(claims: &Claims, account: &KeyPair) -> Result<String, IdentityError> {
    let cannot = |reason: String| IdentityError::CannotSign(reason);
    let body = serde_json::to_vec(claims).map_err(|error| cannot(error.to_string()))?;
    let mut token = BASE64URL_NOPAD.encode(HEADER.as_bytes());
    token.push('.');
    token.push_str(&BASE64URL_NOPAD.encode(&body));
    let signature = account.sign(token.as_bytes()).map_err(|error| cannot(error.to_string()))?;
    token.push('.');
    token.push_str(&BASE64URL_NOPAD.encode(&signature));
    Ok(token)
}

/// Reads a token's claims; they are believed by nobody until its signature was checked, which this does.
pub(super) fn decode(token: &[u8]) -> Result<Claims, IdentityError> {
    let malformed = |reason: &str| IdentityError::Malformed(reason.to_owned());
    let token = std::str::from_utf8(token).map_err(|_| malformed("it is not text"))?;
    let (signed, signature) = token.rsplit_once('.').ok_or_else(|| malformed("it has no signature"))?;
    let (header, body) = signed.split_once('.').ok_or_else(|| malformed("it has no claims"))?;
    let part = |text: &str, of: &str| {
        BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|error| IdentityError::Malformed(format!("its {of} is not base64url: {error}")))
    };

    let header = part(header, "header")?;
    let known: Option<Header> = serde_json::from_slice(&header).ok();
    if !known.is_some_and(|header| header.typ == "jwt" && header.alg == "Ed25519") {
        return Err(IdentityError::Header(String::from_utf8_lossy(&header).into_owned()));
    }
    let claims: Claims = serde_json::from_slice(&part(body, "claims")?).map_err(|error| {
        IdentityError::Malformed(format!("its claims are not those of an actor: {error}"))
    })?;
    let account = public_key("iss", &claims.iss, &KeyPairType::Account, "the public key of an account (A…)")?;
    public_key("sub", &claims.sub, &KeyPairType::Module, "the public key of a module (M…)")?;
    account
        .verify(signed.as_bytes(), &part(signature, "signature")?)
        .map_err(|_| IdentityError::Signature(claims.iss.clone()))?;
    Ok(claims)
}

fn public_key(
    field: &'static str,
    key: &str,
    kind: &KeyPairType,
    expected: &'static str,
) -> Result<KeyPair, IdentityError> {
    /// The length of every encoded public key: prefix, 32 bytes and checksum in base32.
    const LENGTH: usize = 56;
    Some(key)
        .filter(|key| key.len() == LENGTH)
        .and_then(|key| KeyPair::from_public_key(key).ok())
        .filter(|pair| pair.key_pair_type() == *kind)
        .ok_or_else(|| IdentityError::Key { field, expected, found: key.to_owned() })
}

fn append(mut wasm: Vec<u8>, section: &str, token: &[u8]) -> Vec<u8> {
    let custom = CustomSection { name: Cow::Borrowed(section), data: Cow::Borrowed(token) };
    wasm.push(custom.id());
    custom.encode(&mut wasm);
    wasm
}
