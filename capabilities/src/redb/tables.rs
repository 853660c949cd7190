//! The changes, within a write transaction.

use std::time::SystemTime;

use redb::{ReadableTable, Table, WriteTransaction};

use super::failed;
use super::record::{ENTRIES, EXPIRIES, FORMAT, ITEMS, MEMBERS, NUMBERS, Record, micros, now};
use crate::condition::{check_when, expiry, rehearse, sum};
use crate::keyvalue::{Change, Etag, SetOptions, When};
use crate::{Error, Result};

/// The tables while they are written to. Every method checks before it changes, so that one that fails with an
/// error of the caller's leaves no trace in the transaction that it shares with other changes.
pub(super) struct Tables<'a> {
    entries: Table<'a, &'static str, &'static [u8]>,
    items: Table<'a, (&'static str, u64), &'static [u8]>,
    members: Table<'a, (&'static str, &'static [u8]), ()>,
    expiries: Table<'a, (u64, &'static str), ()>,
    numbers: Table<'a, &'static str, u64>,
}

/// A record whose value is not borrowed from a table.
enum Found {
    Plain { etag: Etag, expiry: u64, value: Vec<u8> },
    List { items: u64, next: u64 },
    Set { members: u64 },
}

/// How many expired values a commit removes at most for each change in it.
const SWEEP: usize = 4;

// === impl Tables ===

impl<'a> Tables<'a> {
    pub(super) fn open(transaction: &'a WriteTransaction) -> Result<Self> {
        let mut tables = Self {
            entries: transaction.open_table(ENTRIES).map_err(failed)?,
            items: transaction.open_table(ITEMS).map_err(failed)?,
            members: transaction.open_table(MEMBERS).map_err(failed)?,
            expiries: transaction.open_table(EXPIRIES).map_err(failed)?,
            numbers: transaction.open_table(NUMBERS).map_err(failed)?,
        };
        match tables.number("format")? {
            Some(FORMAT) => {}
            None => {
                tables.numbers.insert("format", FORMAT).map_err(failed)?;
            }
            Some(other) => {
                return Err(Error::Failed {
                    provider: "redb".to_owned(),
                    reason: format!(
                        "the file is of format {other}, this program writes {FORMAT}; use a newer one"
                    ),
                });
            }
        }
        Ok(tables)
    }

    pub(super) fn set(&mut self, key: &str, value: &[u8], options: SetOptions) -> Result<Etag> {
        let before = self.find(key)?;
        check_when(key, options.when, Record::held(before.as_ref().map(Found::record)))?;
        self.clear(key)?;
        self.put(key, value, expiry(options.ttl))
    }

    pub(super) fn delete(&mut self, key: &str, when: When) -> Result<bool> {
        let before = self.find(key)?;
        check_when(key, when, Record::held(before.as_ref().map(Found::record)))?;
        self.clear(key)?;
        Ok(before.is_some())
    }

    pub(super) fn add(&mut self, key: &str, delta: i64) -> Result<i64> {
        let (sum, expiry) = match self.find(key)? {
            None => {
                self.clear(key)?;
                (delta, 0)
            }
            Some(Found::Plain { value, expiry, .. }) => (sum(key, Some(&value), delta)?, expiry),
            Some(other) => return Err(other.record().wrong_type(key, "value")),
        };
        let etag = self.next()?;
        self.record(key, Record::Plain { etag, expiry, value: sum.to_string().as_bytes() })?;
        Ok(sum)
    }

    pub(super) fn list_push(&mut self, key: &str, item: &[u8]) -> Result<u64> {
        let (items, next) = match self.find(key)? {
            None => {
                self.clear(key)?;
                (0, 0)
            }
            Some(Found::List { items, next }) => (items, next),
            Some(other) => return Err(other.record().wrong_type(key, "list")),
        };
        self.items.insert((key, next), item).map_err(failed)?;
        self.record(key, Record::List { items: items + 1, next: next + 1 })?;
        Ok(items + 1)
    }

    pub(super) fn list_remove(&mut self, key: &str, item: &[u8]) -> Result<u64> {
        let (mut items, next) = match self.find(key)? {
            None => return Ok(0),
            Some(Found::List { items, next }) => (items, next),
            Some(other) => return Err(other.record().wrong_type(key, "list")),
        };
        let all = (key, 0)..=(key, u64::MAX);
        for removed in self.items.extract_from_if(all, |_, other| other == item).map_err(failed)? {
            removed.map_err(failed)?;
            items -= 1;
        }
        if items == 0 {
            self.entries.remove(key).map_err(failed)?;
        } else {
            self.record(key, Record::List { items, next })?;
        }
        Ok(items)
    }

    pub(super) fn list_clear(&mut self, key: &str) -> Result<bool> {
        match self.find(key)? {
            None => Ok(false),
            Some(Found::List { .. }) => self.clear(key).map(|()| true),
            Some(other) => Err(other.record().wrong_type(key, "list")),
        }
    }

