//! The apps as a waPC guest in Rust
