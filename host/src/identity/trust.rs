//! Whom a host trusts, and the tokens that extend trust from operators to modules.

use std::collections::{BTreeMap, HashSet};
use std::time::SystemTime;

use super::claims::unix_seconds;
use super::sections::Sections;
use super::verify::{check, verify_by};
use super::{
    Chain, Claims, IdentityError, KeyKind, Link, LinkError, SignerClaims, Token, TrustedIssuers, Validity,
    Verified, Voucher, token,
};

/// Whom a host trusts. The default trusts nobody.
///
/// A module is believed when an account among `issuers` signed it itself, or through a chain of tokens: one of the
/// `operators` names, in its own token, the key that signed an account's token, and that account names the key that
/// signed the module. To name is to have as one's own key or among one's valid signers. A token about an account in
/// `issuers` lends it no further signers unless a trusted operator stands behind that token: anybody can write one.
///
/// ```
/// use std::time::SystemTime;
/// use pillion_host::identity::{self, ActorClaims, Claims, KeyPair, SignerClaims, Trust};
///
/// let (operator, account, module) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_module());
/// let body = SignerClaims::default();
/// let mut trust = Trust::default();
/// trust.operators.insert(operator.public_key());
/// trust.add(identity::issue(&Claims::new(&operator, &operator, body.clone()), &operator)?.as_bytes())?;
/// trust.add(identity::issue(&Claims::new(&operator, &account, body), &operator)?.as_bytes())?;
///
/// let claims = Claims::new(&account, &module, ActorClaims::default());
/// let signed = identity::sign(b"\0asm\x01\0\0\0", claims, &account)?;
/// assert_eq!(trust.verify(&signed, SystemTime::now())?.claims.sub, module.public_key());
/// # Ok::<(), identity::IdentityError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The accounts (`A…`) whose own signature under a module is enough.
    pub issuers: TrustedIssuers,
    /// The operators (`O…`) whose word about accounts is taken.
    pub operators: HashSet<String>,
    /// Properly signed tokens of operators and of accounts; at most one per subject and issuer, its latest word.
    accounts: Words,
    operator_tokens: Words,
}

/// Tokens by subject and issuer.
type Words = BTreeMap<(String, String), Claims<SignerClaims>>;

// === impl Trust ===

impl From<TrustedIssuers> for Trust {
    fn from(issuers: TrustedIssuers) -> Self {
        Self { issuers, ..Self::default() }
    }
}

impl Trust {
    /// Takes a token of an account or an operator to build chains of. It is no trust in itself: anybody can write one.
    ///
    /// Of two tokens by one issuer about one subject the one issued later counts, whatever their order here: so an
    /// issuer withdraws a signer. Among those of the same second it is the one added last.
    ///
    /// # Errors
    /// When the token is not properly signed, or is that of a module or a cluster, which vouch for nobody.
    pub fn add(&mut self, token: &[u8]) -> Result<(), IdentityError> {
        let (words, claims) = match Token::decode(token)? {
            Token::Account(claims) => (&mut self.accounts, claims),
            Token::Operator(claims) => (&mut self.operator_tokens, claims),
            Token::Module(Claims { sub, .. }) | Token::Cluster(Claims { sub, .. }) => {
                return Err(IdentityError::Key {
                    field: "sub",
                    expected: "the public key of an account (A…) or an operator (O…), who vouch for others",
                    found: sub,
                });
            }
        };
        let place = (claims.sub.clone(), claims.iss.clone());
        if words.get(&place).is_none_or(|known| known.iat <= claims.iat) {
            words.insert(place, claims);
        }
        Ok(())
    }

    /// Checks all there is to check about a module at that time.
    ///
    /// # Errors
    /// With the first check that fails; of a broken chain, with the link nearest to the root that does not hold.
    pub fn verify(&self, wasm: &[u8], now: SystemTime) -> Result<Verified, IdentityError> {
        verify_by(wasm, now, |claims| self.believe(claims, now))
    }

    /// The chain of a module, with what there is to say about each link at that time. It is unbroken exactly when
    /// [`Trust::verify`] believes the module.
    ///
    /// # Errors
    /// When the module's own token cannot be read or is not properly signed, so that there is nothing to tell.
    pub fn module_chain(&self, wasm: &[u8], now: SystemTime) -> Result<Chain, IdentityError> {
        let sections = Sections::parse(wasm)?;
        let claims = token::decode(sections.token()?)?;
        let above = self.account(&claims.iss, now);
        let voucher = above.voucher(&claims.iss);
        let verdict = check(&claims, &sections.without_tokens(), now).map(|()| voucher);
        Ok(above.and(Link {
            kind: KeyKind::Module,
            key: claims.sub,
            name: claims.wascap.name,
            issuer: Some(claims.iss),
            verdict,
        }))
    }

