//! Tokens of single calls: who calls what with which request, signed by the host that passes the call on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use nkeys::KeyPair;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::claims::unix_seconds;
use super::token::{self, Parts};
use super::{Claims, IdentityError, Validity};

/// What a token says about a call, as waSCC's hosts write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvocationClaims {
    /// What is called: `wasmbus://`, the contract or actor, the binding and the operation.
    pub target_url: String,
    /// Who calls: `wasmbus://` and the actor's public key.
    pub origin_url: String,
    /// The upper-case hexadecimal SHA-256 of origin, target and request, each after its length in 8 bytes, the lowest
    /// first.
    pub hash: String,
}

/// A call, as it is signed for.
#[derive(Clone, Copy, Debug)]
pub struct SignedCall<'a> {
    /// The public key of the actor that calls.
    pub origin: &'a str,
    /// The binding, as `default`.
    pub binding: &'a str,
    /// The contract, as `wascc:keyvalue`, or the called actor's public key or alias.
    pub namespace: &'a str,
    /// The operation, as `Get`.
    pub operation: &'a str,
    /// The request.
    pub payload: &'a [u8],
}

/// Signs for calls, with a key of its own: a server's (`N…`), made when it is, and never shown.
pub struct Notary {
    server: KeyPair,
    minted: AtomicU64,
    verified: AtomicU64,
}

/// Why a call's token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForgeryError {
    /// It is no token.
    #[error("the call's token is none: {0}")]
    Token(IdentityError),
    /// It is signed by somebody else, or changed.
    #[error("the call's token is not signed by this host")]
    Signature,
    /// It is too old, or from the future.
    #[error("the call's token is not valid now")]
    Validity,
    /// It is that of another call.
    #[error("the call's token is for {found}, and the call is {expected}")]
    Other {
        /// What the token is for.
        found: String,
        /// The call.
        expected: String,
    },
    /// The request is another one.
    #[error("the call's token is for another request")]
    Request,
}

/// How long a call's token is valid.
const LIFE: Duration = Duration::from_secs(30);

// === impl SignedCall ===

impl SignedCall<'_> {
    fn claims(&self) -> InvocationClaims {
        let Self { origin, binding, namespace, operation, payload } = self;
        let origin_url = format!("wasmbus://{origin}");
        let target_url = format!("wasmbus://{namespace}/{binding}/{operation}");
        let mut hash = Sha256::new();
        for part in [origin_url.as_bytes(), target_url.as_bytes(), payload] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let hash = data_encoding::HEXUPPER.encode(&hash.finalize());
        InvocationClaims { target_url, origin_url, hash }
    }
}

// === impl Notary ===

impl Default for Notary {
    fn default() -> Self {
        Self { server: KeyPair::new_server(), minted: AtomicU64::new(0), verified: AtomicU64::new(0) }
    }
}

impl Notary {
    /// How many tokens were minted.
    #[must_use]
    pub fn minted(&self) -> u64 {
        self.minted.load(Ordering::Relaxed)
    }

    /// How many tokens were verified.
    #[must_use]
    pub fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    /// A token for a call.
    ///
    /// # Errors
    /// When it cannot be signed, which a notary's own key does not let happen.
    pub fn mint(&self, call: &SignedCall<'_>, now: SystemTime) -> Result<String, IdentityError> {
        let issued = unix_seconds(now);
        let claims = Claims {
            exp: Some(issued + LIFE.as_secs()),
            iat: issued,
            nbf: None,
            ..Claims::new(&self.server, &self.server, call.claims())
        };
        let token = token::encode(&claims, &self.server)?;
        self.minted.fetch_add(1, Ordering::Relaxed);
        Ok(token)
    }

    /// Checks a call's token: its signature, that it is valid now, and that it is of this very call.
    ///
    /// # Errors
    /// When any of that is not so.
    pub fn verify(&self, token: &str, call: &SignedCall<'_>, now: SystemTime) -> Result<(), ForgeryError> {
        let parts = Parts::of(token.as_bytes()).map_err(ForgeryError::Token)?;
        if !parts.is_signed_by(&self.server) {
            return Err(ForgeryError::Signature);
        }
        let claims: Claims<InvocationClaims> = parts.claims().map_err(ForgeryError::Token)?;
        if claims.validity(now) != Validity::Valid || claims.exp.is_none() {
            return Err(ForgeryError::Validity);
        }
        let (found, expected) = (claims.wascap, call.claims());
        if (&found.origin_url, &found.target_url) != (&expected.origin_url, &expected.target_url) {
            let name = |claims: &InvocationClaims| format!("{} by {}", claims.target_url, claims.origin_url);
            return Err(ForgeryError::Other { found: name(&found), expected: name(&expected) });
        }
        if found.hash != expected.hash {
            return Err(ForgeryError::Request);
        }
        self.verified.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
