//! Why a host does not start, or does not take a manifest.

use std::path::PathBuf;

use crate::HostError;

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {cause}")]
pub struct StartError {
    /// Where in the manifest, as `actors[0].bindings[1]`.
    place: String,
    // Not its source: its text is in that of this error.
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    #[error("{0}")]
    Wrong(String),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Capability(#[from] pillion_capabilities::Error),
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, std::io::Error),
}

/// Adds the place in the manifest to an error.
pub(super) trait At<T> {
    fn at(self, place: impl FnOnce() -> String) -> Result<T, StartError>;
}

// === impl StartError ===

impl StartError {
    pub(super) fn new(place: String, cause: Cause) -> Self {
        Self { place, cause }
    }

    /// Whether it is that a module or a token is not believed.
    #[must_use]
    pub fn is_of_identity(&self) -> bool {
        matches!(self.cause, Cause::Host(HostError::Identity(_)))
    }
}

// === impl At ===

impl<T, E: Into<Cause>> At<T> for Result<T, E> {
    fn at(self, place: impl FnOnce() -> String) -> Result<T, StartError> {
        self.map_err(|error| StartError { place: place(), cause: error.into() })
    }
}
