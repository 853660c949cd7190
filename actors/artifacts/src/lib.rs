//! Builds the WebAssembly guests and hands out their paths.
//!
//! They are built when asked for, not by a build script: the workspace must build on a machine that has no
//! WebAssembly target. Cargo makes the second time cheap.
#![forbid(unsafe_code)]

mod build;
mod cargo;
mod language;
pub mod profiles;
mod toolchain;

use std::io;
use std::path::PathBuf;

pub use build::{ALL, guest, sdk_example};
pub use language::{Language, Module, UnknownLanguage, modules};
pub use toolchain::guest_rustc;

/// Why there is no guest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `PILLION_GUEST` names no file.
    #[error(
        "PILLION_GUEST is {0}, which is no file; name a guest that was built, or unset it to have one built"
    )]
    NoSuchGuest(PathBuf),
    /// A program could not be started.
    #[error(
        "{program} cannot be started: {cause}; it comes with Rust (https://rustup.rs) or with this repository"
    )]
    Start {
        /// Its name.
        program: String,
        /// Why.
        cause: io::Error,
    },
    /// No compiler for WebAssembly is to be had.
    #[error("scripts/ensure-wasm-target.sh found no way to compile for wasm32-unknown-unknown:\n{0}")]
    Toolchain(String),
    /// A language's toolchain is not there.
    #[error("{reason}")]
    Missing {
        /// The language.
        language: Language,
        /// What is missing, and the remedy.
        reason: String,
    },
    /// Guests cannot be built with a std of their own.
    #[error("there is no source of std here; it comes with the compiler of scripts/ensure-wasm-target.sh")]
    NoStd,
    /// A program that only comparisons need could not be started.
    #[error("{program} cannot be started: {cause}; {remedy}")]
    Tool {
        /// Its name.
        program: String,
        /// Why.
        cause: io::Error,
        /// Where it is had.
        remedy: &'static str,
    },
    /// A program failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// Its name.
        program: String,
        /// What it said.
        output: String,
    },
    /// The guest does not compile.
    #[error("the guest does not build; see for yourself with: {command}\n{output}")]
    Build {
        /// The command to repeat by hand.
        command: String,
        /// What it said.
        output: String,
    },
    /// A file could not be used.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}
