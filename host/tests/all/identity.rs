//! Whom the host believes. The numbered defects are those of waSCC's own host and signer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use pillion_host::identity::{
    self, ActorClaims, Claims, IdentityError, JWT_SECTION, KeyPair, TrustedIssuers, WASMCLOUD_JWT_SECTION,
};
use pillion_host::{Host, HostConfig, HostError};
use proptest::prelude::*;

use crate::guests::{echo, parse};

struct Signer {
    account: KeyPair,
    module: KeyPair,
}

// === impl Signer ===

impl Signer {
    fn new() -> Self {
        Self { account: KeyPair::new_account(), module: KeyPair::new_module() }
    }

    fn claims(&self) -> Claims {
        let actor = ActorClaims { caps: vec!["wascc:keyvalue".to_owned()], ..ActorClaims::default() };
        Claims::new(&self.account, &self.module, actor)
    }

    fn sign(&self, wasm: &[u8], claims: Claims) -> Vec<u8> {
        identity::sign(wasm, claims, &self.account).expect("it can be signed")
    }

    fn trusted(&self) -> TrustedIssuers {
        [self.account.public_key()].into()
    }

    fn verify(&self, wasm: &[u8]) -> Result<Claims, IdentityError> {
        identity::verify(wasm, &self.trusted(), SystemTime::now()).map(|verified| verified.claims)
    }

    /// A token of this header and these claims, properly signed.
    fn token(&self, header: &str, claims: &str) -> Vec<u8> {
        let signed = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header.as_bytes()),
            BASE64URL_NOPAD.encode(claims.as_bytes())
        );
        let signature = self.account.sign(signed.as_bytes()).expect("it can be signed");
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)).into_bytes()
    }
}

const HEADER: &str = r#"{"typ":"jwt","alg":"Ed25519"}"#;

fn token_of(signed: &[u8], bare: &[u8]) -> Vec<u8> {
    // id, two bytes of length, the name's length, the name
    signed[bare.len() + 3 + 1 + JWT_SECTION.len()..].to_vec()
}

