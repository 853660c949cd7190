//! Tests alone: the engine's unsafe parts by themselves, without WebAssembly.
//!
//! They are the very files of `pillion-host`. What threads share is run by `loom` under every interleaving and every
//! reordering that the memory model allows; what is lent is run as it is. `cargo +nightly miri test -p pillion-models`
//! interprets the latter, and shows accesses that Rust's rules for pointers forbid, where a nightly has `miri`.
//!
//! What is unsafe in `pillion-host` beside these is a guest's memory (`engine/state.rs`), held beside a model by the check
//! `memory` of `fuzz/checks`, and the loading of compiled modules (`engine/cache.rs`).

#[cfg(test)]
#[path = "../../src/engine/request.rs"]
mod request;
#[cfg(test)]
mod requests;
#[cfg(test)]
#[path = "../../src/engine/slot.rs"]
mod slot;
#[cfg(all(test, not(miri)))]
mod slots;
#[cfg(test)]
mod sync;
