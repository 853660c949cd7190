//! The requests of one cell, and what a loop must know to check their replies in passing.

use std::str::FromStr;

use pillion_logic::oracle::{self, Suite, Workload};
use pillion_records::Cell;

/// The workload that asks nothing: the loop's own cost.
const NOOP: &str = "noop";

/// The requests of one cell.
pub(super) struct Questions {
    pub(super) suite: Suite,
    /// For each request the fingerprint of its reply.
    pub(super) expected: Vec<u64>,
    /// Whether a request gets the same reply each time; if not, fingerprints leave out the digits.
    pub(super) repeatable: bool,
}

// === impl Questions ===

impl Questions {
    /// The requests of a cell, from a seed.
    ///
    /// # Errors
    /// An unknown workload.
    pub(super) fn of(cell: &Cell, seed: u64) -> Result<Self, String> {
        if cell.workload == NOOP {
            let case = oracle::Case {
                operation: NOOP,
                request: Vec::new(),
                expected: Ok(Vec::new()),
                calls: oracle::Calls::default(),
            };
            return Ok(Self::new(Suite { cases: vec![case], ..Suite::default() }, true));
        }
        let workload = Workload::from_str(&cell.workload).map_err(|error| error.to_string())?;
        // 64 requests vary enough; of large ones fewer, so that they do not measure the cache alone.
        let count = if cell.payload > 16_384 && workload != Workload::Compute { 16 } else { 64 };
        let suite = oracle::suite(workload, cell.payload as usize, cell.calls.unwrap_or(1), seed, count);
        Ok(Self::new(suite, workload.repeatable()))
    }

    fn new(suite: Suite, repeatable: bool) -> Self {
        let expected = suite
            .cases
            .iter()
            .map(|case| fingerprint(case.expected.as_deref().unwrap_or_default(), repeatable))
            .collect();
        Self { suite, expected, repeatable }
    }
}

/// A fingerprint that costs a few ns: the length with the first, middle and last eight bytes. The whole reply was
/// compared when the cell was verified. Replies that count are hashed without their digits.
#[inline]
pub(super) fn fingerprint(reply: &[u8], repeatable: bool) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    if !repeatable {
        let letters = reply.iter().filter(|byte| !byte.is_ascii_digit() && **byte != b'-');
        return letters.fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(PRIME));
    }
    let word = |at: usize| {
        let mut word = [0; 8];
        if let Some(bytes) = reply.get(at..at + 8) {
            word.copy_from_slice(bytes);
        }
        u64::from_le_bytes(word)
    };
    let length = reply.len();
    let mut sum = length as u64;
    if length >= 8 {
        sum = sum.wrapping_mul(PRIME) ^ word(0);
        sum = sum.wrapping_mul(PRIME) ^ word(length / 2 - 4);
        sum.wrapping_mul(PRIME) ^ word(length - 8)
    } else {
        reply.iter().fold(sum, |sum, &byte| sum.wrapping_mul(PRIME) ^ u64::from(byte))
    }
}

/// Folds a fingerprint into the rolling checksum of a batch.
#[inline]
pub(super) fn roll(sum: u64, fingerprint: u64) -> u64 {
    sum.rotate_left(7) ^ fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_tell_replies_apart() {
        assert_ne!(fingerprint(b"", true), fingerprint(b"a", true));
        assert_ne!(fingerprint(b"abcdefgh", true), fingerprint(b"abcdefgi", true));
        assert_ne!(fingerprint(&[b'a'; 1024], true), fingerprint(&[b'a'; 1023], true));
    }

    #[test]
    fn replies_that_count_are_compared_without_their_numbers() {
        assert_eq!(fingerprint(br#"{"value":9}"#, false), fingerprint(br#"{"value":10}"#, false));
        assert_ne!(fingerprint(br#"{"value":9}"#, false), fingerprint(br#"{"error":9}"#, false));
    }
}
