//! What must hold for any bytes that reach the host from strangers: modules and tokens, guests' pointers and lengths,
//! MessagePack, manifests.
//!
//! Each check is the body of a target for `cargo fuzz` (`fuzz/targets`), and is run by this package's tests on stored
//! and on random inputs. A check panics where what it states does not hold.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a check fails by panicking")]

mod codec;
mod identity;
#[cfg(feature = "engine")]
mod manifest;
#[cfg(feature = "engine")]
mod memory;

pub use codec::codec;
pub use identity::{claims, module};
#[cfg(feature = "engine")]
pub use manifest::manifest;
#[cfg(feature = "engine")]
pub use memory::memory;

/// A check: it takes any bytes.
pub type Check = fn(&[u8]);

/// The checks by their targets' names.
#[cfg(feature = "engine")]
pub const CHECKS: [(&str, Check); 5] =
    [("claims", claims), ("codec", codec), ("manifest", manifest), ("memory", memory), ("module", module)];
