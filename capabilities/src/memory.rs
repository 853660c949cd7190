//! The provider in memory: shards of a hash table, each behind a lock of its own.

mod shard;

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use bytes::Bytes;
use hashbrown::DefaultHashBuilder;
use parking_lot::{Mutex, MutexGuard};

use crate::condition::{check_changes, check_delete, check_key, check_keys, check_set, rehearse};
use crate::keyvalue::{Change, Entry, Etag, KeyValue, SetOptions, When, or_missing};
use crate::{Answer, Counters, Operation, Result};
use shard::Shard;

/// Keeps everything in this process's memory, and loses it with the process.
///
/// Every call answers [`Answer::Ready`]. A key belongs to one of the shards by its hash; an operation on one key
/// locks that shard, an operation on several keys locks theirs in ascending order, so that it is atomic and cannot
/// deadlock. An expired value is never seen; it is removed when it is next touched, or a few at a time by later
/// writes to its shard, so that expired values do not pile up and no thread is needed to remove them.
#[derive(Debug)]
pub struct Memory {
    counters: Counters,
    hasher: DefaultHashBuilder,
    shards: Box<[Padded<Mutex<Shard>>; SHARDS]>,
}

/// Keeps locks of neighbouring shards off each other's cache lines. 128 and not 64, since Intel's processors fetch
/// lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

/// Several shards, locked.
struct Locked<'a> {
    memory: &'a Memory,
    guards: Box<[Option<MutexGuard<'a, Shard>>; SHARDS]>,
}

/// Many more than threads that would run at once, so that two seldom meet in one. A power of two.
const SHARDS: usize = 64;

// === impl Memory ===

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self {
            counters: Counters::default(),
            hasher: DefaultHashBuilder::default(),
            shards: Box::new(std::array::from_fn(|_| Padded(Mutex::new(Shard::new())))),
        }
    }

    /// How many keys take up memory, expired ones that were not removed yet included.
    #[must_use]
    pub fn stored_keys(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.lock().len()).sum()
    }

    #[inline]
    fn hash(&self, key: &str) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The shard of a key's hash, and its place. The bits differ from those that place a key within the table.
    #[inline]
    fn place(hash: u64) -> usize {
        (hash >> 48) as usize % SHARDS
    }

    /// Does something to one key with its shard locked.
    #[inline]
    fn at<T>(
        &self,
        operation: Operation,
        key: &str,
        act: impl FnOnce(&mut Shard, u64) -> Result<T>,
    ) -> Answer<T> {
        self.counters.count(operation);
        if let Err(error) = check_key(key) {
            return Answer::Ready(Err(error));
        }
        let hash = self.hash(key);
        Answer::Ready(act(&mut self.shards[Self::place(hash)].0.lock(), hash))
    }

    /// Locks the shards of all keys, in ascending order.
    fn lock<'a>(&self, keys: impl Iterator<Item = &'a str>) -> Locked<'_> {
        let places: BTreeSet<usize> = keys.map(|key| Self::place(self.hash(key))).collect();
        let mut guards: Box<[Option<MutexGuard<'_, Shard>>; SHARDS]> = Box::new([const { None }; SHARDS]);
        for ((place, shard), guard) in self.shards.iter().enumerate().zip(guards.iter_mut()) {
            if places.contains(&place) {
                *guard = Some(shard.0.lock());
            }
        }
        Locked { memory: self, guards }
    }
}

// === impl Locked ===

