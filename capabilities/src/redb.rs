//! The embedded, durable provider: a redb file.

mod record;
mod snapshot;
mod tables;
mod writer;

use std::path::Path;

use bytes::Bytes;

use crate::condition::{check_changes, check_delete, check_key, check_keys, check_set};
use crate::keyvalue::{Change, Entry, Etag, KeyValue, SetOptions, When, or_missing};
use crate::{Answer, Counters, Error, Operation, Result};
use snapshot::Snapshot;
use tables::Tables;
use writer::Writer;

/// Keeps everything in one file, which one process at a time may have open.
///
/// A change is answered once it is on the disk (fsync), so that every acknowledged change survives `kill -9` and a
/// loss of power. A sync takes longer than a caller's thread may block: changes go to a writer thread and their
/// answers are pending, so [`KeyValue::always_ready`] is false. Changes that arrive during a sync are committed
/// together by the next one, so that many writers share its cost.
///
/// Reads answer [`Answer::Ready`]: they look at the last commit, without locks against the writer, on the caller's
/// thread.
///
/// When a commit fails, as on a full disk, the changes in it fail with [`Error::Failed`] and are not made; the file
/// is opened anew and goes on from the last commit.
#[derive(Debug)]
pub struct Redb {
    counters: Counters,
    writer: Writer,
}

// === impl Redb ===

impl Redb {
    /// Opens a file, or creates it. A file that was not closed is repaired first.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the file cannot be opened or created, is no redb file, or is open elsewhere.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { counters: Counters::default(), writer: Writer::start(path.as_ref())? })
    }

    fn read<T>(
        &self,
        operation: Operation,
        checked: Result<()>,
        read: impl FnOnce(&Snapshot) -> Result<T>,
    ) -> Answer<T> {
        self.counters.count(operation);
        Answer::Ready(checked.and_then(|()| read(&*self.writer.snapshot()?)))
    }

    fn write<T: Send + 'static>(
        &self,
        operation: Operation,
        checked: Result<()>,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        self.counters.count(operation);
        match checked {
            Ok(()) => self.writer.submit(change),
            Err(error) => Answer::Ready(Err(error)),
        }
    }
}

impl KeyValue for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        false
    }

    fn get(&self, key: &str) -> Answer<Option<Entry>> {
        self.read(Operation::Get, check_key(key), |snapshot| snapshot.get(key))
    }

    fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Answer<Etag> {
        let checked = check_set(key, options);
        let key = key.to_owned();
        self.write(Operation::Set, checked, move |tables| tables.set(&key, &value, options))
    }

    fn delete(&self, key: &str, when: When) -> Answer<bool> {
        let checked = check_delete(key, when);
        let key = key.to_owned();
        self.write(Operation::Delete, checked, move |tables| tables.delete(&key, when))
    }

    fn exists(&self, key: &str) -> Answer<bool> {
        self.read(Operation::Exists, check_key(key), |snapshot| snapshot.exists(key))
    }

    fn add(&self, key: &str, delta: i64) -> Answer<i64> {
        let checked = check_key(key);
        let key = key.to_owned();
        self.write(Operation::Add, checked, move |tables| tables.add(&key, delta))
    }

    fn list_push(&self, key: &str, value: Bytes) -> Answer<u64> {
        let checked = check_key(key);
        let key = key.to_owned();
        self.write(Operation::ListPush, checked, move |tables| tables.list_push(&key, &value))
    }

    fn list_range(&self, key: &str, start: i64, stop: i64) -> Answer<Vec<Bytes>> {
        self.read(Operation::ListRange, check_key(key), |snapshot| snapshot.list_range(key, start, stop))
    }

    fn list_remove(&self, key: &str, value: Bytes) -> Answer<u64> {
        let checked = check_key(key);
        let key = key.to_owned();
        self.write(Operation::ListRemove, checked, move |tables| tables.list_remove(&key, &value))
    }

    fn list_clear(&self, key: &str) -> Answer<bool> {
        let checked = check_key(key);
        let key = key.to_owned();
        self.write(Operation::ListClear, checked, move |tables| tables.list_clear(&key))
    }

    fn set_add(&self, key: &str, member: Bytes) -> Answer<u64> {
        let checked = check_key(key);
        let key = key.to_owned();
        self.write(Operation::SetAdd, checked, move |tables| tables.set_add(&key, &member))
    }

    fn set_remove(&self, key: &str, member: Bytes) -> Answer<u64> {
        let checked = check_key(key);
        let key = key.to_owned();
        self.write(Operation::SetRemove, checked, move |tables| tables.set_remove(&key, &member))
    }

    fn set_members(&self, key: &str) -> Answer<Vec<Bytes>> {
        self.read(Operation::SetMembers, check_key(key), |snapshot| {
            Ok(snapshot.members(key)?.into_iter().collect())
        })
    }

    fn set_union(&self, keys: &[&str]) -> Answer<Vec<Bytes>> {
        self.read(Operation::SetUnion, check_keys(keys), |snapshot| {
            let sets = keys.iter().map(|key| snapshot.members(key)).collect::<Result<Vec<_>>>()?;
            let union: std::collections::BTreeSet<Bytes> = sets.into_iter().flatten().collect();
            Ok(union.into_iter().collect())
        })
    }

    fn set_intersection(&self, keys: &[&str]) -> Answer<Vec<Bytes>> {
        self.read(Operation::SetIntersection, check_keys(keys), |snapshot| {
            let sets = keys.iter().map(|key| snapshot.members(key)).collect::<Result<Vec<_>>>()?;
            let common = sets.into_iter().reduce(|common, set| common.intersection(&set).cloned().collect());
            Ok(common.into_iter().flatten().collect())
        })
    }

    fn bulk_get(&self, keys: &[&str]) -> Answer<Vec<Option<Entry>>> {
        self.bulk_get_each(keys).map(or_missing)
    }

    fn bulk_get_each(&self, keys: &[&str]) -> Answer<Vec<Result<Option<Entry>>>> {
        self.read(Operation::BulkGet, check_keys(keys), |snapshot| {
            // What else goes wrong does so for all.
            let each = |key: &&str| match snapshot.get(key) {
                Err(error @ Error::WrongType { .. }) => Ok(Err(error)),
                entry => entry.map(Ok),
            };
            keys.iter().map(each).collect()
        })
    }

    fn transact(&self, changes: Vec<Change>) -> Answer<()> {
        self.write(Operation::Transact, check_changes(&changes), move |tables| tables.transact(&changes))
    }
}

/// An error of redb's as one of ours.
fn failed(error: impl Into<::redb::Error>) -> Error {
    Error::Failed { provider: "redb".to_owned(), reason: error.into().to_string() }
}