    pub(super) fn set_add(&mut self, key: &str, member: &[u8]) -> Result<u64> {
        let members = match self.find(key)? {
            None => {
                self.clear(key)?;
                0
            }
            Some(Found::Set { members }) => members,
            Some(other) => return Err(other.record().wrong_type(key, "set")),
        };
        let new = self.members.insert((key, member), ()).map_err(failed)?.is_none();
        let members = members + u64::from(new);
        self.record(key, Record::Set { members })?;
        Ok(members)
    }

    pub(super) fn set_remove(&mut self, key: &str, member: &[u8]) -> Result<u64> {
        let members = match self.find(key)? {
            None => return Ok(0),
            Some(Found::Set { members }) => members,
            Some(other) => return Err(other.record().wrong_type(key, "set")),
        };
        let there = self.members.remove((key, member)).map_err(failed)?.is_some();
        let left = members - u64::from(there);
        if left == 0 {
            self.entries.remove(key).map_err(failed)?;
        } else {
            self.record(key, Record::Set { members: left })?;
        }
        Ok(left)
    }

    pub(super) fn transact(&mut self, changes: &[Change]) -> Result<()> {
        rehearse(changes, |key| Ok(Record::held(self.find(key)?.as_ref().map(Found::record))))?;
        for change in changes {
            match change {
                Change::Set { key, value, options } => {
                    self.clear(key)?;
                    self.put(key, value, expiry(options.ttl))?;
                }
                Change::Delete { key, .. } => self.clear(key)?,
            }
        }
        Ok(())
    }

    /// Removes a few expired values, the longest expired first: more than `changes` can have added.
    pub(super) fn sweep(&mut self, changes: usize) -> Result<()> {
        let due = self.expiries.range(..(now(), "")).map_err(failed)?;
        let keys: Vec<String> = due
            .take(changes * SWEEP)
            .map(|entry| Ok(entry.map_err(failed)?.0.value().1.to_owned()))
            .collect::<Result<_>>()?;
        keys.iter().try_for_each(|key| self.clear(key))
    }

    fn put(&mut self, key: &str, value: &[u8], expires: Option<SystemTime>) -> Result<Etag> {
        let etag = self.next()?;
        let expiry = expires.map_or(0, micros);
        self.record(key, Record::Plain { etag, expiry, value })?;
        if expiry != 0 {
            self.expiries.insert((expiry, key), ()).map_err(failed)?;
        }
        Ok(etag)
    }

    /// What a key holds, unless it expired.
    fn find(&self, key: &str) -> Result<Option<Found>> {
        let bytes = self.entries.get(key).map_err(failed)?;
        let Some(bytes) = bytes else { return Ok(None) };
        Ok(Record::decode(bytes.value())?.live().map(Found::from))
    }

    /// Removes a key with all that belongs to it, expired or not.
    fn clear(&mut self, key: &str) -> Result<()> {
        let removed = self.entries.remove(key).map_err(failed)?;
        let Some(removed) = removed else { return Ok(()) };
        match Record::decode(removed.value())? {
            Record::Plain { expiry: 0, .. } => {}
            Record::Plain { expiry, .. } => {
                self.expiries.remove((expiry, key)).map_err(failed)?;
            }
            Record::List { .. } => {
                self.items.retain_in((key, 0)..=(key, u64::MAX), |_, _| false).map_err(failed)?;
            }
            Record::Set { .. } => {
                // No member is the greatest, so that the range ends before the next possible key.
                let next = [key, "\0"].concat();
                let all = (key, &[][..])..(next.as_str(), &[][..]);
                self.members.retain_in(all, |_, ()| false).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, key: &str, record: Record<'_>) -> Result<()> {
        self.entries.insert(key, record.encode().as_slice()).map_err(failed)?;
        Ok(())
    }

    fn next(&mut self) -> Result<Etag> {
        let next = self.number("version")?.unwrap_or_default() + 1;
        self.numbers.insert("version", next).map_err(failed)?;
        Ok(Etag(next))
    }

    fn number(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.numbers.get(name).map_err(failed)?.map(|number| number.value()))
    }
}

// === impl Found ===

impl Found {
    fn record(&self) -> Record<'_> {
        match self {
            Self::Plain { etag, expiry, value } => Record::Plain { etag: *etag, expiry: *expiry, value },
            Self::List { items, next } => Record::List { items: *items, next: *next },
            Self::Set { members } => Record::Set { members: *members },
        }
    }
}

impl From<Record<'_>> for Found {
    fn from(record: Record<'_>) -> Self {
        match record {
            Record::Plain { etag, expiry, value } => Self::Plain { etag, expiry, value: value.to_vec() },
            Record::List { items, next } => Self::List { items, next },
            Record::Set { members } => Self::Set { members },
        }
    }
}
