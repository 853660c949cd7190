//! Signed modules, both ways.

use std::time::SystemTime;

use pillion_host::identity::{
    self, ActorClaims, Claims, IdentityError, JWT_SECTION, KeyKind, KeyPair, WASMCLOUD_JWT_SECTION,
};
use wascap::jwt::{Actor, validate_token};
use wascap::prelude::KeyPair as TheirKey;
use wascap::wasm::{extract_claims, sign_buffer_with_claims};

use crate::both;

/// The revision from which on the published crate checks the hash.
const CHECKED: Option<u32> = Some(3);

/// Modules of several shapes, each without a token.
fn modules() -> Vec<(&'static str, Vec<u8>)> {
    let whole = wat::parse_str(
        r#"(module $name (import "wapc" "__guest_request" (func (param i32 i32)))
             (memory (export "memory") 1) (global (mut i32) (i32.const 0)) (table 2 funcref)
             (func (export "f") (param i32) (result i32) local.get 0)
             (elem (i32.const 0) func 1) (data (i32.const 0) "bytes"))"#,
    );
    vec![
        ("empty", wat::parse_str("(module)").unwrap()),
        ("whole", whole.unwrap()),
        // A type section, and a custom one, whose lengths are written in five bytes and in two where one would do.
        ("padded", b"\0asm\x01\0\0\0\x01\x84\x80\x80\x80\x00\x01\x60\x00\x00\x00\x82\x00\x01x".to_vec()),
    ]
}

/// Signed here, in that section, with that revision.
fn sign(wasm: &[u8], section: &str, wascap_revision: Option<u32>) -> (Vec<u8>, KeyPair, KeyPair) {
    let (account, module) = (KeyKind::Account.generate(), KeyKind::Module.generate());
    let actor = ActorClaims {
        name: Some("actor".to_owned()),
        tags: vec!["a".to_owned()],
        caps: vec!["wascc:keyvalue".to_owned(), "wascc:logging".to_owned()],
        rev: Some(7),
        ver: Some("1.2".to_owned()),
        call_alias: Some("alias".to_owned()),
        ..ActorClaims::default()
    };
    let claims = Claims { wascap_revision, ..Claims::new(&account, &module, actor) };
    (identity::sign_in(wasm, section, claims, &account).unwrap(), account, module)
}

#[test]
fn a_module_signed_here_is_believed_there() {
    for (name, wasm) in modules() {
        for section in [JWT_SECTION, WASMCLOUD_JWT_SECTION] {
            for revision in [None, CHECKED] {
                let (signed, account, module) = sign(&wasm, section, revision);
                let read = extract_claims(&signed).unwrap().unwrap();
                let told = validate_token::<Actor>(&read.jwt).unwrap();
                assert!(told.signature_valid && !told.expired && !told.cannot_use_yet, "{name}: {told:?}");
                assert_eq!(read.claims.issuer, account.public_key());
                assert_eq!(read.claims.subject, module.public_key());
                let actor = read.claims.metadata.unwrap();
                assert_eq!(actor.name.as_deref(), Some("actor"));
                assert_eq!(actor.caps.unwrap(), ["wascc:keyvalue", "wascc:logging"]);
                assert_eq!(actor.tags.unwrap(), ["a"]);
                assert_eq!((actor.rev, actor.ver.as_deref()), (Some(7), Some("1.2")));
                assert_eq!(actor.call_alias.as_deref(), Some("alias"));
                assert!(!actor.provider);
            }
        }
    }
}

#[test]
fn a_module_signed_there_is_believed_here() {
    for (name, wasm) in modules() {
        let (account, their_account) = both(KeyKind::Account);
        let (module, their_module) = both(KeyKind::Module);
        let sign = |wasm: &[u8]| their_signed(wasm, &their_module, &their_account);
        let signed = sign(&wasm);
        let trusted = [account.public_key()].into();
        let verified = identity::verify(&signed, &trusted, SystemTime::now()).unwrap();
        assert_eq!(verified.claims.sub, module.public_key(), "{name}");
        let actor = verified.claims.wascap;
        assert_eq!(actor.name.as_deref(), Some("theirs"));
        assert_eq!(actor.caps, ["wascc:keyvalue"]);
        assert_eq!(actor.tags, ["t"]);
        assert_eq!((actor.rev, actor.ver.as_deref(), actor.prov), (Some(1), Some("v"), false));
        // What they signed and we sign again, they believe again.
        let claims = Claims::new(&account, &module, ActorClaims::default());
        let again = identity::sign(&signed, Claims { wascap_revision: CHECKED, ..claims }, &account).unwrap();
        assert!(extract_claims(&again).unwrap().is_some());
        assert!(identity::verify(&sign(&again), &trusted, SystemTime::now()).is_ok());
    }
}

fn their_signed(wasm: &[u8], module: &TheirKey, account: &TheirKey) -> Vec<u8> {
    let (caps, tags) = (vec!["wascc:keyvalue".to_owned()], vec!["t".to_owned()]);
    let (rev, ver) = (Some(1), Some("v".to_owned()));
    let name = "theirs".to_owned();
    sign_buffer_with_claims(name, wasm, module, account, Some(30), None, caps, tags, false, rev, ver, None)
        .unwrap()
}

/// The published crate passes over the hash where the revision is missing or low, which this host does not.
#[test]
fn defect_2_a_moved_token_is_believed_there_and_refused_here() {
    let (_, one) = modules().swap_remove(0);
    let (_, other) = modules().swap_remove(1);
    for (revision, believed_there) in [(None, true), (Some(2), true), (CHECKED, false)] {
        let (signed, account, _) = sign(&one, JWT_SECTION, revision);
        // id, two bytes of length, the name's length, the name
        let token = &signed[one.len() + 3 + 1 + JWT_SECTION.len()..];
        let moved = identity::embed(&other, JWT_SECTION, token);
        assert_eq!(extract_claims(&moved).is_ok(), believed_there, "{revision:?}");
        let refused = identity::verify(&moved, &[account.public_key()].into(), SystemTime::now()).map(drop);
        assert!(matches!(refused, Err(IdentityError::Hash { .. })), "{revision:?}: {refused:?}");
    }
}

#[test]
fn a_forged_module_is_refused_here_and_there() {
    let (_, wasm) = modules().swap_remove(1);
    let (signed, account, _) = sign(&wasm, JWT_SECTION, CHECKED);
    let point = signed.iter().rposition(|byte| *byte == b'.').unwrap();
    let mut forged = signed;
    forged[point + 1] = if forged[point + 1] == b'A' { b'B' } else { b'A' };
    let read = extract_claims(&forged).unwrap().unwrap();
    assert!(!validate_token::<Actor>(&read.jwt).unwrap().signature_valid);
    let refused = identity::verify(&forged, &[account.public_key()].into(), SystemTime::now()).map(drop);
    assert_eq!(refused, Err(IdentityError::Signature(account.public_key())));
}
