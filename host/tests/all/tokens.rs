//! Tokens of accounts, operators and clusters: what is signed and what is read.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use pillion_host::identity::{
    self, ActorClaims, Claims, IdentityError, JWT_SECTION, KeyKind, KeyPair, LinkError, SignerClaims, Token,
    WASMCLOUD_JWT_SECTION,
};

use crate::guests::parse;

const HEADER: &str = r#"{"typ":"jwt","alg":"Ed25519"}"#;

/// A token of this header and these claims, properly signed by whatever key.
pub(crate) fn signed_by(key: &KeyPair, header: &str, claims: &str) -> Vec<u8> {
    let [header, claims] = [header, claims].map(|part| BASE64URL_NOPAD.encode(part.as_bytes()));
    let signed = format!("{header}.{claims}");
    let signature = key.sign(signed.as_bytes()).expect("it can be signed");
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)).into_bytes()
}

fn claims(iss: &str, sub: &str) -> String {
    format!(r#"{{"jti":"x","iat":1,"iss":"{iss}","sub":"{sub}","wascap":{{"name":"n","valid_signers":[]}}}}"#)
}

fn decoded(token: &Token) -> &Claims<SignerClaims> {
    match token {
        Token::Account(claims) | Token::Operator(claims) | Token::Cluster(claims) => claims,
        Token::Module(_) => unreachable!("no module is asked for here"),
    }
}

#[test]
fn what_is_issued_is_what_is_read() {
    let operator = KeyPair::new_operator();
    for kind in [KeyKind::Account, KeyKind::Operator, KeyKind::Cluster] {
        let subject = if kind == KeyKind::Operator { operator.clone() } else { kind.generate() };
        for valid_signers in [vec![], vec![kind.generate().public_key(), kind.generate().public_key()]] {
            let body = SignerClaims { name: Some("name".to_owned()), valid_signers };
            let mut claims = Claims::new(&operator, &subject, body);
            (claims.nbf, claims.exp) = (Some(7), Some(9));
            let token = identity::issue(&claims, &operator).expect("it can be signed");
            let read = Token::decode(token.as_bytes()).expect("it is properly signed");
            assert_eq!(read.kind(), kind);
            assert_eq!(decoded(&read), &claims);
        }
    }
}

/// As the original signers wrote them: a list that is not there is `null` or absent, unknown fields are passed over.
#[test]
fn tokens_of_the_original_form_are_read() {
    let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
    for body in [
        r#"{"name":"a","valid_signers":null}"#,
        r#"{"name":"a"}"#,
        r#"{"name":"a","valid_signers":[],"x":{}}"#,
    ] {
        let claims = format!(
            r#"{{"jti":"DAqsxkrrRvcPTTzjDwRjHK","iat":1592226557,"iss":"{}","sub":"{}","wascap":{body},"wascap_revision":3}}"#,
            operator.public_key(),
            account.public_key()
        );
        let read = Token::decode(&signed_by(&operator, HEADER, &claims)).expect("it is properly signed");
        assert_eq!(decoded(&read).wascap, SignerClaims { name: Some("a".to_owned()), valid_signers: vec![] });
    }
}

#[test]
fn every_kind_of_token_is_signed_by_the_kind_that_has_the_say() {
    let keys =
        [KeyKind::Operator, KeyKind::Cluster, KeyKind::Account, KeyKind::Module].map(KeyKind::generate);
    for issuer in keys.iter().chain(&[KeyPair::new_user(), KeyPair::new_server(), KeyPair::new_service()]) {
        for (subject, kind) in keys.iter().zip([KeyKind::Operator, KeyKind::Cluster, KeyKind::Account]) {
            let (iss, sub) = (issuer.public_key(), subject.public_key());
            let read = Token::decode(&signed_by(issuer, HEADER, &claims(&iss, &sub)));
            if iss == keys[0].public_key() {
                assert_eq!(read.expect("it is the operator's").kind(), kind);
            } else {
                assert!(
                    matches!(read, Err(IdentityError::Key { field: "iss", .. })),
                    "{iss} {sub}: {read:?}"
                );
            }
        }
    }
}

#[test]
fn an_operator_signs_for_itself_and_nobody_for_it() {
    let (operator, other) = (KeyPair::new_operator(), KeyPair::new_operator());
    let token = signed_by(&other, HEADER, &claims(&other.public_key(), &operator.public_key()));
    let refused = Token::decode(&token);
    assert!(matches!(refused, Err(IdentityError::Key { field: "iss", .. })), "{refused:?}");
    let refused = identity::issue(&Claims::new(&other, &operator, SignerClaims::default()), &other);
    assert!(matches!(refused, Err(IdentityError::CannotSign(_))), "{refused:?}");
}

#[test]
fn subjects_of_another_kind_are_refused() {
    let operator = KeyPair::new_operator();
    let good = KeyPair::new_account().public_key();
    for sub in ["", "A", &good[..55], &good.to_lowercase(), &KeyPair::new_user().public_key()] {
        let refused = Token::decode(&signed_by(&operator, HEADER, &claims(&operator.public_key(), sub)));
        assert!(matches!(refused, Err(IdentityError::Key { field: "sub", .. })), "{sub}: {refused:?}");
    }
}

#[test]
fn a_forged_token_is_refused_by_name() {
    let (operator, account, forger) =
        (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_operator());
    for (kind, sub) in [(KeyKind::Operator, operator.public_key()), (KeyKind::Account, account.public_key())]
    {
        let forged = signed_by(&forger, HEADER, &claims(&operator.public_key(), &sub));
        let reason = LinkError::Signature(operator.public_key());
        assert_eq!(Token::decode(&forged), Err(IdentityError::Link { kind, key: sub, reason }));
    }
}

#[test]
fn the_one_header_holds_for_every_kind() {
    let operator = KeyPair::new_operator();
    let claims = claims(&operator.public_key(), &operator.public_key());
    for header in [r#"{"typ":"jwt","alg":"none"}"#, r#"{"typ":"jwt","alg":"Ed25519","kid":"x"}"#, "{}", ""] {
        let refused = Token::decode(&signed_by(&operator, header, &claims));
        assert_eq!(refused, Err(IdentityError::Header(header.to_owned())));
    }
}

#[test]
fn every_flipped_bit_of_a_token_is_refused() {
    let operator = KeyPair::new_operator();
    let claims = Claims::new(&operator, &KeyPair::new_account(), SignerClaims::default());
    let token = identity::issue(&claims, &operator).expect("it can be signed").into_bytes();
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut flipped = token.clone();
            flipped[at] ^= 1 << bit;
            Token::decode(&flipped).expect_err("flipped");
        }
    }
}

