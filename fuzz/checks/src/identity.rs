//! Modules and tokens from strangers.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPairType;
use pillion_host::identity::{
    self, Claims, IdentityError, JWT_SECTION, KeyKind, KeyPair, Token, Trust, TrustedIssuers,
    WASMCLOUD_JWT_SECTION,
};

const HEADER: &str = r#"{"typ":"jwt","alg":"Ed25519"}"#;
/// A module of nothing.
const BARE: &[u8] = b"\0asm\x01\0\0\0";

struct Signers {
    account: KeyPair,
    operator: KeyPair,
}

/// The same in each process: their public keys stand in stored inputs.
static SIGNERS: LazyLock<Signers> = LazyLock::new(|| Signers {
    account: KeyPair::new_from_raw(KeyPairType::Account, [7; 32]).expect("32 bytes are a seed"),
    operator: KeyPair::new_from_raw(KeyPairType::Operator, [9; 32]).expect("32 bytes are a seed"),
});

/// Claims as anybody may write them, properly signed: by an account that is trusted, and by an operator.
///
/// A module is believed only if its claims say so in all of their parts, each looked at here once more.
pub fn claims(data: &[u8]) {
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let Signers { account, operator } = &*SIGNERS;
    for signer in [account, operator] {
        let signed =
            format!("{}.{}", BASE64URL_NOPAD.encode(HEADER.as_bytes()), BASE64URL_NOPAD.encode(data));
        let signature = signer.sign(signed.as_bytes()).expect("the key has a seed");
        let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature));
        read_in_every_way(token.as_bytes(), now);

        let wasm = identity::embed(BARE, JWT_SECTION, token.as_bytes());
        let trusted: TrustedIssuers = [account.public_key(), operator.public_key()].into();
        let Ok(verified) = identity::verify(&wasm, &trusted, now) else { continue };
        assert_eq!(verified.claims.iss, account.public_key(), "an account alone vouches for modules");
        believed(&verified.claims, now);
        assert_eq!(verified.module, BARE);
        let nobody = identity::verify(&wasm, &TrustedIssuers::new(), now);
        assert!(matches!(nobody, Err(IdentityError::Untrusted(_))), "{nobody:?}");
    }
    // As somebody who holds no key would write the token.
    read_in_every_way(data, now);
}

/// Any bytes as a module: a token put in is the one that comes out, and changes nothing of what is hashed.
pub fn module(data: &[u8]) {
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let read = identity::extract(data);
    let trusted: TrustedIssuers = [SIGNERS.account.public_key()].into();
    assert!(identity::verify(data, &trusted, now).is_err() || read.is_ok());
    let _ = Trust::from(trusted).module_chain(data, now);
    let Ok(hash) = identity::hash(data) else {
        assert!(read.is_err(), "what is no module says nothing");
        return;
    };
    for section in [JWT_SECTION, WASMCLOUD_JWT_SECTION] {
        let embedded = identity::embed(data, section, b"a.b.c");
        assert_eq!(identity::hash(&embedded).as_ref(), Ok(&hash), "a token is no part of what is hashed");
        let of_it = identity::extract(&embedded).expect_err("that is no token");
        match read {
            Err(IdentityError::Unsigned) => {
                assert!(matches!(of_it, IdentityError::Malformed(_) | IdentityError::Header(_)), "{of_it}");
            }
            _ => assert!(matches!(of_it, IdentityError::DuplicateToken(_)), "{of_it}"),
        }
    }
}

fn believed(claims: &Claims, now: SystemTime) {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    assert_eq!(KeyKind::of(&claims.sub), Some(KeyKind::Module));
    assert!(claims.exp.is_none_or(|end| seconds < end), "{:?}", claims.exp);
    assert!(claims.nbf.is_none_or(|begin| begin <= seconds), "{:?}", claims.nbf);
    assert_eq!(Ok(&claims.wascap.hash), identity::hash(BARE).as_ref());
}

fn read_in_every_way(token: &[u8], now: SystemTime) {
    let read = Token::decode(token);
    let mut trust = Trust::default();
    if let Ok(known @ (Token::Account(claims) | Token::Operator(claims) | Token::Cluster(claims))) = &read {
        assert_eq!(KeyKind::of(&claims.sub), Some(known.kind()));
        assert_eq!(KeyKind::of(&claims.iss), Some(KeyKind::Operator));
        trust.operators.insert(claims.iss.clone());
    }
    let kept = trust.add(token);
    assert!(read.is_ok() || kept.is_err());
    let _ = trust.token_chain(token, now);
    if let Ok(token) = &read {
        // What was read can be shown.
        serde_json::to_string(token).expect("it can be written");
    }
}
