//! Why a module's identity is not believed.

use super::KeyKind;

/// Why a module's identity is not believed, or could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The bytes are no WebAssembly module.
    #[error("not a WebAssembly module: {0}")]
    NotAModule(String),
    /// The module carries no token.
    #[error("the module is not signed: it has neither a section `jwt` nor `wasmcloud_jwt`; sign it first")]
    Unsigned,
    /// The module carries more than one token.
    #[error("the module carries {0} tokens; exactly one is allowed: sign it anew, which replaces them all")]
    DuplicateToken(usize),
    /// The token is malformed.
    #[error("the token is malformed: {0}")]
    Malformed(String),
    /// The token's header is not the one there is.
    #[error("the token's header must be {{\"typ\":\"jwt\",\"alg\":\"Ed25519\"}}, not {0:?}")]
    Header(String),
    /// A key in the token is not of the kind that belongs there.
    #[error("the token's `{field}` must be {expected}, not {found:?}")]
    Key {
        /// `iss` or `sub`.
        field: &'static str,
        /// The kind that belongs there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// The signature is not that of the issuer over these claims.
    #[error("the token's signature is not that of its issuer {0}: the token was changed or forged")]
    Signature(String),
    /// The issuer is nobody this host trusts.
    #[error(
        "issuer {0} is not trusted by this host; add its public key to the trusted issuers if it should be"
    )]
    Untrusted(String),
    /// The validity is over.
    #[error("the token expired at {expired} (Unix seconds; now {now}); sign the module anew")]
    Expired {
        /// The end of the validity, in Unix seconds.
        expired: u64,
        /// The time of the check, in Unix seconds.
        now: u64,
    },
    /// The validity has not begun.
    #[error("the token is not valid before {valid_from} (Unix seconds; now {now})")]
    NotYetValid {
        /// The begin of the validity, in Unix seconds.
        valid_from: u64,
        /// The time of the check, in Unix seconds.
        now: u64,
    },
    /// The token was made for another module, or the module was changed.
    #[error(
        "the token is for a module with the hash {claimed:?}, but this one's is {actual}: it was changed"
    )]
    Hash {
        /// The hash in the claims.
        claimed: String,
        /// The hash of the module.
        actual: String,
    },
    /// The chain from a trusted operator to the subject is broken above the subject.
    #[error("the chain breaks at {kind} {key}: {reason}")]
    Link {
        /// The kind of the broken link.
        kind: KeyKind,
        /// The link's public key, or that of the signer whose link is missing.
        key: String,
        /// What is wrong with it.
        reason: LinkError,
    },
    /// A seed is not that of a key of this kind. The seed is not repeated.
    #[error(
        "this is not the seed (S…, 58 characters) of a key of kind {0}; `pillion module keygen {0}` makes one"
    )]
    Seed(KeyKind),
    /// The key given cannot sign these claims.
    #[error("cannot sign: {0}")]
    CannotSign(String),
}

/// What is wrong with a link of a chain, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No token at hand names the key, neither as its subject nor among its valid signers.
    #[error(
        "no token at hand names this key, neither as its own nor among its valid signers; \
         add the token that does, or have what it signed signed anew by a key that one names"
    )]
    Missing,
    /// The operator is nobody this host trusts.
    #[error("it is not a trusted operator; add its public key to the trusted operators if it should be")]
    Untrusted,
    /// The signature is not that of the issuer over these claims.
    #[error(
        "its token's signature is not that of its issuer {0}: the token was changed or forged; \
         get it anew from its issuer"
    )]
    Signature(String),
    /// The validity is over.
    #[error("its token expired at {expired} (Unix seconds; now {now}); have its issuer sign a new one")]
    Expired {
        /// The end of the validity, in Unix seconds.
        expired: u64,
        /// The time of the check, in Unix seconds.
        now: u64,
    },
    /// The validity has not begun.
    #[error(
        "its token is not valid before {valid_from} (Unix seconds; now {now}); wait, or add one that is valid"
    )]
    NotYetValid {
        /// The begin of the validity, in Unix seconds.
        valid_from: u64,
        /// The time of the check, in Unix seconds.
        now: u64,
    },
}