#[test]
fn what_nobody_would_believe_is_not_signed() {
    let (operator, account, module) =
        (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_module());
    let signer = |key: &KeyPair| SignerClaims { name: None, valid_signers: vec![key.public_key()] };
    let none = SignerClaims::default;
    for (claims, issuer) in [
        (Claims::new(&operator, &account, none()), &KeyPair::new_operator()),
        (Claims::new(&account, &account, none()), &account),
        (Claims::new(&operator, &module, none()), &operator),
        (Claims::new(&operator, &account, signer(&operator)), &operator),
        (Claims::new(&operator, &operator, signer(&account)), &operator),
        (
            Claims::new(&operator, &account, SignerClaims { name: None, valid_signers: vec!["A".into()] }),
            &operator,
        ),
    ] {
        let refused = identity::issue(&claims, issuer);
        assert!(matches!(refused, Err(IdentityError::CannotSign(_))), "{claims:?}: {refused:?}");
    }
    // A public key alone does not sign.
    let public = KeyPair::from_public_key(&operator.public_key()).expect("a key");
    let refused = identity::issue(&Claims::new(&public, &account, none()), &public);
    assert!(matches!(refused, Err(IdentityError::CannotSign(_))), "{refused:?}");
    // Modules likewise: not in a section where nobody looks, and not about what is no module.
    let bare = parse("(module)");
    let claims = Claims::new(&account, &module, ActorClaims::default());
    let refused = identity::sign_in(&bare, "name", claims.clone(), &account);
    assert!(matches!(refused, Err(IdentityError::CannotSign(_))), "{refused:?}");
    let refused = identity::sign(&bare, Claims { sub: account.public_key(), ..claims }, &account);
    assert!(matches!(refused, Err(IdentityError::CannotSign(_))), "{refused:?}");
}

#[test]
fn either_section_can_be_signed_into() {
    let (account, module) = (KeyPair::new_account(), KeyPair::new_module());
    let bare = parse("(module)");
    for section in [JWT_SECTION, WASMCLOUD_JWT_SECTION] {
        let claims = Claims::new(&account, &module, ActorClaims::default());
        let signed = identity::sign_in(&bare, section, claims, &account).expect("it can be signed");
        assert!(
            signed
                .windows(section.len() + 1)
                .any(|bytes| { usize::from(bytes[0]) == section.len() && &bytes[1..] == section.as_bytes() })
        );
        let read = identity::extract(&signed).expect("it is signed");
        assert_eq!(Ok(read.wascap.hash), identity::hash(&signed));
    }
}

#[test]
fn seeds_and_keys_of_another_kind_or_damaged_are_refused_and_seeds_not_repeated() {
    for kind in [KeyKind::Operator, KeyKind::Cluster, KeyKind::Account, KeyKind::Module] {
        let key = kind.generate();
        assert_eq!(KeyKind::of(&key.public_key()), Some(kind));
        let seed = key.seed().expect("it has one");
        assert_eq!(kind.from_seed(&seed).expect("its own").public_key(), key.public_key());
        for other in [KeyKind::Operator, KeyKind::Cluster, KeyKind::Account, KeyKind::Module] {
            assert_eq!(other.from_seed(&seed).is_ok(), other == kind);
            assert_eq!(other.public_key("iss", &key.public_key()).is_ok(), other == kind);
        }
        for damaged in
            ["", "S", &seed[1..], &seed.to_lowercase(), &seed.replace(&seed[20..22], "22"), &key.public_key()]
                .into_iter()
                .filter(|damaged| *damaged != seed)
        {
            let error = kind.from_seed(damaged).expect_err("it is damaged").to_string();
            assert!(damaged.len() < 8 || !error.contains(damaged), "{error}");
        }
    }
}

/// The crate below takes a seed of a kind that it does not know for an operator's.
#[test]
fn a_seed_of_an_unknown_kind_is_nobodys() {
    let seed = KeyKind::Operator.generate().seed().expect("it has one");
    let mut raw = BASE32_NOPAD.decode(seed.as_bytes()).expect("base32");
    // The kind is the last three bits of the first byte and the first five of the second: one that nobody has.
    (raw[0], raw[1]) = (raw[0] & 0xf8, 1 << 3);
    let checksum = raw.len() - 2;
    let unknown = (0..=u16::MAX).find_map(|sum| {
        raw[checksum..].copy_from_slice(&sum.to_le_bytes());
        let seed = BASE32_NOPAD.encode(&raw);
        KeyPair::from_seed(&seed).is_ok().then_some(seed)
    });
    let unknown = unknown.expect("one checksum fits");
    for kind in [KeyKind::Operator, KeyKind::Cluster, KeyKind::Account, KeyKind::Module] {
        assert!(matches!(kind.from_seed(&unknown), Err(IdentityError::Seed(_))), "{kind}");
    }
}
