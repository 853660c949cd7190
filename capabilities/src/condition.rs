//! What every provider checks in the same way before it changes anything.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::keyvalue::{Change, Etag, SetOptions, When};
use crate::{Error, Result};

/// What a key holds, as far as a condition looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Nothing.
    Nothing,
    /// A plain value of this version.
    Plain(Etag),
    /// A list, a set, or a plain value whose version nobody can know yet.
    Other,
}

/// A longer stay is refused, so that no provider has to compute with times that it cannot represent.
const LONGEST_TTL: Duration = Duration::from_secs(1000 * 365 * 24 * 60 * 60);

// === free functions ===

/// A version to count up from, drawn anew wherever the last one is not known: a version that was told before must not
/// come again, or a change on its condition would overwrite what its maker never saw. Below 2⁵², so that counting stays
/// within the 53 bits of the numbers of Lua, in which Redis counts.
pub(crate) fn first_version() -> u64 {
    rand::random::<u64>() >> 12
}

/// Refuses the empty key.
#[inline]
pub(crate) fn check_key(key: &str) -> Result<()> {
    if key.is_empty() { Err(Error::InvalidArgument("the key is empty; name one".to_owned())) } else { Ok(()) }
}

/// Refuses empty keys.
pub(crate) fn check_keys(keys: &[&str]) -> Result<()> {
    keys.iter().try_for_each(|key| check_key(key))
}

/// Refuses an empty key and a time to live that is zero or beyond all sense.
#[inline]
pub(crate) fn check_set(key: &str, options: SetOptions) -> Result<()> {
    check_key(key)?;
    match options.ttl {
        Some(ttl) if ttl.is_zero() => Err(Error::InvalidArgument(format!(
            "the time to live of key {key} is zero; leave it out to keep the value for ever"
        ))),
        Some(ttl) if ttl > LONGEST_TTL => Err(Error::InvalidArgument(format!(
            "the time to live of key {key} is more than 1000 years; leave it out to keep the value for ever"
        ))),
        _ => Ok(()),
    }
}

/// Refuses an empty key and the deletion of what must not be there.
pub(crate) fn check_delete(key: &str, when: When) -> Result<()> {
    check_key(key)?;
    match when {
        When::Absent => {
            Err(Error::InvalidArgument(format!("key {key} cannot be deleted on condition that it is absent")))
        }
        When::Always | When::Matches(_) => Ok(()),
    }
}

/// Refuses a transaction with an ill-formed change. There a deletion may ask that its key be absent: the changes after
/// it are then made only if it was.
pub(crate) fn check_changes(changes: &[Change]) -> Result<()> {
    changes.iter().try_for_each(|change| match change {
        Change::Set { key, options, .. } => check_set(key, *options),
        Change::Delete { key, .. } => check_key(key),
    })
}

/// Fails with [`Error::EtagMismatch`] unless `when` holds.
#[inline]
pub(crate) fn check_when(key: &str, when: When, held: Held) -> Result<()> {
    let holds = match when {
        When::Always => true,
        When::Absent => held == Held::Nothing,
        When::Matches(etag) => held == Held::Plain(etag),
    };
    if holds { Ok(()) } else { Err(Error::EtagMismatch { key: key.to_owned() }) }
}

/// Goes through the conditions of a transaction, each against what the changes before it would leave, so that the
/// changes can then be made without any failing half-way.
pub(crate) fn rehearse(changes: &[Change], mut held: impl FnMut(&str) -> Result<Held>) -> Result<()> {
    let mut left: HashMap<&str, Held> = HashMap::new();
    for change in changes {
        let (key, when, after) = match change {
            Change::Set { key, options, .. } => (key, options.when, Held::Other),
            Change::Delete { key, when } => (key, *when, Held::Nothing),
        };
        let before = match left.get(key.as_str()) {
            Some(before) => *before,
            None => held(key)?,
        };
        check_when(key, when, before)?;
        left.insert(key, after);
    }
    Ok(())
}

/// The integer that a value spells in the one canonical way: no plus, no leading zero, no blank.
pub(crate) fn parse_integer(value: &[u8]) -> Option<i64> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let canonical = match digits {
        [b'0'] => digits.len() == value.len(),
        [first, ..] => matches!(first, b'1'..=b'9'),
        [] => false,
    };
    canonical.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}

/// The sum that `add` leaves, given what the key holds.
pub(crate) fn sum(key: &str, value: Option<&[u8]>, delta: i64) -> Result<i64> {
    let before = match value {
        None => 0,
        Some(value) => parse_integer(value).ok_or_else(|| Error::NotAnInteger { key: key.to_owned() })?,
    };
    before.checked_add(delta).ok_or_else(|| Error::Overflow { key: key.to_owned() })
}

/// When a value goes away that is set now.
pub(crate) fn expiry(ttl: Option<Duration>) -> Option<SystemTime> {
    ttl.and_then(|ttl| SystemTime::now().checked_add(ttl))
}

/// The positions that `start..=stop` of a list mean, negative ones counted from its end.
pub(crate) fn positions(length: u64, start: i64, stop: i64) -> std::ops::Range<u64> {
    let from_start = |position: i64| {
        if position < 0 { i128::from(length) + i128::from(position) } else { position.into() }
    };
    let first = from_start(start).clamp(0, length.into());
    let end = (from_start(stop) + 1).clamp(first, length.into());
    u64::try_from(first).unwrap_or(length)..u64::try_from(end).unwrap_or(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_are_integers() {
        for (text, expected) in [("0", 0), ("-1", -1), ("9223372036854775807", i64::MAX), ("10", 10)] {
            assert_eq!(parse_integer(text.as_bytes()), Some(expected));
        }
        for text in ["", "-", "+1", "-0", "007", " 1", "1 ", "9223372036854775808", "1.5", "x"] {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn positions_count_from_both_ends() {
        assert_eq!(positions(5, 0, -1), 0..5);
        assert_eq!(positions(5, -2, -1), 3..5);
        assert_eq!(positions(5, 1, 1), 1..2);
        assert_eq!(positions(5, 3, 1), 3..3);
        assert_eq!(positions(5, -100, 100), 0..5);
        assert_eq!(positions(5, 7, 9), 5..5);
        assert_eq!(positions(0, 0, -1), 0..0);
        assert_eq!(positions(3, i64::MIN, i64::MAX), 0..3);
    }
}
