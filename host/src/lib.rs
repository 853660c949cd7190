//! An in-process, waSCC-style host: waPC engine, signed identity, bindings, dispatch
pub mod identity;
