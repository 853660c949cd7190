//! What hostile signers and senders write: it is refused or read, and nothing panics.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pillion_host::identity::{
    self, IdentityError, JWT_SECTION, KeyKind, KeyPair, Token, Trust, TrustedIssuers, WASMCLOUD_JWT_SECTION,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::guests::parse;
use crate::tokens::signed_by;

const HEADER: &str = r#"{"typ":"jwt","alg":"Ed25519"}"#;

/// Any JSON, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,60}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,12}", inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Claims that are nearly right: each field is as it should be, or anything.
fn nearly_claims(iss: &str, sub: &str) -> impl Strategy<Value = Value> + use<> {
    let body = json!({
        "name": "n", "hash": "", "tags": [], "caps": ["wascc:keyvalue"], "prov": false, "valid_signers": [iss],
    });
    let right = json!({
        "jti": "x", "iat": 1, "exp": u64::MAX, "nbf": 0, "iss": iss, "sub": sub, "wascap": body,
    });
    let fields =
        ["jti", "iat", "exp", "nbf", "iss", "sub", "wascap", "name", "hash", "caps", "prov", "valid_signers"];
    prop::collection::vec((prop::sample::select(fields.to_vec()), any_json()), 0..3).prop_map(
        move |changes| {
            let mut claims = right.clone();
            for (field, value) in changes {
                let body = right["wascap"].get(field).is_some();
                let place = if body { claims.get_mut("wascap") } else { Some(&mut claims) };
                if let Some(Value::Object(fields)) = place {
                    fields.insert(field.to_owned(), value);
                }
            }
            claims
        },
    )
}

/// Reads a token in every way there is.
fn read_in_every_way(token: &[u8], now: SystemTime) {
    let bare = parse("(module)");
    let read = Token::decode(token);
    let mut trust = Trust::default();
    if let Ok(token @ (Token::Account(claims) | Token::Operator(claims) | Token::Cluster(claims))) = &read {
        assert_eq!(KeyKind::of(&claims.sub), Some(token.kind()));
        assert_eq!(KeyKind::of(&claims.iss), Some(KeyKind::Operator));
        trust.operators.insert(claims.iss.clone());
    }
    let kept = trust.add(token);
    assert!(read.is_ok() || kept.is_err());
    let _ = trust.token_chain(token, now);
    for section in [JWT_SECTION, WASMCLOUD_JWT_SECTION] {
        let wasm = identity::embed(&bare, section, token);
        let _ = identity::extract(&wasm);
        let _ = trust.module_chain(&wasm, now);
        trust.verify(&wasm, now).expect_err("the hash cannot fit");
        identity::verify(&wasm, &TrustedIssuers::new(), now).expect_err("nobody is trusted");
    }
}

