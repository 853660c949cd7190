//! An in-process, waSCC-style host: waPC engine, signed identity, bindings, dispatch
pub mod engine;
pub mod identity;
