//! Who vouches for whom: operator → account → module.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pillion_host::identity::{
    self, ActorClaims, Claims, IdentityError, KeyKind, KeyPair, LinkError, SignerClaims, Trust,
    TrustedIssuers, Voucher,
};

use crate::guests::parse;

/// A chain before it is signed, to be broken.
struct Plan {
    operators: HashSet<String>,
    operator: Option<(Claims<SignerClaims>, KeyPair)>,
    account: Option<(Claims<SignerClaims>, KeyPair)>,
    module: (Claims, KeyPair),
}

/// The keys of a chain: the root's, the account's and the module's.
struct Keys {
    operator: KeyPair,
    account: KeyPair,
    module: KeyPair,
}

/// The second at which everything is looked at.
const NOW: u64 = 1_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn wasm() -> Vec<u8> {
    parse(r#"(module (memory (export "memory") 1))"#)
}

fn signers(keys: &[&KeyPair]) -> SignerClaims {
    let valid_signers = keys.iter().map(|key| key.public_key()).collect();
    SignerClaims { name: Some("somebody".to_owned()), valid_signers }
}

fn token(claims: &Claims<SignerClaims>, issuer: &KeyPair) -> String {
    identity::issue(claims, issuer).expect("it can be signed")
}

fn link(kind: KeyKind, key: &KeyPair, reason: LinkError) -> IdentityError {
    IdentityError::Link { kind, key: key.public_key(), reason }
}

// === impl Keys ===

impl Keys {
    fn new() -> Self {
        let [operator, account, module] =
            [KeyKind::Operator, KeyKind::Account, KeyKind::Module].map(KeyKind::generate);
        Self { operator, account, module }
    }

    /// The chain that holds.
    fn plan(&self) -> Plan {
        let operator = Claims::new(&self.operator, &self.operator, signers(&[]));
        let account = Claims::new(&self.operator, &self.account, signers(&[]));
        let module = Claims::new(&self.account, &self.module, ActorClaims::default());
        Plan {
            operators: [self.operator.public_key()].into(),
            operator: Some((operator, self.operator.clone())),
            account: Some((account, self.operator.clone())),
            module: (module, self.account.clone()),
        }
    }
}

// === impl Plan ===

impl Plan {
    fn trust(&self) -> Trust {
        let mut trust = Trust::default();
        trust.operators.clone_from(&self.operators);
        for (claims, issuer) in self.operator.iter().chain(&self.account) {
            trust.add(token(claims, issuer).as_bytes()).expect("it is properly signed");
        }
        trust
    }

    fn signed(&self) -> Vec<u8> {
        identity::sign(&wasm(), self.module.0.clone(), &self.module.1).expect("it can be signed")
    }

    fn operator(&mut self) -> &mut Claims<SignerClaims> {
        &mut self.operator.as_mut().expect("there is one").0
    }

    fn account(&mut self) -> &mut Claims<SignerClaims> {
        &mut self.account.as_mut().expect("there is one").0
    }
}

#[test]
fn a_chain_of_own_keys_holds() {
    let keys = Keys::new();
    let plan = keys.plan();
    let (trust, signed) = (plan.trust(), plan.signed());
    let verified = trust.verify(&signed, now()).expect("it is believed");
    assert_eq!(verified.claims.sub, keys.module.public_key());
    assert_eq!(verified.module, wasm());
    let chain = trust.module_chain(&signed, now()).expect("it is signed");
    assert_eq!(chain.broken(), None);
    let told: Vec<_> =
        chain.links.iter().map(|link| (link.kind, link.key.clone(), link.verdict.clone())).collect();
    assert_eq!(
        told,
        [
            (KeyKind::Operator, keys.operator.public_key(), Ok(Voucher::TrustedOperator)),
            (KeyKind::Account, keys.account.public_key(), Ok(Voucher::OwnKey)),
            (KeyKind::Module, keys.module.public_key(), Ok(Voucher::OwnKey)),
        ]
    );
}

#[test]
fn a_chain_of_valid_signers_holds() {
    let keys = Keys::new();
    let (deputy, clerk) = (KeyPair::new_operator(), KeyPair::new_account());
    let mut plan = keys.plan();
    plan.operator().wascap = signers(&[&KeyPair::new_operator(), &deputy]);
    plan.account = Some((Claims::new(&deputy, &keys.account, signers(&[&clerk])), deputy));
    plan.module = (Claims::new(&clerk, &keys.module, ActorClaims::default()), clerk);
    let (trust, signed) = (plan.trust(), plan.signed());
    trust.verify(&signed, now()).expect("it is believed");
    let chain = trust.module_chain(&signed, now()).expect("it is signed");
    let told: Vec<_> = chain.links.iter().map(|link| link.verdict.clone()).collect();
    assert_eq!(told, [Ok(Voucher::TrustedOperator), Ok(Voucher::ValidSigner), Ok(Voucher::ValidSigner)]);
}

/// waSCC's host looked at no account and no operator at all.
#[test]
fn defect_3_the_chain_is_walked_and_each_broken_link_is_named() {
    let keys = Keys::new();
    let (other_operator, other_account) = (KeyPair::new_operator(), KeyPair::new_account());
    let expired = || LinkError::Expired { expired: NOW, now: NOW };
    let not_yet = || LinkError::NotYetValid { valid_from: NOW + 1, now: NOW };
    type Break<'a> = Box<dyn Fn(&mut Plan) + 'a>;
    let cases: Vec<(&str, Break, IdentityError)> = vec![
        (
            "an operator that is not trusted",
            Box::new(|plan| plan.operators = [other_operator.public_key()].into()),
            link(KeyKind::Operator, &keys.operator, LinkError::Untrusted),
        ),
        (
            "no token of the operator",
            Box::new(|plan| plan.operator = None),
            link(KeyKind::Operator, &keys.operator, LinkError::Missing),
        ),
        (
            "an expired operator",
            Box::new(|plan| plan.operator().exp = Some(NOW)),
            link(KeyKind::Operator, &keys.operator, expired()),
        ),
        (
            "an operator of the future",
            Box::new(|plan| plan.operator().nbf = Some(NOW + 1)),
            link(KeyKind::Operator, &keys.operator, not_yet()),
        ),
        (
            "an account by a stranger",
            Box::new(|plan| {
                let claims = Claims::new(&other_operator, &keys.account, signers(&[]));
                plan.account = Some((claims, other_operator.clone()));
            }),
            link(KeyKind::Operator, &other_operator, LinkError::Missing),
        ),
        (
            "no token of the account",
            Box::new(|plan| plan.account = None),
            link(KeyKind::Account, &keys.account, LinkError::Missing),
        ),
        (
            "an expired account",
            Box::new(|plan| plan.account().exp = Some(NOW)),
            link(KeyKind::Account, &keys.account, expired()),
        ),
        (
            "an account of the future",
            Box::new(|plan| plan.account().nbf = Some(NOW + 1)),
            link(KeyKind::Account, &keys.account, not_yet()),
        ),
        (
            "a module by a key that the account does not name",
            Box::new(|plan| {
                let claims = Claims::new(&other_account, &keys.module, ActorClaims::default());
                plan.module = (claims, other_account.clone());
            }),
            link(KeyKind::Account, &other_account, LinkError::Missing),
        ),
        (
            "an expired module",
            Box::new(|plan| plan.module.0.exp = Some(NOW)),
            IdentityError::Expired { expired: NOW, now: NOW },
        ),
        (
            "a module of the future",
            Box::new(|plan| plan.module.0.nbf = Some(NOW + 1)),
            IdentityError::NotYetValid { valid_from: NOW + 1, now: NOW },
        ),
    ];
    for (what, breaks, expected) in cases {
        let mut plan = keys.plan();
        breaks(&mut plan);
        let (trust, signed) = (plan.trust(), plan.signed());
        assert_eq!(trust.verify(&signed, now()).map(drop), Err(expected.clone()), "{what}");
        let chain = trust.module_chain(&signed, now()).expect("the module's own token can be read");
        assert_eq!(chain.broken(), Some(&expected), "{what}");
        assert_eq!(chain.links.iter().filter(|link| link.verdict.is_err()).count(), 1, "{what}: {chain:?}");
        if let IdentityError::Link { key, .. } = &expected {
            let said = expected.to_string();
            assert!(said.contains(&**key), "{said}");
            assert!(["add", "have", "wait"].iter().any(|remedy| said.contains(remedy)), "{said}");
        }
    }
}

#[test]
fn a_changed_module_breaks_its_own_link() {
    let plan = Keys::new().plan();
    let signed = plan.signed();
    let changed = identity::embed(&signed, "name", b"");
    let refused = plan.trust().verify(&changed, now()).map(drop);
    assert!(matches!(refused, Err(IdentityError::Hash { .. })), "{refused:?}");
    let chain = plan.trust().module_chain(&changed, now()).expect("it is signed");
    assert_eq!(chain.broken().cloned(), refused.err());
}

#[test]
fn several_broken_links_are_all_told_and_the_one_nearest_the_root_is_named() {
    let keys = Keys::new();
    let mut plan = keys.plan();
    plan.operator().exp = Some(NOW);
    plan.account().exp = Some(NOW);
    plan.module.0.exp = Some(NOW);
    let chain = plan.trust().module_chain(&plan.signed(), now()).expect("it is signed");
    assert!(chain.links.iter().all(|link| link.verdict.is_err()), "{chain:?}");
    let expired = LinkError::Expired { expired: NOW, now: NOW };
    assert_eq!(chain.broken(), Some(&link(KeyKind::Operator, &keys.operator, expired)));
}

#[test]
fn a_strangers_token_about_a_trusted_account_lends_it_no_signers() {
    let keys = Keys::new();
    let (stranger, intruder) = (KeyPair::new_operator(), KeyPair::new_account());
    let mut trust = Trust::from(TrustedIssuers::from([keys.account.public_key()]));
    let own = Claims::new(&stranger, &stranger, signers(&[]));
    trust.add(token(&own, &stranger).as_bytes()).expect("it is properly signed");
    let about = Claims::new(&stranger, &keys.account, signers(&[&intruder]));
    trust.add(token(&about, &stranger).as_bytes()).expect("it is properly signed");

    let claims = Claims::new(&intruder, &keys.module, ActorClaims::default());
    let signed = identity::sign(&wasm(), claims, &intruder).expect("it can be signed");
    let refused = trust.verify(&signed, now()).map(drop);
    assert_eq!(refused, Err(IdentityError::Untrusted(intruder.public_key())));
    // Neither does it when there is somebody else whose chains are believed.
    trust.operators.insert(keys.operator.public_key());
    let refused = trust.verify(&signed, now()).map(drop);
    assert_eq!(refused, Err(link(KeyKind::Operator, &stranger, LinkError::Untrusted)));
    // The account itself is trusted as before.
    trust.verify(&keys.plan().signed(), now()).expect("it is believed");
}

#[test]
fn a_chain_that_holds_is_found_beside_broken_ones() {
    let keys = Keys::new();
    let plan = keys.plan();
    let signed = plan.signed();
    // Strangers that are ordered before and after the operator say the same of the account, or claim its key.
    let mut trust = plan.trust();
    for _ in 0..8 {
        let (stranger, account) = (KeyPair::new_operator(), KeyPair::new_account());
        let about = [
            Claims::new(&stranger, &stranger, signers(&[&keys.operator])),
            Claims::new(&stranger, &keys.account, signers(&[])),
            Claims::new(&stranger, &account, signers(&[&keys.account])),
        ];
        for claims in about {
            trust.add(token(&claims, &stranger).as_bytes()).expect("it is properly signed");
        }
    }
    trust.verify(&signed, now()).expect("it is believed");
    let chain = trust.module_chain(&signed, now()).expect("it is signed");
    assert_eq!(chain.links[0].key, keys.operator.public_key());
    assert_eq!(chain.links[1].key, keys.account.public_key());
}

#[test]
fn an_issuers_latest_word_counts_whatever_the_order() {
    let keys = Keys::new();
    let clerk = KeyPair::new_account();
    let mut plan = keys.plan();
    plan.module = (Claims::new(&clerk, &keys.module, ActorClaims::default()), clerk.clone());
    let signed = plan.signed();
    let of = |iat, body| {
        token(&Claims { iat, ..Claims::new(&keys.operator, &keys.account, body) }, &keys.operator)
    };
    let (granted, withdrawn) = (of(1, signers(&[&clerk])), of(2, signers(&[])));
    for order in [[&granted, &withdrawn], [&withdrawn, &granted]] {
        plan.account = None;
        let mut trust = plan.trust();
        trust.add(granted.as_bytes()).expect("it is properly signed");
        trust.verify(&signed, now()).expect("the clerk is a valid signer");
        let mut trust = plan.trust();
        for token in order {
            trust.add(token.as_bytes()).expect("it is properly signed");
        }
        let refused = trust.verify(&signed, now()).map(drop);
        assert_eq!(refused, Err(link(KeyKind::Account, &clerk, LinkError::Missing)));
    }
}

#[test]
fn trust_in_issuers_alone_says_what_verify_says() {
    let keys = Keys::new();
    let good = keys.plan().signed();
    let mut late = keys.plan();
    late.module.0.exp = Some(NOW);
    let cases = [
        good.clone(),
        late.signed(),
        identity::embed(&good, "name", b""),
        wasm(),
        good[..good.len() - 1].to_vec(),
    ];
    let trusted: TrustedIssuers = [keys.account.public_key()].into();
    for issuers in [trusted, TrustedIssuers::new()] {
        let trust = Trust::from(issuers.clone());
        for wasm in &cases {
            let expected = identity::verify(wasm, &issuers, now()).map(|verified| verified.claims);
            assert_eq!(trust.verify(wasm, now()).map(|verified| verified.claims), expected);
            if let Ok(chain) = trust.module_chain(wasm, now()) {
                assert_eq!(chain.broken(), expected.as_ref().err());
            }
        }
    }
}

#[test]
fn a_cluster_stands_on_its_operator() {
    let keys = Keys::new();
    let plan = keys.plan();
    let cluster = KeyPair::new_cluster();
    let claims = Claims::new(&keys.operator, &cluster, signers(&[&KeyPair::new_cluster()]));
    let token = token(&claims, &keys.operator);
    let chain = plan.trust().token_chain(token.as_bytes(), now()).expect("it is properly signed");
    assert_eq!(chain.broken(), None);
    assert_eq!(chain.links.last().map(|link| link.kind), Some(KeyKind::Cluster));
    let chain = Trust::default().token_chain(token.as_bytes(), now()).expect("it is properly signed");
    assert_eq!(chain.broken(), Some(&link(KeyKind::Operator, &keys.operator, LinkError::Missing)));
}

#[test]
fn only_accounts_and_operators_vouch() {
    let keys = Keys::new();
    let mut trust = Trust::default();
    let cluster = Claims::new(&keys.operator, &KeyPair::new_cluster(), signers(&[]));
    let signed = keys.plan().signed();
    let start = signed.windows(2).position(|bytes| bytes == b"ey").expect("a token");
    for token in [token(&cluster, &keys.operator).into_bytes(), signed[start..].to_vec()] {
        let refused = trust.add(&token);
        assert!(matches!(refused, Err(IdentityError::Key { field: "sub", .. })), "{refused:?}");
    }
    let refused = trust.token_chain(&signed[start..], now());
    assert!(matches!(refused, Err(IdentityError::NotAModule(_))), "{refused:?}");
}
