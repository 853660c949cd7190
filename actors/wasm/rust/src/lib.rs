//! The apps as waPC guests in Rust.
//!
//! The business logic is `pillion-logic`, unchanged; here are its capabilities by calls of the contract
//! `wascc:keyvalue`, and each of its operations as one of an actor. Which of them a module has is in `examples/`: `all`
//! has every one, and each of the others those of one app and nothing that these do not need.

#[cfg(all(target_family = "wasm", feature = "talc"))]
mod allocator;
pub mod apps;
pub mod fault;
mod store;
mod visit;

pub use store::Store;
pub use visit::visit;
