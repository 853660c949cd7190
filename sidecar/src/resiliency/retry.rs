//! When something is tried again.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::RangeInclusive;
use std::time::Duration;

/// When something is tried again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Retry {
    pub(super) pace: Pace,
    /// How often; nothing is for ever.
    pub(super) most: Option<u64>,
    /// Which failures, by HTTP's status; all if nothing is said.
    pub(super) http: Option<Vec<RangeInclusive<u16>>>,
    /// Which failures, by gRPC's code.
    pub(super) grpc: Option<Vec<RangeInclusive<u16>>>,
}

/// After how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Constant(Duration),
    /// From half a second on, half as long again each time, up to this, and never so long after the first that a quarter
    /// of an hour has gone by.
    Exponential(Duration),
}

/// As the library has it that Dapr uses.
const FIRST: Duration = Duration::from_millis(500);
const FACTOR: f64 = 1.5;
const RANDOM: f64 = 0.5;
const ELAPSED: Duration = Duration::from_secs(15 * 60);

/// Counts what was tried.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    retry: &'a Retry,
    done: u64,
    next: Duration,
    since: tokio::time::Instant,
}

// === impl Retry ===

impl Retry {
    /// What Dapr has built in for calls of apps: three times, a second apart.
    pub(crate) const fn built_in() -> Self {
        Self { pace: Pace::Constant(Duration::from_secs(1)), most: Some(3), http: None, grpc: None }
    }

    pub(crate) fn attempts(&self) -> Attempts<'_> {
        Attempts { retry: self, done: 0, next: FIRST, since: tokio::time::Instant::now() }
    }

    /// Whether an answer with this status is worth another try.
    pub(crate) fn wants_http(&self, status: u16) -> bool {
        self.http.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.contains(&status)))
    }

    /// Whether an answer with this code is worth another try.
    pub(crate) fn wants_grpc(&self, code: u16) -> bool {
        self.grpc.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.contains(&code)))
    }
}

// === impl Attempts ===

impl Attempts<'_> {
    /// How long to wait before the next; nothing if there is none.
    pub(crate) fn pause(&mut self) -> Option<Duration> {
        if self.retry.most.is_some_and(|most| self.done >= most) {
            return None;
        }
        self.done += 1;
        match self.retry.pace {
            Pace::Constant(pause) => Some(pause),
            Pace::Exponential(longest) => {
                let pause = self.next.min(longest);
                if self.since.elapsed() + pause > ELAPSED {
                    return None;
                }
                self.next = pause.mul_f64(FACTOR).min(longest);
                Some(pause.mul_f64(1.0 - RANDOM + 2.0 * RANDOM * chance()))
            }
        }
    }
}

/// A number from 0 to 1, good enough for pauses.
fn chance() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

/// Reads codes, as `429,500-599`.
pub(super) fn ranges(text: &str, allowed: RangeInclusive<u16>) -> Result<Vec<RangeInclusive<u16>>, String> {
    let wrong = || format!("{text:?} is no list of codes; write it as 429,500-599");
    text.split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let code =
                |text: &str| text.trim().parse().ok().filter(|code| allowed.contains(code)).ok_or_else(wrong);
            let range = code(first)?..=code(last)?;
            if range.is_empty() { Err(wrong()) } else { Ok(range) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(pace: Pace, most: Option<u64>) -> Retry {
        Retry { pace, most, http: None, grpc: None }
    }

    #[test]
    fn pauses_are_as_said_and_end() {
        let constant = retry(Pace::Constant(Duration::from_secs(2)), Some(2));
        let mut attempts = constant.attempts();
        let pauses = [attempts.pause(), attempts.pause(), attempts.pause()];
        assert_eq!(pauses, [Some(Duration::from_secs(2)), Some(Duration::from_secs(2)), None]);
        let longest = Duration::from_millis(700);
        let exponential = retry(Pace::Exponential(longest), None);
        let mut attempts = exponential.attempts();
        let first = attempts.pause().unwrap();
        assert!(first >= FIRST / 2 && first <= FIRST * 3 / 2, "{first:?}");
        for _ in 0..1_000 {
            assert!(attempts.pause().unwrap() <= longest * 3 / 2);
        }
    }

    #[test]
    fn codes_are_read() {
        let codes = ranges("429, 500-599", 100..=599).unwrap();
        let matching = Retry { http: Some(codes), ..retry(Pace::Constant(Duration::ZERO), None) };
        assert!(matching.wants_http(429) && matching.wants_http(500) && matching.wants_http(599));
        assert!(!matching.wants_http(404) && matching.wants_grpc(3));
        for wrong in ["", "a", "5-", "599-500", "600", "500,,501"] {
            assert!(ranges(wrong, 100..=599).is_err(), "{wrong}");
        }
    }
}
