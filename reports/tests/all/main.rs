//! Tests of whole reports over a fixture run with known answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod browser;
mod files;
mod fixture;
mod languages;
mod page;
mod verdicts;
