//! What must hold for any bytes that reach host or sidecar from strangers: modules and tokens, guests' pointers and
//! lengths, MessagePack, manifests; paths, events and components' files.
//!
//! Each check is the body of a target for `cargo fuzz` (`fuzz/targets`), and is run by this package's tests on stored
//! and on random inputs. A check panics where what it states does not hold.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a check fails by panicking")]

mod cloudevent;
mod codec;
mod component;
mod identity;
#[cfg(feature = "engine")]
mod manifest;
#[cfg(feature = "engine")]
mod memory;
mod path;

pub use cloudevent::cloudevent;
pub use codec::codec;
pub use component::component;
pub use identity::{claims, module};
#[cfg(feature = "engine")]
pub use manifest::manifest;
#[cfg(feature = "engine")]
pub use memory::memory;
pub use path::path;

/// A check: it takes any bytes.
pub type Check = fn(&[u8]);

/// The checks by their targets' names.
#[cfg(feature = "engine")]
pub const CHECKS: [(&str, Check); 8] = [
    ("claims", claims),
    ("cloudevent", cloudevent),
    ("codec", codec),
    ("component", component),
    ("manifest", manifest),
    ("memory", memory),
    ("module", module),
    ("path", path),
];
