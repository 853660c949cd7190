//! Who an actor is, and what it was granted: claims signed by an account and embedded in the module.
//!
//! A module is believed only when all of this holds: it carries exactly one token, the token's header is the one
//! known, its signature is its issuer's, the issuer is trusted, the token is within its validity, and the hash in it
//! is that of this module. There is no way to leave a check out.
//!
//! An issuer is trusted by its own key ([`verify`]), or through the chain of tokens operator → account → module
//! ([`Trust`]).
//!
//! ```
//! use std::time::SystemTime;
//! use pillion_host::identity::{self, ActorClaims, Claims, KeyPair};
//!
//! let (account, module) = (KeyPair::new_account(), KeyPair::new_module());
//! let claims = Claims::new(&account, &module, ActorClaims {
//!     name: Some("an actor".to_owned()),
//!     caps: vec!["wascc:keyvalue".to_owned()],
//!     ..ActorClaims::default()
//! });
//! let signed = identity::sign(b"\0asm\x01\0\0\0", claims, &account)?;
//!
//! let trusted = [account.public_key()].into();
//! let verified = identity::verify(&signed, &trusted, SystemTime::now())?;
//! assert_eq!(verified.claims.sub, module.public_key());
//! # Ok::<(), identity::IdentityError>(())
//! ```

mod chain;
mod claims;
mod error;
mod invocation;
mod key;
mod sections;
mod sign;
mod token;
mod trust;
mod verify;

pub use chain::{Chain, Link, Voucher};
pub use claims::{ActorClaims, Claims, SignerClaims, Validity};
pub use error::{IdentityError, LinkError};
pub use invocation::{ForgeryError, InvocationClaims, Notary, SignedCall};
pub use key::KeyKind;
pub use nkeys::KeyPair;
pub use sections::{JWT_SECTION, WASMCLOUD_JWT_SECTION};
pub use sign::{embed, sign, sign_in};
pub use token::{Token, issue};
pub use trust::Trust;
pub use verify::{TrustedIssuers, Verified, extract, hash, verify};