#[test]
fn malformed_tokens_are_refused() {
    let operator = KeyPair::new_operator();
    let key = operator.public_key();
    let claims = |rest: &str| format!(r#"{{"jti":"x","iat":1,"iss":"{key}","sub":"{key}"{rest}}}"#);
    let deep = format!(r#","wascap":{}{}"#, "[".repeat(100_000), "]".repeat(100_000));
    let long = format!(r#","wascap":{{"name":"{}"}}"#, "x".repeat(1 << 20));
    for (what, text) in [
        ("nothing", String::new()),
        ("no object", "7".to_owned()),
        ("no body", claims("")),
        ("a body that is a text", claims(r#","wascap":"x""#)),
        ("signers that are a text", claims(r#","wascap":{"valid_signers":"x"}"#)),
        ("signers that are numbers", claims(r#","wascap":{"valid_signers":[1]}"#)),
        ("a time before 1970", claims(r#","exp":-1,"wascap":{}"#)),
        ("a time that is no number", claims(r#","exp":"soon","wascap":{}"#)),
        ("a time beyond 64 bits", claims(r#","nbf":18446744073709551616,"wascap":{}"#)),
        ("a subject twice", claims(&format!(r#","sub":"{key}","wascap":{{}}"#))),
        ("a body that nests too deep", claims(&deep)),
        ("something after the end", claims(r#","wascap":{}"#) + "x"),
    ] {
        let refused = Token::decode(&signed_by(&operator, HEADER, &text));
        assert!(matches!(refused, Err(IdentityError::Malformed(_))), "{what}: {refused:?}");
    }
    Token::decode(&signed_by(&operator, HEADER, &claims(&long))).expect("long names are no crime");
    let good = signed_by(&operator, HEADER, &claims(r#","wascap":{}"#));
    Token::decode(&good).expect("it is good");
    for (what, token) in [
        ("nothing", Vec::new()),
        ("points", b"..".to_vec()),
        ("one part", b"x".to_vec()),
        ("four parts", [&good[..], b".AAAA"].concat()),
        ("padding", [&good[..], b"="].concat()),
        ("a line's end", [&good[..], b"\n"].concat()),
        ("a zero", [&good[..], b"\0"].concat()),
        ("no text", [&good[..], b"\xff"].concat()),
        ("a short signature", good[..good.len() - 4].to_vec()),
    ] {
        assert!(Token::decode(&token).is_err(), "{what}");
    }
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    let operator = KeyPair::new_operator();
    let key = operator.public_key();
    for time in [0, 1, u64::MAX - 1, u64::MAX] {
        let claims = format!(
            r#"{{"jti":"","iat":{time},"exp":{time},"nbf":{time},"iss":"{key}","sub":"{key}","wascap":{{}}}}"#
        );
        let token = signed_by(&operator, HEADER, &claims);
        let mut trust = Trust::default();
        trust.operators.insert(key.clone());
        trust.add(&token).expect("it is properly signed");
        for now in [UNIX_EPOCH, SystemTime::now(), UNIX_EPOCH + Duration::from_secs(i64::MAX as u64)] {
            let chain = trust.token_chain(&token, now).expect("it is properly signed");
            assert!(chain.broken().is_some(), "an instant is no period");
        }
        let before = UNIX_EPOCH - Duration::from_secs(1);
        trust.token_chain(&token, before).expect("it is properly signed");
    }
}

#[test]
fn sections_that_lie_about_their_length_are_refused() {
    let bare = parse("(module)");
    let name = [&[3][..], b"jwt"].concat();
    for (what, section) in [
        ("longer than the module", [&[0, 0x7f][..], &name].concat()),
        ("longer than 32 bits", [&[0, 0xff, 0xff, 0xff, 0xff, 0x7f][..], &name].concat()),
        ("a length without end", [&[0][..], &[0x80; 32]].concat()),
        ("shorter than its name", [&[0, 2][..], &name].concat()),
        ("a name longer than the section", vec![0, 4, 0x7f, b'j', b'w', b't']),
        ("a name that is no text", vec![0, 4, 3, 0xff, 0xfe, 0xfd]),
        ("no length", vec![0]),
        ("code without end", vec![10, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]),
    ] {
        let wasm = [&bare[..], &section].concat();
        let refused = identity::extract(&wasm);
        assert!(matches!(refused, Err(IdentityError::NotAModule(_))), "{what}: {refused:?}");
        assert!(identity::hash(&wasm).is_err(), "{what}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_token(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Token::decode(&bytes).is_err());
        read_in_every_way(&bytes, SystemTime::now());
    }

    #[test]
    fn three_arbitrary_parts_are_no_token(token in "[A-Za-z0-9_=-]{0,80}\\.[A-Za-z0-9_=-]{0,200}\\.[A-Za-z0-9_=-]{0,100}") {
        prop_assert!(Token::decode(token.as_bytes()).is_err());
        read_in_every_way(token.as_bytes(), SystemTime::now());
    }

    #[test]
    fn any_json_by_a_proper_signer_is_refused_or_read(claims in any_json(), seconds in any::<u32>()) {
        let now = UNIX_EPOCH + Duration::from_secs(seconds.into());
        read_in_every_way(&signed_by(&KeyPair::new_operator(), HEADER, &claims.to_string()), now);
    }

    #[test]
    fn nearly_right_claims_by_a_proper_signer_are_refused_or_read(
        (key, claims) in (0..4_usize).prop_flat_map(|kind| {
            let operator = KeyPair::new_operator();
            let account = KeyPair::new_account();
            let (issuer, sub) = match kind {
                0 => (operator, account.public_key()),
                1 => (operator.clone(), operator.public_key()),
                2 => (operator, KeyPair::new_cluster().public_key()),
                _ => (account, KeyPair::new_module().public_key()),
            };
            let seed = issuer.seed().expect("it has one");
            (Just(seed), nearly_claims(&issuer.public_key(), &sub))
        }),
        seconds in any::<u32>(),
    ) {
        let key = KeyPair::from_seed(&key).expect("a seed");
        let now = UNIX_EPOCH + Duration::from_secs(seconds.into());
        read_in_every_way(&signed_by(&key, HEADER, &claims.to_string()), now);
    }

    #[test]
    fn arbitrary_text_is_no_key_or_means_itself(text in ".{0,70}", letters in "[A-Z2-7]{58}") {
        for text in [&*text, &*letters, &letters[..56], &letters[..57]] {
            for kind in [KeyKind::Operator, KeyKind::Cluster, KeyKind::Account, KeyKind::Module] {
                // A checksum of two bytes fits by chance now and then.
                if let Ok(key) = kind.public_key("sub", text) {
                    prop_assert_eq!((&*key.public_key(), KeyKind::of(text)), (text, Some(kind)));
                }
                if let Ok(key) = kind.from_seed(text) {
                    prop_assert_eq!(key.seed().expect("it has one"), text);
                }
            }
        }
    }

    #[test]
    fn arbitrary_sections_are_refused_or_read(
        sections in prop::collection::vec(
            (any::<u8>(), prop::sample::select(vec!["jwt", "wasmcloud_jwt", "name", ""]),
             prop::collection::vec(any::<u8>(), 0..40), -2..3_i32), 0..5),
    ) {
        let mut wasm = parse("(module)");
        for (id, name, data, lie) in &sections {
            let body = [&[name.len() as u8][..], name.as_bytes(), data].concat();
            wasm.push(id % 14);
            wasm.push((body.len() as i32 + lie).clamp(0, 127) as u8);
            wasm.extend_from_slice(&body);
        }
        prop_assert!(identity::extract(&wasm).is_err());
        if let Ok(hash) = identity::hash(&wasm) {
            prop_assert_eq!(hash.len(), 64);
        }
    }
}
