//! Why a report could not be made or does not fit.

use std::io;
use std::path::{Path, PathBuf};

use pillion_records::RecordError;

/// Why a report could not be made or does not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The run could not be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The run has no block with figures.
    #[error("{} holds no measured block: go on with it by `pillion resume`, then report again", path.display())]
    Empty {
        /// The run directory.
        path: PathBuf,
    },
    /// A report does not fit the data beside it.
    #[error("{} does not fit the run it stands beside (first difference in line {line}): `pillion report` writes it anew", path.display())]
    Differs {
        /// The file.
        path: PathBuf,
        /// The first line that differs, from 1.
        line: usize,
    },
    /// A README lacks the markers between which numbers go.
    #[error("{} has no line `{marker}`: put `<!-- pillion:numbers -->` and `<!-- /pillion:numbers -->` where the numbers belong", path.display())]
    NoMarker {
        /// The file.
        path: PathBuf,
        /// The marker that is not there.
        marker: &'static str,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Results could not be written as JSON.
    #[error("results.json: {0}")]
    Json(#[from] serde_json::Error),
}

// === impl ReportError ===

impl ReportError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
