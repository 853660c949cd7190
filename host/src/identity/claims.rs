//! What a token says.

use std::time::{SystemTime, UNIX_EPOCH};

use nkeys::KeyPair;
use serde::{Deserialize, Serialize};

/// What a token says: who vouches for whom, for what, and for how long.
///
/// `Body` is what it says about its subject: [`ActorClaims`] of a module, [`SignerClaims`] of an account, an operator
/// or a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims<Body = ActorClaims> {
    /// The end of the validity, in Unix seconds; no end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
    /// The token's own id.
    pub jti: String,
    /// When it was issued, in Unix seconds.
    pub iat: u64,
    /// The public key that signed it: of an account (`A…`) for a module, of an operator (`O…`) for all others.
    pub iss: String,
    /// The public key of the module, account, operator or cluster that it is about.
    pub sub: String,
    /// The begin of the validity, in Unix seconds; from ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// What it says about its subject.
    pub wascap: Body,
    /// The format's revision, as later signers write it. It changes no check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wascap_revision: Option<u32>,
}

/// What a token says about an actor's module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorClaims {
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The upper-case hexadecimal SHA-256 of the module without its token. Signing fills it in.
    pub hash: String,
    /// Tags, for looking actors up.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The capabilities it is granted, as `wascc:keyvalue`.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<String>,
    /// The module's revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<i32>,
    /// The module's version, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ver: Option<String>,
    /// Whether the module is a capability provider rather than an actor.
    #[serde(default)]
    pub prov: bool,
    /// Another name under which actors may call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_alias: Option<String>,
}

/// What a token says about an account, an operator or a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignerClaims {
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Further keys, of the same kind as the subject's, that may sign in its name.
    #[serde(default, deserialize_with = "list_or_null", skip_serializing_if = "Vec::is_empty")]
    pub valid_signers: Vec<String>,
}

/// How a token stands to a point in time. All are Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is valid.
    Valid,
    /// Its validity has not begun.
    NotYet {
        /// The first second that is valid.
        valid_from: u64,
    },
    /// Its validity is over.
    Expired {
        /// The first second that is not valid any more.
        expired: u64,
    },
}

// === impl Claims ===

impl<Body> Claims<Body> {
    /// Claims of `issuer` about `subject`, issued now, valid from now on for ever. Public keys are enough.
    #[must_use]
    pub fn new(issuer: &KeyPair, subject: &KeyPair, body: Body) -> Self {
        Self {
            exp: None,
            jti: nuid::next().to_string(),
            iat: unix_seconds(SystemTime::now()),
            iss: issuer.public_key(),
            sub: subject.public_key(),
            nbf: None,
            wascap: body,
            wascap_revision: None,
        }
    }

    /// Whether the claims are valid at that time.
    #[must_use]
    pub fn validity(&self, now: SystemTime) -> Validity {
        let now = unix_seconds(now);
        if let Some(expired) = self.exp.filter(|end| *end <= now) {
            Validity::Expired { expired }
        } else if let Some(valid_from) = self.nbf.filter(|begin| *begin > now) {
            Validity::NotYet { valid_from }
        } else {
            Validity::Valid
        }
    }
}

impl Claims<SignerClaims> {
    /// Whether that key may sign in the subject's name: it is the subject's own, or one of its valid signers.
    pub(super) fn names(&self, key: &str) -> bool {
        self.sub == key || self.wascap.valid_signers.iter().any(|signer| signer == key)
    }
}

/// Whole seconds since 1970.
pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Signers write `null` for a list that is not there.
fn list_or_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
