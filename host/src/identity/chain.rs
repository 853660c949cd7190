//! The chain of who vouches for whom, with a verdict on each link.

use serde::Serialize;

use super::{IdentityError, KeyKind};

/// Who vouches for whom: from the root, down to the subject that was asked about, which is the last link.
///
/// A broken chain is a chain too: it shows which links hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The links, the root first. There is at least one.
    pub links: Vec<Link>,
}

/// One party of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is.
    pub kind: KeyKind,
    /// Its public key. Where nobody is known who has the key, it is the key that signed the next link.
    pub key: String,
    /// Its name for people, if its token says one.
    pub name: Option<String>,
    /// The key that signed its token; `None` where it has none.
    pub issuer: Option<String>,
    /// On whose word it stands, or why it does not. Whether the links above hold is theirs to tell.
    pub verdict: Result<Voucher, IdentityError>,
}

/// On whose word a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Voucher {
    /// It is an operator that is trusted, and its token is its own.
    TrustedOperator,
    /// It is an account whose own signature is trusted; no token is asked for.
    TrustedIssuer,
    /// The link above signed with its own key.
    OwnKey,
    /// One of the valid signers of the link above signed.
    ValidSigner,
}

// === impl Chain ===

impl Chain {
    /// Why the chain is broken: the first link from the root that does not hold.
    #[must_use]
    pub fn broken(&self) -> Option<&IdentityError> {
        self.links.iter().find_map(|link| link.verdict.as_ref().err())
    }

    /// How many links hold.
    pub(super) fn holding(&self) -> usize {
        self.links.iter().filter(|link| link.verdict.is_ok()).count()
    }

    /// On whose word something stands that this key signed below the chain.
    pub(super) fn voucher(&self, issuer: &str) -> Voucher {
        match self.links.last() {
            Some(link) if link.key != issuer => Voucher::ValidSigner,
            _ => Voucher::OwnKey,
        }
    }

    /// The chain with one link more.
    pub(super) fn and(mut self, link: Link) -> Self {
        self.links.push(link);
        self
    }
}
