//! The last commit, as readers see it.

use std::collections::BTreeSet;

use bytes::Bytes;
use redb::{Database, ReadOnlyTable, ReadableDatabase};

use super::failed;
use super::record::{ENTRIES, ITEMS, MEMBERS, Record};
use crate::Result;
use crate::condition::positions;
use crate::keyvalue::Entry;

/// The tables of one commit, opened once for all its readers.
pub(super) struct Snapshot {
    entries: ReadOnlyTable<&'static str, &'static [u8]>,
    items: ReadOnlyTable<(&'static str, u64), &'static [u8]>,
    members: ReadOnlyTable<(&'static str, &'static [u8]), ()>,
}

// === impl Snapshot ===

impl Snapshot {
    pub(super) fn take(database: &Database) -> Result<Self> {
        let transaction = database.begin_read().map_err(failed)?;
        Ok(Self {
            entries: transaction.open_table(ENTRIES).map_err(failed)?,
            items: transaction.open_table(ITEMS).map_err(failed)?,
            members: transaction.open_table(MEMBERS).map_err(failed)?,
        })
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Entry>> {
        self.with(key, |record| record.map(|record| record.into_entry(key)).transpose())
    }

    pub(super) fn exists(&self, key: &str) -> Result<bool> {
        self.with(key, |record| Ok(record.is_some()))
    }

    pub(super) fn list_range(&self, key: &str, start: i64, stop: i64) -> Result<Vec<Bytes>> {
        let length = self.with(key, |record| match record {
            None => Ok(0),
            Some(Record::List { items, .. }) => Ok(items),
            Some(other) => Err(other.wrong_type(key, "list")),
        })?;
        let wanted = positions(length, start, stop);
        let items = self.items.range((key, 0)..=(key, u64::MAX)).map_err(failed)?;
        let count = usize::try_from(wanted.end - wanted.start).unwrap_or(usize::MAX);
        items
            .skip(usize::try_from(wanted.start).unwrap_or(usize::MAX))
            .take(count)
            .map(|item| Ok(Bytes::copy_from_slice(item.map_err(failed)?.1.value())))
            .collect()
    }

    pub(super) fn members(&self, key: &str) -> Result<BTreeSet<Bytes>> {
        self.with(key, |record| match record {
            None | Some(Record::Set { .. }) => Ok(()),
            Some(other) => Err(other.wrong_type(key, "set")),
        })?;
        let mut members = BTreeSet::new();
        for member in self.members.range((key, &[][..])..).map_err(failed)? {
            let (place, ()) = member.map(|(place, unit)| (place, unit.value())).map_err(failed)?;
            let (owner, member) = place.value();
            if owner != key {
                break;
            }
            members.insert(Bytes::copy_from_slice(member));
        }
        Ok(members)
    }

    fn with<T>(&self, key: &str, read: impl FnOnce(Option<Record<'_>>) -> Result<T>) -> Result<T> {
        match self.entries.get(key).map_err(failed)? {
            None => read(None),
            Some(bytes) => read(Record::decode(bytes.value())?.live()),
        }
    }
}
