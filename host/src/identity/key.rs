//! The kinds of keys that identity knows, and reading keys of the right kind.

use std::fmt;

use nkeys::{KeyPair, KeyPairType};
use serde::Serialize;

use super::IdentityError;

/// Whom a key belongs to. The kinds are ordered from the root of a chain to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// An operator (`O…`) vouches for accounts and clusters.
    Operator,
    /// A cluster (`C…`) of hosts.
    Cluster,
    /// An account (`A…`) vouches for modules.
    Account,
    /// A module (`M…`).
    Module,
}

// === impl KeyKind ===

impl fmt::Display for KeyKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl KeyKind {
    /// The kind's name, in small letters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Cluster => "cluster",
            Self::Account => "account",
            Self::Module => "module",
        }
    }

    /// The kind of an encoded public key, or `None` if it is not a key of any of these kinds.
    #[must_use]
    pub fn of(public_key: &str) -> Option<Self> {
        let kind = read(public_key)?.key_pair_type();
        [Self::Operator, Self::Cluster, Self::Account, Self::Module]
            .into_iter()
            .find(|known| known.of_nkeys() == kind)
    }

    /// A new key pair, from the system's random numbers.
    #[must_use]
    pub fn generate(self) -> KeyPair {
        KeyPair::new(self.of_nkeys())
    }

    /// Reads an encoded public key of this kind. It can verify, but not sign.
    ///
    /// # Errors
    /// When it is not such a key; the error calls it `field`.
    pub fn public_key(self, field: &'static str, key: &str) -> Result<KeyPair, IdentityError> {
        read(key).filter(|pair| pair.key_pair_type() == self.of_nkeys()).ok_or_else(|| IdentityError::Key {
            field,
            expected: self.expected(),
            found: key.to_owned(),
        })
    }

    /// Reads an encoded seed (`S…`) of this kind.
    ///
    /// # Errors
    /// When it is not such a seed. The error does not repeat it.
    pub fn from_seed(self, seed: &str) -> Result<KeyPair, IdentityError> {
        KeyPair::from_seed(seed)
            .ok()
            .filter(|pair| pair.key_pair_type() == self.of_nkeys())
            // nkeys takes a seed of an unknown kind for an operator's; written again it is another one.
            .filter(|pair| pair.seed().is_ok_and(|again| zeroize::Zeroizing::new(again).as_str() == seed))
            .ok_or(IdentityError::Seed(self))
    }

    fn of_nkeys(self) -> KeyPairType {
        match self {
            Self::Operator => KeyPairType::Operator,
            Self::Cluster => KeyPairType::Cluster,
            Self::Account => KeyPairType::Account,
            Self::Module => KeyPairType::Module,
        }
    }

    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Operator => "the public key of an operator (O…)",
            Self::Cluster => "the public key of a cluster (C…)",
            Self::Account => "the public key of an account (A…)",
            Self::Module => "the public key of a module (M…)",
        }
    }
}

fn read(key: &str) -> Option<KeyPair> {
    /// The length of every encoded public key: prefix, 32 bytes and checksum in base32.
    const LENGTH: usize = 56;
    Some(key).filter(|key| key.len() == LENGTH).and_then(|key| KeyPair::from_public_key(key).ok())
}
