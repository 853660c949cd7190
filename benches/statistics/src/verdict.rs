//! Words for intervals.

use std::fmt;

use crate::Interval;

/// The least margin within which two lanes count as equivalent.
pub const EQUIVALENCE: f64 = 0.05;

/// What an interval of the ratio a / b of a latency says about a.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Wholly below 1 − margin.
    Faster,
    /// Wholly above 1 + margin.
    Slower,
    /// Wholly within 1 ± margin.
    Equivalent,
    /// Anything else.
    Unsure,
}

// === impl Word ===

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Equivalent => "equivalent",
            Self::Unsure => "unsure",
        })
    }
}

/// The word for the ratio a / b of a latency. For a rate, where more is better, hand in b / a.
#[must_use]
pub fn word(ratio: Interval, margin: f64) -> Word {
    if ratio.high < 1.0 - margin {
        Word::Faster
    } else if ratio.low > 1.0 + margin {
        Word::Slower
    } else if ratio.low >= 1.0 - margin && ratio.high <= 1.0 + margin {
        Word::Equivalent
    } else {
        Word::Unsure
    }
}

/// The margin of a session: 5 %, or the half-width of the A/A ratio's interval where that is wider. `None` if the
/// A/A interval excludes 1: the session is void.
#[must_use]
pub fn margin(aa: Interval) -> Option<f64> {
    aa.contains(1.0).then(|| aa.half_width().max(EQUIVALENCE))
}

/// Holm's correction: each p value times the number of hypotheses that it has to hold against, in order of
/// size and never below the one before it. At most a level where the hypothesis is rejected at that
/// family-wise level.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut by_size: Vec<usize> = (0..p_values.len()).collect();
    by_size.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut corrected = vec![1.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, &index) in by_size.iter().enumerate() {
        largest = largest.max(p_values[index] * (p_values.len() - rank) as f64).min(1.0);
        corrected[index] = largest;
    }
    corrected
}
