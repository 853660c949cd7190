//! What was observed while a transcript was played.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Step;

/// What was observed while a transcript was played, as a hash and in the first difference from what it says.
///
/// SHA-256 over, for each call and each record looked at, in their order: one byte (1 for a reply or a record that is
/// there, 0 for an error or one that is not), the length in 4 bytes (little-endian), and the reply, the error's text or
/// the value.
#[derive(Clone, Debug)]
pub struct Observed {
    hash: Sha256,
    steps: u32,
    difference: Option<String>,
}

/// What came of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The hash of what was observed, in hex.
    pub sha256: String,
    /// Calls that were made, and records that were looked at.
    pub steps: u32,
    /// The first step that went otherwise than the transcript says, in words.
    pub difference: Option<String>,
}

/// So much of some bytes is shown.
const SHOWN: usize = 80;

// === impl Observed ===

impl Observed {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { hash: Sha256::new(), steps: 0, difference: None }
    }

    /// Takes down what a call was answered.
    pub fn answer(&mut self, step: &Step, answer: Result<&[u8], &str>) {
        let right = match (step, answer) {
            (Step::Reply { reply, .. }, Ok(got)) => reply == got,
            (Step::Error { error, .. }, Err(got)) => error == got,
            _ => false,
        };
        let got = match answer {
            Ok(reply) => format!("a reply of {}", excerpt(reply)),
            Err(error) => format!("an error of {}", excerpt(error.as_bytes())),
        };
        self.add(answer.is_ok(), answer.unwrap_or_else(str::as_bytes));
        self.compare(step, right, &got);
    }

    /// Takes down what the store holds.
    pub fn holds(&mut self, step: &Step, found: Option<&[u8]>) {
        let right = matches!((step, found), (Step::Holds { value, .. }, Some(found)) if value == found);
        let got = found.map_or_else(|| "nothing".to_owned(), excerpt);
        self.add(found.is_some(), found.unwrap_or_default());
        self.compare(step, right, &got);
    }

    /// What came of it.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        let sha256 = HEXLOWER.encode(&self.hash.finalize());
        Outcome { sha256, steps: self.steps, difference: self.difference }
    }

    fn add(&mut self, good: bool, bytes: &[u8]) {
        self.hash.update([u8::from(good)]);
        // No payload reaches 4 GiB: a guest's whole memory is that.
        self.hash.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.hash.update(bytes);
    }

    fn compare(&mut self, step: &Step, right: bool, got: &str) {
        self.steps += 1;
        if right || self.difference.is_some() {
            return;
        }
        let expected = match step {
            Step::Reply { call, request, reply } => {
                format!("{call} of {}: a reply of {}", excerpt(request), excerpt(reply))
            }
            Step::Error { call, request, error } => {
                format!("{call} of {}: an error of {}", excerpt(request), excerpt(error.as_bytes()))
            }
            Step::Holds { holds, value } => format!("the record {holds}: {}", excerpt(value)),
            Step::Store { store, .. } => format!("nothing of {store}"),
        };
        self.difference = Some(format!("step {}, {expected} was expected, and got {got}", self.steps));
    }
}

impl Default for Observed {
    fn default() -> Self {
        Self::new()
    }
}

fn excerpt(bytes: &[u8]) -> String {
    let start = bytes.get(..SHOWN).unwrap_or(bytes).escape_ascii();
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    format!("{} bytes \"{start}{more}\"", bytes.len())
}
