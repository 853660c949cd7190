//! Keys by which bundles' signatures are verified.

use std::fmt;

use ring::{hmac, signature};
use spki::SubjectPublicKeyInfoRef;
use spki::der::{Decode as _, pem};

use super::OpaError;
use crate::policy::SignatureAlgorithm;

/// A key by which the signatures of bundles are verified.
#[derive(Clone)]
pub struct PolicyKey {
    pub(super) id: String,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) scope: String,
    material: Material,
}

#[derive(Clone)]
enum Material {
    /// As it stands in the public key's info: a PKCS #1 key, or an uncompressed point.
    Public(&'static dyn signature::VerificationAlgorithm, Vec<u8>),
    Secret(hmac::Key),
}

/// Of RSA, and of elliptic curves.
const KINDS: [&str; 2] = ["1.2.840.113549.1.1.1", "1.2.840.10045.2.1"];

// === impl PolicyKey ===

impl PolicyKey {
    /// The key that signatures call `id`: a public key in PEM (`-----BEGIN PUBLIC KEY-----`), or for HMAC the bytes of the
    /// secret, a line's end included. What it signed has to have that scope, which may be empty.
    ///
    /// # Errors
    /// When it is no such key.
    pub fn new(id: &str, algorithm: SignatureAlgorithm, key: &[u8], scope: &str) -> Result<Self, OpaError> {
        let material = Material::of(algorithm, key).map_err(|reason| OpaError::Key {
            id: id.to_owned(),
            algorithm,
            reason,
        })?;
        Ok(Self { id: id.to_owned(), algorithm, scope: scope.to_owned(), material })
    }

    /// Whether it made that signature.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public(algorithm, key) => {
                let key = signature::UnparsedPublicKey::new(*algorithm, key);
                key.verify(message, signature).is_ok()
            }
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, algorithm, scope, .. } = self;
        let mut all = f.debug_struct("PolicyKey");
        all.field("id", id).field("algorithm", algorithm).field("scope", scope).finish_non_exhaustive()
    }
}

// === impl Material ===

impl Material {
    fn of(algorithm: SignatureAlgorithm, key: &[u8]) -> Result<Self, String> {
        use SignatureAlgorithm as By;
        let [rsa, curve] = KINDS;
        match algorithm {
            By::Rs256 => public(&signature::RSA_PKCS1_2048_8192_SHA256, rsa, None, key),
            By::Rs384 => public(&signature::RSA_PKCS1_2048_8192_SHA384, rsa, None, key),
            By::Rs512 => public(&signature::RSA_PKCS1_2048_8192_SHA512, rsa, None, key),
            By::Ps256 => public(&signature::RSA_PSS_2048_8192_SHA256, rsa, None, key),
            By::Ps384 => public(&signature::RSA_PSS_2048_8192_SHA384, rsa, None, key),
            By::Ps512 => public(&signature::RSA_PSS_2048_8192_SHA512, rsa, None, key),
            By::Es256 => public(&signature::ECDSA_P256_SHA256_FIXED, curve, Some(65), key),
            By::Es384 => public(&signature::ECDSA_P384_SHA384_FIXED, curve, Some(97), key),
            By::Hs256 => secret(hmac::HMAC_SHA256, key),
            By::Hs384 => secret(hmac::HMAC_SHA384, key),
            By::Hs512 => secret(hmac::HMAC_SHA512, key),
        }
    }
}

/// A public key of that kind, and of that length if its curve has one.
fn public(
    algorithm: &'static dyn signature::VerificationAlgorithm,
    kind: &str,
    length: Option<usize>,
    text: &[u8],
) -> Result<Material, String> {
    let remedy = "give the public key in PEM, as `openssl pkey -in private.pem -pubout` writes it";
    let malformed = |error: &dyn fmt::Display| format!("it is no public key in PEM ({error}); {remedy}");
    let (label, document) = pem::decode_vec(text.trim_ascii()).map_err(|error| malformed(&error))?;
    if label != "PUBLIC KEY" {
        return Err(format!("it is a {label}; {remedy}"));
    }
    let info = SubjectPublicKeyInfoRef::from_der(&document).map_err(|error| malformed(&error))?;
    let key = info.subject_public_key.raw_bytes();
    if info.algorithm.oid.to_string() != kind || length.is_some_and(|length| length != key.len()) {
        return Err("it is a public key of another kind; name the algorithm that it is for".to_owned());
    }
    Ok(Material::Public(algorithm, key.to_owned()))
}

fn secret(algorithm: hmac::Algorithm, key: &[u8]) -> Result<Material, String> {
    if key.is_empty() {
        return Err("it is empty; write the secret to its file".to_owned());
    }
    Ok(Material::Secret(hmac::Key::new(algorithm, key)))
}
