//! Tokens of accounts, operators and clusters, both ways.

use std::time::SystemTime;

use pillion_host::identity::{self, Claims, KeyKind, SignerClaims, Token, Trust};
use wascap::jwt::{self, Account, Cluster, Operator, validate_token};

use crate::both;

#[test]
fn tokens_signed_here_are_believed_there() {
    let (operator, _) = both(KeyKind::Operator);
    for kind in [KeyKind::Account, KeyKind::Operator, KeyKind::Cluster] {
        let subject = if kind == KeyKind::Operator { operator.clone() } else { kind.generate() };
        let signer = kind.generate().public_key();
        let body = SignerClaims { name: Some("ours".to_owned()), valid_signers: vec![signer.clone()] };
        let token = identity::issue(&Claims::new(&operator, &subject, body), &operator).unwrap();
        let (told, name, signers) = match kind {
            KeyKind::Account => {
                let read = jwt::Claims::<Account>::decode(&token).unwrap().metadata.unwrap();
                (validate_token::<Account>(&token), read.name, read.valid_signers)
            }
            KeyKind::Operator => {
                let read = jwt::Claims::<Operator>::decode(&token).unwrap().metadata.unwrap();
                (validate_token::<Operator>(&token), read.name, read.valid_signers)
            }
            _ => {
                let read = jwt::Claims::<Cluster>::decode(&token).unwrap().metadata.unwrap();
                (validate_token::<Cluster>(&token), read.name, read.valid_signers)
            }
        };
        let told = told.unwrap();
        assert!(told.signature_valid && !told.expired && !told.cannot_use_yet, "{kind}: {told:?}");
        assert_eq!(name.as_deref(), Some("ours"));
        assert_eq!(signers, Some(vec![signer]));
    }
}

#[test]
fn a_chain_signed_there_holds_here() {
    let (operator, their_operator) = both(KeyKind::Operator);
    let (deputy, their_deputy) = both(KeyKind::Operator);
    let account = KeyKind::Account.generate();
    let name = || "theirs".to_owned();
    let (root, clerk) = (operator.public_key(), KeyKind::Account.generate().public_key());

    let own = jwt::Claims::<Operator>::new(name(), root.clone(), root.clone(), vec![deputy.public_key()]);
    let about = (deputy.public_key(), account.public_key());
    let about = jwt::Claims::<Account>::new(name(), about.0, about.1, vec![clerk.clone()]);
    let cluster = KeyKind::Cluster.generate().public_key();
    let cluster = jwt::Claims::<Cluster>::new(name(), root.clone(), cluster, vec![]);
    let (own, about) = (own.encode(&their_operator).unwrap(), about.encode(&their_deputy).unwrap());

    let mut trust = Trust::default();
    trust.operators.insert(root);
    trust.add(own.as_bytes()).unwrap();
    for token in [own, about.clone(), cluster.encode(&their_operator).unwrap()] {
        let chain = trust.token_chain(token.as_bytes(), SystemTime::now()).unwrap();
        assert_eq!(chain.broken(), None);
        assert_eq!(chain.links.last().unwrap().name.as_deref(), Some("theirs"));
    }
    let Token::Account(read) = Token::decode(about.as_bytes()).unwrap() else { panic!("it is an account's") };
    assert_eq!(read.wascap.valid_signers, [clerk]);
}
