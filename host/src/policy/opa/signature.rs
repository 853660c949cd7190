//! The signature of a bundle: `.signatures.json`, a JSON Web Token about the hashes of its files.

use std::collections::BTreeMap;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::canonical::canonical;
use super::key::PolicyKey;

/// Where the signature of a bundle is.
pub(super) const SIGNATURES: &str = ".signatures.json";

/// What verifies signatures, if none is named.
const PLUGIN: &str = "_default";

#[derive(Deserialize)]
struct Signatures {
    #[serde(default)]
    signatures: Vec<String>,
    #[serde(default)]
    plugin: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    files: Vec<FileHash>,
    #[serde(default)]
    scope: String,
    /// An elder place for the header's `kid`.
    #[serde(default)]
    keyid: Option<String>,
}

#[derive(Deserialize)]
struct FileHash {
    name: String,
    hash: String,
    algorithm: String,
}

/// Verifies that all files of a bundle, and no others, are as one of the keys signed them.
pub(super) fn verify(files: &BTreeMap<String, Vec<u8>>, keys: &[PolicyKey]) -> Result<(), String> {
    let Some(signatures) = files.get(SIGNATURES) else {
        if keys.is_empty() {
            return Ok(());
        }
        return Err(format!("it is not signed: it has no {SIGNATURES}; sign it, as `opa sign` does"));
    };
    if keys.is_empty() {
        return Err("it is signed, and no key is there to verify that; name one in `policyKeys`".to_owned());
    }
    let payload = payload(signatures, keys)?;
    let mut signed: BTreeMap<&str, &FileHash> = BTreeMap::new();
    for file in &payload.files {
        if signed.insert(file.name.trim_start_matches('/'), file).is_some() {
            return Err(format!("{} is in the signature twice", file.name));
        }
    }
    for (name, content) in files.iter().filter(|(name, _)| *name != SIGNATURES) {
        let file = signed
            .remove(&**name)
            .ok_or_else(|| format!("the file {name} is not in the signature; sign the bundle anew"))?;
        let hashed = canonical(name, content).map_err(|error| format!("{name}: {error}"))?;
        let actual = match file.algorithm.as_str() {
            "SHA-256" => Sha256::digest(&hashed).to_vec(),
            "SHA-384" => Sha384::digest(&hashed).to_vec(),
            "SHA-512" => Sha512::digest(&hashed).to_vec(),
            other => {
                return Err(format!(
                    "the hash of {name} is by {other:?}, which is not taken; sign with SHA-256, SHA-384 or SHA-512"
                ));
            }
        };
        if HEXLOWER_PERMISSIVE.decode(file.hash.as_bytes()).ok() != Some(actual) {
            return Err(format!("the file {name} is not the one that was signed: its hash is another"));
        }
    }
    match signed.keys().next() {
        Some(missing) => Err(format!("the file {missing} is in the signature, and not in the bundle")),
        None => Ok(()),
    }
}

/// What one of the keys signed.
fn payload(signatures: &[u8], keys: &[PolicyKey]) -> Result<Payload, String> {
    let malformed = |error: &dyn std::fmt::Display| format!("{SIGNATURES}: {error}");
    let Signatures { signatures, plugin } =
        serde_json::from_slice(signatures).map_err(|error| malformed(&error))?;
    if let Some(plugin) = plugin.filter(|plugin| plugin != PLUGIN) {
        return Err(malformed(&format_args!("it is for the plugin {plugin:?}, which is not there")));
    }
    let [token] = signatures.as_slice() else {
        return Err(malformed(&format_args!("it has {} signatures, and has to have one", signatures.len())));
    };
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        return Err(malformed(&"its signature is no JSON Web Token"));
    };
    let decoded = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|error| malformed(&error));
    let message = format!("{header}.{payload}");
    let (header, payload, signature) = (decoded(header)?, decoded(payload)?, decoded(signature)?);
    let Header { alg, kid } = serde_json::from_slice(&header).map_err(|error| malformed(&error))?;
    // Nothing of it is believed before the signature is verified, but for the key's name.
    let payload: Payload = serde_json::from_slice(&payload).map_err(|error| malformed(&error))?;
    let named = kid.filter(|id| !id.is_empty()).or(payload.keyid.clone().filter(|id| !id.is_empty()));
    let known = || keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>();
    let key = match (&named, keys) {
        (Some(id), keys) => keys.iter().find(|key| key.id == *id).ok_or_else(|| {
            format!("it is signed by the key {id:?}, which is not known; there are {:?}", known())
        })?,
        (None, [key]) => key,
        (None, _) => return Err(format!("its signature names no key, and there are {:?}", known())),
    };
    // The key says by what it signs, not the token: else a public key could be taken for a secret.
    if alg != key.algorithm.name() {
        return Err(format!("it is signed by {alg:?}, and the key {:?} is for {}", key.id, key.algorithm));
    }
    if !key.signed(message.as_bytes(), &signature) {
        return Err(format!("its signature is not that of the key {:?}", key.id));
    }
    if payload.scope != key.scope {
        return Err(format!(
            "it is signed for the scope {:?}, and the key {:?} is for {:?}",
            payload.scope, key.id, key.scope
        ));
    }
    Ok(payload)
}