    /// The chain of a token of an account, an operator or a cluster, as [`Trust::module_chain`] of a module.
    ///
    /// # Errors
    /// When the token cannot be read or is not properly signed, or is that of a module: without its module there is
    /// no telling whether it fits.
    pub fn token_chain(&self, token: &[u8], now: SystemTime) -> Result<Chain, IdentityError> {
        match Token::decode(token)? {
            Token::Account(claims) => Ok(self.chain_to(KeyKind::Account, &claims, now)),
            Token::Operator(claims) => Ok(self.chain_to(KeyKind::Operator, &claims, now)),
            Token::Cluster(claims) => Ok(self.chain_to(KeyKind::Cluster, &claims, now)),
            Token::Module(_) => Err(IdentityError::NotAModule(
                "it is a module's token alone; give the module that carries it".to_owned(),
            )),
        }
    }

    /// Whether the account is believed that signed a module with these claims.
    ///
    /// # Errors
    /// With the link of its chain nearest to the root that does not hold.
    pub(crate) fn believe(&self, claims: &Claims, now: SystemTime) -> Result<(), IdentityError> {
        self.account(&claims.iss, now).broken().map_or(Ok(()), |broken| Err(broken.clone()))
    }

    /// The chain down to the account that stands behind the key that signed a module.
    fn account(&self, issuer: &str, now: SystemTime) -> Chain {
        let lone = |verdict| Link {
            kind: KeyKind::Account,
            key: issuer.to_owned(),
            name: None,
            issuer: None,
            verdict,
        };
        if self.issuers.contains(issuer) {
            return Chain { links: vec![lone(Ok(Voucher::TrustedIssuer))] };
        }
        if self.operators.is_empty() {
            return Chain { links: vec![lone(Err(IdentityError::Untrusted(issuer.to_owned())))] };
        }
        self.chain_to_signer(KeyKind::Account, issuer, now)
    }

    /// The chain down to an account or operator that names a key: an unbroken one if there is any, else the one of
    /// which most holds.
    fn chain_to_signer(&self, kind: KeyKind, signer: &str, now: SystemTime) -> Chain {
        let words = if kind == KeyKind::Operator { &self.operator_tokens } else { &self.accounts };
        let mut best: Option<Chain> = None;
        for claims in words.values().filter(|claims| claims.names(signer)) {
            let chain = self.chain_to(kind, claims, now);
            if chain.broken().is_none() {
                return chain;
            }
            if best.as_ref().is_none_or(|best| best.holding() < chain.holding()) {
                best = Some(chain);
            }
        }
        best.unwrap_or_else(|| {
            let key = signer.to_owned();
            let broken = IdentityError::Link { kind, key: key.clone(), reason: LinkError::Missing };
            Chain { links: vec![Link { kind, key, name: None, issuer: None, verdict: Err(broken) }] }
        })
    }

    /// The chain down to the subject of a properly signed token.
    fn chain_to(&self, kind: KeyKind, claims: &Claims<SignerClaims>, now: SystemTime) -> Chain {
        let (above, voucher) = if kind == KeyKind::Operator {
            (Chain { links: Vec::new() }, Voucher::TrustedOperator)
        } else {
            let above = self.chain_to_signer(KeyKind::Operator, &claims.iss, now);
            let voucher = above.voucher(&claims.iss);
            (above, voucher)
        };
        let wrong = match claims.validity(now) {
            _ if kind == KeyKind::Operator && !self.operators.contains(&claims.sub) => {
                Some(LinkError::Untrusted)
            }
            Validity::Valid => None,
            Validity::Expired { expired } => Some(LinkError::Expired { expired, now: unix_seconds(now) }),
            Validity::NotYet { valid_from } => {
                Some(LinkError::NotYetValid { valid_from, now: unix_seconds(now) })
            }
        };
        let key = claims.sub.clone();
        let verdict = match wrong {
            None => Ok(voucher),
            Some(reason) => Err(IdentityError::Link { kind, key: key.clone(), reason }),
        };
        above.and(Link {
            kind,
            key,
            name: claims.wascap.name.clone(),
            issuer: Some(claims.iss.clone()),
            verdict,
        })
    }
}
