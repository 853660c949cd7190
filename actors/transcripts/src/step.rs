//! A transcript and its text.

use serde::{Deserialize, Serialize};

use crate::{App, Observed, bytes};

/// What an app is asked, over a fresh store, and what must come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The app.
    pub app: App,
    /// The steps, in their order.
    pub steps: Vec<Step>,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Step {
    /// A record is put into the store, past the app.
    Store {
        /// The key.
        store: String,
        /// The value.
        #[serde(with = "bytes")]
        value: Vec<u8>,
    },
    /// A call that is answered.
    Reply {
        /// The operation.
        call: String,
        /// The request.
        #[serde(with = "bytes")]
        request: Vec<u8>,
        /// The whole reply.
        #[serde(with = "bytes")]
        reply: Vec<u8>,
    },
    /// A call that fails.
    Error {
        /// The operation.
        call: String,
        /// The request.
        #[serde(with = "bytes")]
        request: Vec<u8>,
        /// The whole text of the guest's error.
        error: String,
    },
    /// The store must now hold a record.
    Holds {
        /// The key.
        holds: String,
        /// The value.
        #[serde(with = "bytes")]
        value: Vec<u8>,
    },
}

/// A transcript that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the transcript: {reason}")]
pub struct TranscriptError {
    line: usize,
    reason: serde_json::Error,
}

// === impl Transcript ===

impl Transcript {
    /// The stored transcript of an app.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn stored(app: App) -> Result<Self, TranscriptError> {
        let text = match app {
            App::Echo => include_str!("../files/echo.jsonl"),
            App::Kv => include_str!("../files/kv.jsonl"),
            App::Chain => include_str!("../files/chain.jsonl"),
            App::Counter => include_str!("../files/counter.jsonl"),
            App::Compute => include_str!("../files/compute.jsonl"),
            App::Order => include_str!("../files/order.jsonl"),
        };
        Self::parse(app, text)
    }

    /// Reads the text of a transcript.
    ///
    /// # Errors
    /// The first line that is no step.
    pub fn parse(app: App, text: &str) -> Result<Self, TranscriptError> {
        let step = |(at, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|reason| TranscriptError { line: at + 1, reason })
        };
        Ok(Self { app, steps: text.lines().enumerate().map(step).collect::<Result<_, _>>()? })
    }

    /// Its text: a step a line.
    ///
    /// # Errors
    /// None that is known; serde's signature has one.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        let mut text = String::new();
        for step in &self.steps {
            text += &serde_json::to_string(step)?;
            text.push('\n');
        }
        Ok(text)
    }

    /// What who plays it observes if all is as it must be.
    #[must_use]
    pub fn expected(&self) -> Observed {
        let mut observed = Observed::new();
        for step in &self.steps {
            match step {
                Step::Store { .. } => {}
                Step::Reply { reply, .. } => observed.answer(step, Ok(reply)),
                Step::Error { error, .. } => observed.answer(step, Err(error)),
                Step::Holds { value, .. } => observed.holds(step, Some(value)),
            }
        }
        observed
    }
}
