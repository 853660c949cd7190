//! What each app must answer, as a file: the same bytes in every language, on every engine and by every coupling.
//!
//! A transcript is a list of steps over a fresh store: records put there, calls with their replies or errors, and records
//! that must be there in the end. The files follow from the oracle of `pillion-logic` and are stored, so that hosts which
//! are not written in Rust can play them; a test holds that they are what the oracle says today. `README.md` beside them
//! describes their format.
#![forbid(unsafe_code)]

mod app;
mod bytes;
mod observed;
mod oracle;
mod step;

pub use app::{App, UnknownApp};
pub use observed::{Observed, Outcome};
pub use step::{Step, Transcript, TranscriptError};
