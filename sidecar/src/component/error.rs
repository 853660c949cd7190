//! Why a component cannot be used.

use std::path::PathBuf;

/// The types of components that there are providers for.
const KNOWN: &[&str] = &[
    "state.in-memory",
    "state.redis",
    "state.redb",
    "pubsub.in-memory",
    "pubsub.redis",
    "pubsub.jetstream",
    "secretstores.local.env",
    "secretstores.local.file",
    "configuration.redis",
    "configuration.local.file",
    "lock.redis",
    "lock.in-memory",
    "middleware.http.routeralias",
    "middleware.http.ratelimit",
    "middleware.http.routerchecker",
    "bindings.http",
    "bindings.localstorage",
    "bindings.cron",
];

/// Why a component cannot be used. Every message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not YAML, or not a component.
    #[error("{}{}: {message}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    Syntax {
        /// Which.
        file: PathBuf,
        /// Where, counted from 1, if the parser knows.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// No provider is known for a component's type.
    #[error(
        "{}: component {name} has type {kind}, which this sidecar does not know; it knows {}",
        file.display(),
        KNOWN.join(", ")
    )]
    UnknownType {
        /// The file.
        file: PathBuf,
        /// The component.
        name: String,
        /// Its type.
        kind: String,
    },
    /// Two components have one name.
    #[error("two components are named {name}: one in {}, one in {}; rename one", first.display(), second.display())]
    Duplicate {
        /// The name.
        name: String,
        /// The file read first.
        first: PathBuf,
        /// The other; it may be the same file.
        second: PathBuf,
    },
    /// A setting is missing or wrong.
    #[error("{}: component {name}: {message}", file.display())]
    Setting {
        /// The file.
        file: PathBuf,
        /// The component.
        name: String,
        /// Which setting, and what is wrong with it.
        message: String,
    },
    /// A policy is wrong.
    #[error("{}: resiliency {name}: {message}", file.display())]
    Resiliency {
        /// The file.
        file: PathBuf,
        /// The resource.
        name: String,
        /// Which policy or target, and what is wrong with it.
        message: String,
    },
    /// The provider cannot be opened.
    #[error("{}: component {name} cannot be opened: {source}", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// The component.
        name: String,
        /// What the provider said.
        source: pillion_capabilities::Error,
    },
}
