//! Why a run could not be read or written.

use std::io;
use std::path::{Path, PathBuf};

use crate::SCHEMA;

/// Why a run could not be read or written. Every message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The directory holds no plan.
    #[error("{path} is not a run: it has no plan.json; `pillion run --out DIR` makes one")]
    NotARun {
        /// The directory.
        path: PathBuf,
    },
    /// The directory already holds a run.
    #[error(
        "{path} already holds a run; go on with it by `pillion resume {path}`, or choose another directory"
    )]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// Another version of the format.
    #[error("{path} has format {found}, and this build reads format {expected}: use the build that wrote it",
            expected = SCHEMA)]
    Schema {
        /// The file, with its line where it has several.
        path: String,
        /// The version found.
        found: u64,
    },
    /// A line or file that is not what it has to be.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file, with its line where it has several.
        path: String,
        /// What the parser said.
        reason: String,
    },
    /// No room is left. What was recorded before is whole.
    #[error(
        "no room left to record in {path} ({source}); all earlier blocks are safe: free some space, then `pillion resume`"
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system refused something else.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A histogram could not be encoded or decoded.
    #[error("histogram: {0}")]
    Histogram(String),
}

// === impl RecordError ===

impl RecordError {
    /// Wraps what the system said about a path; lack of room gets a variant of its own.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full { path, source }
            }
            _ => Self::Io { path, source },
        }
    }
}