impl Locked<'_> {
    fn at<T>(&mut self, key: &str, act: impl FnOnce(&mut Shard, u64) -> T) -> T {
        let hash = self.memory.hash(key);
        let place = Memory::place(hash);
        // A key that was not named beforehand would be locked out of order here; there is none.
        let shard = self.guards[place].get_or_insert_with(|| self.memory.shards[place].0.lock());
        act(shard, hash)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyValue for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        true
    }

    #[inline]
    fn get(&self, key: &str) -> Answer<Option<Entry>> {
        self.at(Operation::Get, key, |shard, hash| shard.get(hash, key))
    }

    fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Answer<Etag> {
        self.at(Operation::Set, key, |shard, hash| {
            check_set(key, options)?;
            shard.set(hash, &self.hasher, key, value, options)
        })
    }

    fn delete(&self, key: &str, when: When) -> Answer<bool> {
        self.at(Operation::Delete, key, |shard, hash| {
            check_delete(key, when)?;
            shard.delete(hash, key, when)
        })
    }

    fn exists(&self, key: &str) -> Answer<bool> {
        self.at(Operation::Exists, key, |shard, hash| Ok(shard.exists(hash, key)))
    }

    fn add(&self, key: &str, delta: i64) -> Answer<i64> {
        self.at(Operation::Add, key, |shard, hash| shard.add(hash, &self.hasher, key, delta))
    }

    fn list_push(&self, key: &str, value: Bytes) -> Answer<u64> {
        self.at(Operation::ListPush, key, |shard, hash| shard.list_push(hash, &self.hasher, key, value))
    }

    fn list_range(&self, key: &str, start: i64, stop: i64) -> Answer<Vec<Bytes>> {
        self.at(Operation::ListRange, key, |shard, hash| shard.list_range(hash, key, start, stop))
    }

    fn list_remove(&self, key: &str, value: Bytes) -> Answer<u64> {
        self.at(Operation::ListRemove, key, |shard, hash| shard.list_remove(hash, key, &value))
    }

    fn list_clear(&self, key: &str) -> Answer<bool> {
        self.at(Operation::ListClear, key, |shard, hash| shard.list_clear(hash, key))
    }

    fn set_add(&self, key: &str, member: Bytes) -> Answer<u64> {
        self.at(Operation::SetAdd, key, |shard, hash| shard.set_add(hash, &self.hasher, key, member))
    }

    fn set_remove(&self, key: &str, member: Bytes) -> Answer<u64> {
        self.at(Operation::SetRemove, key, |shard, hash| shard.set_remove(hash, key, &member))
    }

    fn set_members(&self, key: &str) -> Answer<Vec<Bytes>> {
        self.at(Operation::SetMembers, key, |shard, hash| {
            Ok(shard.members(hash, key)?.into_iter().flatten().cloned().collect())
        })
    }

    fn set_union(&self, keys: &[&str]) -> Answer<Vec<Bytes>> {
        self.counters.count(Operation::SetUnion);
        Answer::Ready(self.sets(keys).map(|sets| {
            let union: BTreeSet<Bytes> = sets.into_iter().flatten().collect();
            union.into_iter().collect()
        }))
    }

    fn set_intersection(&self, keys: &[&str]) -> Answer<Vec<Bytes>> {
        self.counters.count(Operation::SetIntersection);
        Answer::Ready(self.sets(keys).map(|sets| {
            let common = sets.into_iter().reduce(|common, set| common.intersection(&set).cloned().collect());
            common.into_iter().flatten().collect()
        }))
    }

    fn bulk_get(&self, keys: &[&str]) -> Answer<Vec<Option<Entry>>> {
        self.bulk_get_each(keys).map(or_missing)
    }

    fn bulk_get_each(&self, keys: &[&str]) -> Answer<Vec<Result<Option<Entry>>>> {
        self.counters.count(Operation::BulkGet);
        if let Err(error) = check_keys(keys) {
            return Answer::Ready(Err(error));
        }
        let mut locked = self.lock(keys.iter().copied());
        // The only failure of a get is another kind of value.
        let entries = keys.iter().map(|key| locked.at(key, |shard, hash| shard.get(hash, key)));
        Answer::Ready(Ok(entries.collect()))
    }

    fn transact(&self, changes: Vec<Change>) -> Answer<()> {
        self.counters.count(Operation::Transact);
        Answer::Ready(self.make(changes))
    }
}

impl Memory {
    /// The members of several sets at one moment.
    fn sets(&self, keys: &[&str]) -> Result<Vec<BTreeSet<Bytes>>> {
        check_keys(keys)?;
        let mut locked = self.lock(keys.iter().copied());
        keys.iter()
            .map(|key| {
                locked.at(key, |shard, hash| Ok(shard.members(hash, key)?.cloned().unwrap_or_default()))
            })
            .collect()
    }

    fn make(&self, changes: Vec<Change>) -> Result<()> {
        check_changes(&changes)?;
        let mut locked = self.lock(changes.iter().map(|change| match change {
            Change::Set { key, .. } | Change::Delete { key, .. } => key.as_str(),
        }));
        rehearse(&changes, |key| Ok(locked.at(key, |shard, hash| shard.held(hash, key))))?;
        // The conditions were checked, and would be judged again by versions that the changes themselves make.
        for change in changes {
            match change {
                Change::Set { key, value, options } => {
                    let options = SetOptions { when: When::Always, ..options };
                    locked.at(&key, |shard, hash| shard.set(hash, &self.hasher, &key, value, options))?;
                }
                Change::Delete { key, .. } => {
                    locked.at(&key, |shard, hash| shard.delete(hash, &key, When::Always))?;
                }
            }
        }
        Ok(())
    }
}
