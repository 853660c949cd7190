//! The token: `header.claims.signature`, each base64url without padding, signed with Ed25519.

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{ActorClaims, Claims, IdentityError, KeyKind, LinkError, SignerClaims};

/// The only header there is.
const HEADER: &str = r#"{"typ":"jwt","alg":"Ed25519"}"#;

/// What a token says, by the kind of its subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Token {
    /// An account vouches for a module.
    Module(Claims<ActorClaims>),
    /// An operator vouches for an account.
    Account(Claims<SignerClaims>),
    /// An operator says who it is; nobody vouches for it.
    Operator(Claims<SignerClaims>),
    /// An operator vouches for a cluster.
    Cluster(Claims<SignerClaims>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
}

/// All that must be read of claims before it is known which they are.
#[derive(Deserialize)]
struct Subject {
    sub: String,
}

/// A token taken apart. Its header is the one known; its claims are believed by nobody yet.
pub(super) struct Parts<'a> {
    /// Header and claims as they were signed.
    signed: &'a str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

/// Signs what is said about an account, an operator or a cluster. Modules are signed by [`super::sign`].
///
/// # Errors
/// When the key is not the claims' issuer or holds no seed, when the issuer or a valid signer is of a kind that has no
/// say about the subject, or when an operator's claims are not issued by itself.
pub fn issue(claims: &Claims<SignerClaims>, issuer: &KeyPair) -> Result<String, IdentityError> {
    let cannot = IdentityError::CannotSign;
    if claims.iss != issuer.public_key() {
        return Err(cannot(format!(
            "the claims' issuer is {}, and the key is that of {}; it must be the issuer's",
            claims.iss,
            issuer.public_key()
        )));
    }
    let Some(kind) = KeyKind::of(&claims.sub).filter(|kind| *kind != KeyKind::Module) else {
        let sub = &claims.sub;
        return Err(cannot(format!("{sub:?} is not the public key of an account, an operator or a cluster")));
    };
    if let Some(signer) = claims.wascap.valid_signers.iter().find(|key| KeyKind::of(key) != Some(kind)) {
        let expected = kind.expected();
        return Err(cannot(format!("the valid signer {signer:?} must be {expected}, as the subject is")));
    }
    check_issuer(kind, claims).map_err(|error| cannot(error.to_string()))?;
    encode(claims, issuer)
}

/// Signs claims as they are.
pub(super) fn encode<Body: Serialize>(
    claims: &Claims<Body>,
    issuer: &KeyPair,
) -> Result<String, IdentityError> {
    let cannot = |reason: String| IdentityError::CannotSign(reason);
    let body = serde_json::to_vec(claims).map_err(|error| cannot(error.to_string()))?;
    let mut token = BASE64URL_NOPAD.encode(HEADER.as_bytes());
    token.push('.');
    token.push_str(&BASE64URL_NOPAD.encode(&body));
    let signature = issuer.sign(token.as_bytes()).map_err(|error| cannot(error.to_string()))?;
    token.push('.');
    token.push_str(&BASE64URL_NOPAD.encode(&signature));
    Ok(token)
}

/// Reads the token of a module; its claims are believed by nobody until its signature was checked, which this does.
pub(super) fn decode(token: &[u8]) -> Result<Claims, IdentityError> {
    Parts::of(token)?.module()
}

/// An operator signs its own token, and those of accounts and clusters.
fn check_issuer(kind: KeyKind, claims: &Claims<SignerClaims>) -> Result<KeyPair, IdentityError> {
    let issuer = KeyKind::Operator.public_key("iss", &claims.iss)?;
    if kind == KeyKind::Operator && claims.iss != claims.sub {
        return Err(IdentityError::Key {
            field: "iss",
            expected: "the operator's own key, as in `sub`: an operator signs for itself",
            found: claims.iss.clone(),
        });
    }
    Ok(issuer)
}

// === impl Token ===

impl Token {
    /// Reads a token of any kind, its header, the kinds of its keys and its signature checked, but neither trust nor
    /// validity: for looking at it. [`super::Trust`] tells whether to believe it.
    ///
    /// # Errors
    /// When it is malformed, or not properly signed by an issuer of the right kind.
    pub fn decode(token: &[u8]) -> Result<Self, IdentityError> {
        let parts = Parts::of(token)?;
        let Subject { sub } = parts.claims()?;
        match KeyKind::of(&sub) {
            Some(KeyKind::Module) => parts.module().map(Self::Module),
            Some(KeyKind::Account) => parts.signer(KeyKind::Account).map(Self::Account),
            Some(KeyKind::Operator) => parts.signer(KeyKind::Operator).map(Self::Operator),
            Some(KeyKind::Cluster) => parts.signer(KeyKind::Cluster).map(Self::Cluster),
            None => Err(IdentityError::Key {
                field: "sub",
                expected: "the public key of a module (M…), an account (A…), an operator (O…) or a cluster (C…)",
                found: sub,
            }),
        }
    }

    /// What the token is about.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::Module(_) => KeyKind::Module,
            Self::Account(_) => KeyKind::Account,
            Self::Operator(_) => KeyKind::Operator,
            Self::Cluster(_) => KeyKind::Cluster,
        }
    }
}

// === impl Parts ===

impl<'a> Parts<'a> {
    pub(super) fn of(token: &'a [u8]) -> Result<Self, IdentityError> {
        let malformed = |reason: &str| IdentityError::Malformed(reason.to_owned());
        let token = std::str::from_utf8(token).map_err(|_| malformed("it is not text"))?;
        let (signed, signature) = token.rsplit_once('.').ok_or_else(|| malformed("it has no signature"))?;
        let (header, claims) = signed.split_once('.').ok_or_else(|| malformed("it has no claims"))?;
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
        Ok(Self { signed, claims: part(claims, "claims")?, signature: part(signature, "signature")? })
    }

    pub(super) fn claims<T: DeserializeOwned>(&self) -> Result<T, IdentityError> {
        serde_json::from_slice(&self.claims).map_err(|error| {
            IdentityError::Malformed(format!("its claims are not as they should be: {error}"))
        })
    }

    fn module(&self) -> Result<Claims, IdentityError> {
        let claims: Claims = self.claims()?;
        let account = KeyKind::Account.public_key("iss", &claims.iss)?;
        KeyKind::Module.public_key("sub", &claims.sub)?;
        if !self.is_signed_by(&account) {
            return Err(IdentityError::Signature(claims.iss));
        }
        Ok(claims)
    }

    fn signer(&self, kind: KeyKind) -> Result<Claims<SignerClaims>, IdentityError> {
        let claims: Claims<SignerClaims> = self.claims()?;
        let issuer = check_issuer(kind, &claims)?;
        if !self.is_signed_by(&issuer) {
            return Err(IdentityError::Link {
                kind,
                key: claims.sub,
                reason: LinkError::Signature(claims.iss),
            });
        }
        Ok(claims)
    }

    pub(super) fn is_signed_by(&self, issuer: &KeyPair) -> bool {
        issuer.verify(self.signed.as_bytes(), &self.signature).is_ok()
    }
}
