//! Exit codes.

use std::io::ErrorKind;
use std::process::ExitCode;

use pillion_harness::lane::LaneError;
use pillion_host::identity::IdentityError;
use pillion_host::manifest::{ManifestError, StartError};
use pillion_records::RecordError;
use pillion_reports::{ReportError, Summary};

/// What the shell is told. Of several that apply, the most serious is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Fine = 0,
    Verdict = 1,
    Usage = 2,
    Wrong = 3,
    /// Void or noisy.
    Void = 4,
    Refused = 5,
    Incomplete = 6,
    Disbelieved = 7,
}

/// The environment is not fit, with what was found.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

/// The user asked for what cannot be done, with what would.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// The text of `--help`.
pub(crate) const HELP: &str = "Exit codes:
  0  fine
  1  a claim is refuted, or a report does not fit its data
  2  usage
  3  a lane gave a wrong answer
  4  void: the A/A comparison tells apart what is the same; or noisy: flagged blocks decide over a claim, or most
     blocks are flagged
  5  the environment is refused: preflight, a missing program, no room to record
  6  incomplete: blocks failed or are missing
  7  a module or token is not believed: unsigned, changed, expired, or its issuer not trusted

Environment:
  PILLION_BINARIES  the folder of the runners and the sidecar, instead of this program's own
  PILLION_GUEST     a guest module to measure, instead of building one";

// === impl Exit ===

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// What a report's summary comes to.
    pub(crate) fn of_summary(summary: &Summary) -> Self {
        let refuted = |verdict: &pillion_reports::Verdict| verdict.verdict == pillion_reports::Word::Refuted;
        if summary.wrong {
            Self::Wrong
        } else if summary.incomplete {
            Self::Incomplete
        } else if summary.void || summary.noisy {
            Self::Void
        } else if !summary.quick && !summary.forced && summary.verdicts.iter().any(refuted) {
            Self::Verdict
        } else {
            Self::Fine
        }
    }
}

/// The code for an error: usage where the user named something that is not there, else the environment.
pub(crate) fn of(error: &anyhow::Error) -> Exit {
    if error.is::<LaneError>() || error.is::<ManifestError>() || error.is::<Usage>() {
        return Exit::Usage;
    }
    match error.downcast_ref() {
        Some(IdentityError::CannotSign(_) | IdentityError::Seed(_)) => return Exit::Usage,
        Some(_) => return Exit::Disbelieved,
        None => {}
    }
    if error.downcast_ref().is_some_and(StartError::is_of_identity) {
        return Exit::Disbelieved;
    }
    match error.downcast_ref() {
        Some(ReportError::Differs { .. }) => return Exit::Verdict,
        Some(ReportError::NoMarker { .. }) => return Exit::Usage,
        // A report that is not there does not fit its data; any other file was named by the user.
        Some(ReportError::Io { path, source }) if source.kind() == ErrorKind::NotFound => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let report = name.starts_with("report.") || name == "results.json";
            return if report { Exit::Verdict } else { Exit::Usage };
        }
        _ => {}
    }
    match error.downcast_ref() {
        Some(RecordError::NotARun { .. } | RecordError::Exists { .. } | RecordError::Schema { .. }) => {
            Exit::Usage
        }
        _ => match error.downcast_ref() {
            Some(ReportError::Record(RecordError::NotARun { .. } | RecordError::Schema { .. })) => {
                Exit::Usage
            }
            _ => Exit::Refused,
        },
    }
}
