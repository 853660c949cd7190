//! What a token says.

use std::time::{SystemTime, UNIX_EPOCH};

use nkeys::KeyPair;
use serde::{Deserialize, Serialize};

/// What a token says: whom an account vouches for, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The end of the validity, in Unix seconds; no end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
    /// The token's own id.
    pub jti: String,
    /// When it was issued, in Unix seconds.
    pub iat: u64,
    /// The public key of the account that issued it: `A…`.
    pub iss: String,
    /// The public key of the module it is about: `M…`.
    pub sub: String,
    /// The begin of the validity, in Unix seconds; from ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// What it says about the module.
    pub wascap: ActorClaims,
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

// === impl Claims ===

impl Claims {
    /// Claims of `account` about `module`, issued now, valid from now on for ever.
    #[must_use]
    pub fn new(account: &KeyPair, module: &KeyPair, actor: ActorClaims) -> Self {
        Self {
            exp: None,
            jti: nuid::next().to_string(),
            iat: unix_seconds(SystemTime::now()),
            iss: account.public_key(),
            sub: module.public_key(),
            nbf: None,
            wascap: actor,
            wascap_revision: None,
        }
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