fn small() -> Vec<u8> {
    parse(r#"(module (memory (export "memory") 1))"#)
}

#[test]
fn a_signed_module_is_believed_in_either_section() {
    let signer = Signer::new();
    let (bare, claims) = (small(), signer.claims());
    let signed = signer.sign(&bare, claims.clone());
    let verified = identity::verify(&signed, &signer.trusted(), SystemTime::now()).expect("it is signed");
    assert_eq!(verified.module, bare);
    assert_eq!(verified.claims.sub, signer.module.public_key());
    assert_eq!(verified.claims.wascap.caps, claims.wascap.caps);
    let later = identity::embed(&bare, WASMCLOUD_JWT_SECTION, &token_of(&signed, &bare));
    assert_eq!(signer.verify(&later).as_ref(), Ok(&verified.claims));
    let again = signer.sign(&signed, claims);
    assert_eq!(again.len(), signed.len(), "signing again replaces the token");
}

/// A token as the original signer wrote it in 2020, but for the keys.
#[test]
fn a_token_of_the_original_form_is_read() {
    let signer = Signer::new();
    let bare = small();
    let hash = signer.verify(&signer.sign(&bare, signer.claims())).expect("it is signed").wascap.hash;
    let claims = format!(
        r#"{{"jti":"DAqsxkrrRvcPTTzjDwRjHK","iat":1592226557,"iss":"{}","sub":"{}","wascap":{{"name":"Echo Actor","hash":"{hash}","tags":["example","echo"],"caps":["wascc:http_server"],"prov":false}}}}"#,
        signer.account.public_key(),
        signer.module.public_key(),
    );
    let read = signer.verify(&identity::embed(&bare, JWT_SECTION, &signer.token(HEADER, &claims)));
    let read = read.expect("it is believed");
    assert_eq!(read.wascap.name.as_deref(), Some("Echo Actor"));
    assert_eq!(read.wascap.caps, ["wascc:http_server"]);
    assert_eq!(read.wascap_revision, None);
}

#[test]
fn a_host_trusts_nobody_unless_told() {
    let signer = Signer::new();
    let host = Host::new(HostConfig::default()).expect("the host starts");
    let error = host.load(&signer.sign(&echo(), signer.claims())).expect_err("nobody is trusted");
    assert!(
        matches!(&error, HostError::Identity(IdentityError::Untrusted(key)) if *key == signer.account.public_key()),
        "{error}"
    );
}

#[test]
fn an_unsigned_module_is_refused() {
    assert_eq!(Signer::new().verify(&small()), Err(IdentityError::Unsigned));
}

#[test]
fn defect_1_a_bad_signature_is_refused() {
    let signer = Signer::new();
    let bare = small();
    let token = token_of(&signer.sign(&bare, signer.claims()), &bare);
    let at = token.iter().rposition(|byte| *byte == b'.').expect("a signature") + 1;
    let mut forged = token.clone();
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    let refused = signer.verify(&identity::embed(&bare, JWT_SECTION, &forged));
    assert_eq!(refused, Err(IdentityError::Signature(signer.account.public_key())));
    // Claims that name a trusted issuer, signed by somebody else.
    let other = Signer::new();
    let claims = String::from_utf8(
        BASE64URL_NOPAD.decode(token.split(|b| *b == b'.').nth(1).expect("claims")).expect("base64"),
    );
    let stolen = other.token(HEADER, &claims.expect("text"));
    let refused = signer.verify(&identity::embed(&bare, JWT_SECTION, &stolen));
    assert_eq!(refused, Err(IdentityError::Signature(signer.account.public_key())));
}

#[test]
fn defect_2_a_token_moved_to_another_module_is_refused_whatever_its_revision() {
    let signer = Signer::new();
    let bare = small();
    for wascap_revision in [None, Some(0), Some(1), Some(3)] {
        let claims = Claims { wascap_revision, ..signer.claims() };
        let token = token_of(&signer.sign(&bare, claims), &bare);
        let moved = identity::embed(&echo(), JWT_SECTION, &token);
        assert!(matches!(signer.verify(&moved), Err(IdentityError::Hash { .. })), "{wascap_revision:?}");
    }
}

#[test]
fn defect_4_a_section_out_of_range_is_refused_without_a_panic() {
    let signer = Signer::new();
    let mut wasm = small();
    for section in [&[0, 0xff, 0xff, 0xff, 0xff, 0x0f, 3][..], &[0, 5, 0xff], &[0], &[10, 0x7f, 1]] {
        let mut broken = wasm.clone();
        broken.extend_from_slice(section);
        assert!(matches!(signer.verify(&broken), Err(IdentityError::NotAModule(_))), "{section:?}");
    }
    wasm.truncate(6);
    assert!(matches!(signer.verify(&wasm), Err(IdentityError::NotAModule(_))));
}

/// Later signers dropped the grants from the claims: without them nothing is granted.
#[test]
fn defect_5_claims_without_capabilities_grant_nothing() {
    let signer = Signer::new();
    let bare = small();
    let hash = signer.verify(&signer.sign(&bare, signer.claims())).expect("it is signed").wascap.hash;
    for caps in ["", r#","caps":null,"tags":null"#] {
        let claims = format!(
            r#"{{"jti":"x","iat":1,"iss":"{}","sub":"{}","wascap":{{"hash":"{hash}"{caps}}},"wascap_revision":3}}"#,
            signer.account.public_key(),
            signer.module.public_key(),
        );
        let read = signer.verify(&identity::embed(&bare, JWT_SECTION, &signer.token(HEADER, &claims)));
        assert_eq!(read.expect("it is believed").wascap.caps, Vec::<String>::new());
    }
}

#[test]
fn only_the_one_header_is_taken() {
    let signer = Signer::new();
    let bare = small();
    let claims = serde_json::to_string(&signer.claims()).expect("JSON");
    for header in [
        r#"{"typ":"jwt","alg":"none"}"#,
        r#"{"typ":"JWT","alg":"Ed25519"}"#,
        r#"{"typ":"jwt","alg":"Ed25519","kid":"x"}"#,
        r#"{"alg":"Ed25519"}"#,
        "",
    ] {
        let token = signer.token(header, &claims);
        let refused = signer.verify(&identity::embed(&bare, JWT_SECTION, &token));
        assert_eq!(refused, Err(IdentityError::Header(header.to_owned())));
    }
}

#[test]
fn two_tokens_are_refused_even_when_both_are_good() {
    let signer = Signer::new();
    let bare = small();
    let signed = signer.sign(&bare, signer.claims());
    let token = token_of(&signed, &bare);
    for section in [JWT_SECTION, WASMCLOUD_JWT_SECTION] {
        let twice = identity::embed(&signed, section, &token);
        assert_eq!(signer.verify(&twice), Err(IdentityError::DuplicateToken(2)));
    }
}

#[test]
fn the_validity_is_held_to_the_second() {
    let signer = Signer::new();
    let signed = signer.sign(&small(), Claims { exp: Some(2_000), nbf: Some(1_000), ..signer.claims() });
    let at = |seconds| {
        identity::verify(&signed, &signer.trusted(), UNIX_EPOCH + Duration::from_secs(seconds)).map(drop)
    };
    assert_eq!(at(999), Err(IdentityError::NotYetValid { valid_from: 1_000, now: 999 }));
    assert_eq!(at(1_000), Ok(()));
    assert_eq!(at(1_999), Ok(()));
    assert_eq!(at(2_000), Err(IdentityError::Expired { expired: 2_000, now: 2_000 }));
}

#[test]
fn keys_of_another_kind_are_refused() {
    let signer = Signer::new();
    let user = KeyPair::new_user();
    let bare = small();
    let with = |iss: &str, sub: &str| {
        let claims = Claims { iss: iss.to_owned(), sub: sub.to_owned(), ..signer.claims() };
        let token = signer.token(HEADER, &serde_json::to_string(&claims).expect("JSON"));
        signer.verify(&identity::embed(&bare, JWT_SECTION, &token))
    };
    let (account, module) = (signer.account.public_key(), signer.module.public_key());
    for (iss, sub, field) in [
        (&*user.public_key(), &*module, "iss"),
        ("", &*module, "iss"),
        ("A", &*module, "iss"),
        (&account[..55], &*module, "iss"),
        (&*account, &*account, "sub"),
        (&*account, "M", "sub"),
    ] {
        assert!(
            matches!(with(iss, sub), Err(IdentityError::Key { field: found, .. }) if found == field),
            "{iss} {sub}"
        );
    }
}

#[test]
fn only_the_issuer_signs() {
    let signer = Signer::new();
    let error =
        identity::sign(&small(), signer.claims(), &KeyPair::new_account()).expect_err("another account");
    assert!(matches!(error, IdentityError::CannotSign(_)), "{error}");
}

#[test]
fn every_flipped_bit_is_refused_or_changes_nothing() {
    let signer = Signer::new();
    let bare = small();
    let signed = signer.sign(&bare, signer.claims());
    let original = identity::verify(&signed, &signer.trusted(), SystemTime::now()).expect("it is signed");
    for at in 0..signed.len() {
        for bit in 0..8 {
            let mut flipped = signed.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(believed) = identity::verify(&flipped, &signer.trusted(), SystemTime::now()) {
                assert_eq!(believed.module, original.module, "byte {at}, bit {bit}");
                assert_eq!(believed.claims, original.claims, "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn every_cut_and_every_insertion_is_refused() {
    let signer = Signer::new();
    let bare = small();
    let signed = signer.sign(&bare, signer.claims());
    for at in 0..signed.len() {
        signer.verify(&signed[..at]).expect_err("cut");
        let mut inserted = signed.clone();
        inserted.insert(at, 0);
        signer.verify(&inserted).expect_err("inserted");
    }
    // A further section, well-formed and harmless to a machine, was not signed either.
    let added = identity::embed(&signed, "name", b"");
    assert!(matches!(signer.verify(&added), Err(IdentityError::Hash { .. })));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let with_preamble = [&b"\0asm\x01\0\0\0"[..], &bytes].concat();
        prop_assert!(identity::extract(&bytes).is_err());
        prop_assert!(identity::extract(&with_preamble).is_err());
        prop_assert!(identity::extract(&identity::embed(&small(), JWT_SECTION, &bytes)).is_err());
    }
}
