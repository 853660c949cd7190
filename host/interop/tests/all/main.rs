//! This host's identity beside that of the published crate `wascap` 0.13.0.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod modules;
mod tokens;

use pillion_host::identity;
use wascap::prelude::KeyPair as TheirKey;

/// The same key here and there, by way of its seed.
fn both(kind: identity::KeyKind) -> (identity::KeyPair, TheirKey) {
    let ours = kind.generate();
    let theirs = TheirKey::from_seed(&ours.seed().unwrap()).unwrap();
    assert_eq!(ours.public_key(), theirs.public_key());
    (ours, theirs)
}
