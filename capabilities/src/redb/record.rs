//! How a file looks inside.
//!
//! ```text
//! entries   key              → 0 | version u64 | expiry u64, µs since 1970, 0: none | value    a plain value
//!                            → 1 | items u64 | next position u64                               a list
//!                            → 2 | members u64                                                 a set
//! items     (key, position)  → item       positions rise with gaps, where items were removed
//! members   (key, member)    → ()
//! expiries  (expiry, key)    → ()         exactly the plain values that expire
//! numbers   "format", "version" → u64     this layout, and the last version given out
//! ```
//!
//! Integers are little-endian.

use std::time::{Duration, SystemTime};

use redb::TableDefinition;

use crate::condition::Held;
use crate::keyvalue::{Entry, Etag};
use crate::{Error, Result};

pub(super) const ENTRIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("entries");
pub(super) const ITEMS: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("items");
pub(super) const MEMBERS: TableDefinition<'_, (&str, &[u8]), ()> = TableDefinition::new("members");
pub(super) const EXPIRIES: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("expiries");
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// The layout above.
pub(super) const FORMAT: u64 = 1;

/// What a key holds, as the table `entries` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    Plain { etag: Etag, expiry: u64, value: &'a [u8] },
    List { items: u64, next: u64 },
    Set { members: u64 },
}

// === impl Record ===

impl<'a> Record<'a> {
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self> {
        let damaged = || Error::Failed {
            provider: "redb".to_owned(),
            reason: "an entry of the file is damaged; restore the file from a copy".to_owned(),
        };
        let (kind, rest) = bytes.split_first().ok_or_else(damaged)?;
        let mut rest = rest;
        let mut number = || {
            let (head, tail) = rest.split_first_chunk().ok_or_else(damaged)?;
            rest = tail;
            Ok(u64::from_le_bytes(*head))
        };
        match kind {
            0 => {
                let (etag, expiry) = (Etag(number()?), number()?);
                Ok(Self::Plain { etag, expiry, value: rest })
            }
            1 => Ok(Self::List { items: number()?, next: number()? }),
            2 => Ok(Self::Set { members: number()? }),
            _ => Err(damaged()),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match *self {
            Self::Plain { etag, expiry, value } => {
                [&[0], &etag.0.to_le_bytes()[..], &expiry.to_le_bytes(), value].concat()
            }
            Self::List { items, next } => [&[1], &items.to_le_bytes()[..], &next.to_le_bytes()].concat(),
            Self::Set { members } => [&[2], &members.to_le_bytes()[..]].concat(),
        }
    }

    /// The record, unless it expired.
    pub(super) fn live(self) -> Option<Self> {
        match self {
            Self::Plain { expiry, .. } if expiry != 0 && expiry <= now() => None,
            record => Some(record),
        }
    }

    pub(super) fn held(record: Option<Self>) -> Held {
        match record {
            None => Held::Nothing,
            Some(Self::Plain { etag, .. }) => Held::Plain(etag),
            Some(_) => Held::Other,
        }
    }

    pub(super) fn wrong_type(&self, key: &str, expected: &'static str) -> Error {
        let found = match self {
            Self::Plain { .. } => "value",
            Self::List { .. } => "list",
            Self::Set { .. } => "set",
        };
        Error::WrongType { key: key.to_owned(), expected, found }
    }

    pub(super) fn into_entry(self, key: &str) -> Result<Entry> {
        match self {
            Self::Plain { etag, expiry, value } => Ok(Entry {
                value: value.to_vec().into(),
                etag,
                expires: (expiry != 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_micros(expiry)),
            }),
            other => Err(other.wrong_type(key, "value")),
        }
    }
}

/// A moment as an expiry, rounded up so that none becomes 0 and none is early.
pub(super) fn micros(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
}

pub(super) fn now() -> u64 {
    micros(SystemTime::now())
}
