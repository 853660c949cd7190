//! One shard: a hash table, and the expiries of its values in their order.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::time::SystemTime;

use bytes::Bytes;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use crate::condition::{Held, check_when, expiry, first_version, positions, sum};
use crate::keyvalue::{Entry, Etag, SetOptions, When};
use crate::{Error, Result};

/// One shard of the store. Its methods take the key's hash, so that it is computed once per call.
///
/// `expiries` holds exactly the values in `slots` that expire.
#[derive(Debug)]
pub(super) struct Shard {
    slots: HashTable<Slot>,
    expiries: BTreeMap<Expiry, Box<str>>,
    /// The last version given out. A key never changes its shard, so that none sees a version twice; nor does a key of
    /// the store that a later process has, since each store counts from a number of its own.
    version: u64,
}

#[derive(Debug)]
struct Slot {
    key: Box<str>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Plain { bytes: Bytes, etag: Etag, expiry: Option<Expiry> },
    List(Vec<Bytes>),
    Set(BTreeSet<Bytes>),
}

/// When a value goes away. The version it was set with tells apart those that go away at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Expiry {
    at: SystemTime,
    set: Etag,
}

/// How many expired values a write removes at most: more than the one it can add, so that they do not pile up, and
/// few enough that no single write waits long.
const SWEEP: usize = 8;

// === impl Shard ===

impl Shard {
    pub(super) fn new() -> Self {
        Self { slots: HashTable::new(), expiries: BTreeMap::new(), version: first_version() }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub(super) fn get(&mut self, hash: u64, key: &str) -> Result<Option<Entry>> {
        match self.slots.find(hash, |slot| *slot.key == *key).map(|slot| &slot.value) {
            None => Ok(None),
            Some(Value::Plain { expiry: Some(expiry), .. }) if expiry.at <= SystemTime::now() => {
                self.remove(hash, key);
                Ok(None)
            }
            Some(Value::Plain { bytes, etag, expiry }) => {
                Ok(Some(Entry { value: bytes.clone(), etag: *etag, expires: expiry.map(|expiry| expiry.at) }))
            }
            Some(other) => Err(wrong_type(key, "value", other)),
        }
    }

    pub(super) fn exists(&mut self, hash: u64, key: &str) -> bool {
        self.live(hash, key).is_some()
    }

    pub(super) fn held(&mut self, hash: u64, key: &str) -> Held {
        match self.live(hash, key) {
            None => Held::Nothing,
            Some(Value::Plain { etag, .. }) => Held::Plain(*etag),
            Some(_) => Held::Other,
        }
    }

    pub(super) fn set(
        &mut self,
        hash: u64,
        hasher: &impl BuildHasher,
        key: &str,
        bytes: Bytes,
        options: SetOptions,
    ) -> Result<Etag> {
        self.sweep(hasher);
        if options.when != When::Always {
            let held = self.held(hash, key);
            check_when(key, options.when, held)?;
        }
        let etag = self.next();
        let expiry = expiry(options.ttl).map(|at| Expiry { at, set: etag });
        let value = Value::Plain { bytes, etag, expiry };
        let replaced = match self.entry(hash, hasher, key) {
            Place::Occupied(place) => Some(std::mem::replace(&mut place.into_mut().value, value)),
            Place::Vacant(place) => {
                place.insert(Slot { key: key.into(), value });
                None
            }
        };
        self.forget_expiry(replaced.as_ref());
        if let Some(expiry) = expiry {
            self.expiries.insert(expiry, key.into());
        }
        Ok(etag)
    }

    pub(super) fn delete(&mut self, hash: u64, key: &str, when: When) -> Result<bool> {
        let held = self.held(hash, key);
        check_when(key, when, held)?;
        self.remove(hash, key);
        Ok(held != Held::Nothing)
    }

    pub(super) fn add(&mut self, hash: u64, hasher: &impl BuildHasher, key: &str, delta: i64) -> Result<i64> {
        self.sweep(hasher);
        let etag = self.next();
        match self.live(hash, key) {
            Some(Value::Plain { bytes, etag: version, .. }) => {
                let sum = sum(key, Some(bytes), delta)?;
                *bytes = sum.to_string().into();
                *version = etag;
                Ok(sum)
            }
            Some(other) => Err(wrong_type(key, "value", other)),
            None => {
                let value = Value::Plain { bytes: delta.to_string().into(), etag, expiry: None };
                self.entry(hash, hasher, key).insert(Slot { key: key.into(), value });
                Ok(delta)
            }
        }
    }

    pub(super) fn list_push(
        &mut self,
        hash: u64,
        hasher: &impl BuildHasher,
        key: &str,
        item: Bytes,
    ) -> Result<u64> {
        self.sweep(hasher);
        match self.live(hash, key) {
            Some(Value::List(items)) => {
                items.push(item);
                Ok(items.len() as u64)
            }
            Some(other) => Err(wrong_type(key, "list", other)),
            None => {
                self.entry(hash, hasher, key)
                    .insert(Slot { key: key.into(), value: Value::List(vec![item]) });
                Ok(1)
            }
        }
    }

    pub(super) fn list_range(&mut self, hash: u64, key: &str, start: i64, stop: i64) -> Result<Vec<Bytes>> {
        let items = self.list(hash, key)?.map_or(&[][..], |items| items);
        let wanted = positions(items.len() as u64, start, stop);
        Ok(items.get(wanted.start as usize..wanted.end as usize).unwrap_or_default().to_vec())
    }

    pub(super) fn list_remove(&mut self, hash: u64, key: &str, item: &Bytes) -> Result<u64> {
        let Some(items) = self.list(hash, key)? else { return Ok(0) };
        items.retain(|other| other != item);
        let left = items.len() as u64;
        if left == 0 {
            self.remove(hash, key);
        }
        Ok(left)
    }

    pub(super) fn list_clear(&mut self, hash: u64, key: &str) -> Result<bool> {
        let there = self.list(hash, key)?.is_some();
        self.remove(hash, key);
        Ok(there)
    }

    pub(super) fn set_add(
        &mut self,
        hash: u64,
        hasher: &impl BuildHasher,
        key: &str,
        member: Bytes,
    ) -> Result<u64> {
        self.sweep(hasher);
        match self.live(hash, key) {
            Some(Value::Set(members)) => {
                members.insert(member);
                Ok(members.len() as u64)
            }
            Some(other) => Err(wrong_type(key, "set", other)),
            None => {
                let value = Value::Set(BTreeSet::from([member]));
                self.entry(hash, hasher, key).insert(Slot { key: key.into(), value });
                Ok(1)
            }
        }
    }

    pub(super) fn set_remove(&mut self, hash: u64, key: &str, member: &Bytes) -> Result<u64> {
        let members = match self.live(hash, key) {
            None => return Ok(0),
            Some(Value::Set(members)) => members,
            Some(other) => return Err(wrong_type(key, "set", other)),
        };
        members.remove(member);
        let left = members.len() as u64;
        if left == 0 {
            self.remove(hash, key);
        }
        Ok(left)
    }

    pub(super) fn members(&mut self, hash: u64, key: &str) -> Result<Option<&BTreeSet<Bytes>>> {
        match self.live(hash, key) {
            None => Ok(None),
            Some(Value::Set(members)) => Ok(Some(members)),
            Some(other) => Err(wrong_type(key, "set", other)),
        }
    }

    fn list(&mut self, hash: u64, key: &str) -> Result<Option<&mut Vec<Bytes>>> {
        match self.live(hash, key) {
            None => Ok(None),
            Some(Value::List(items)) => Ok(Some(items)),
            Some(other) => Err(wrong_type(key, "list", other)),
        }
    }

    /// What a key holds, unless it expired.
    #[inline]
    fn live(&mut self, hash: u64, key: &str) -> Option<&mut Value> {
        if let Some(Slot { value: Value::Plain { expiry: Some(expiry), .. }, .. }) =
            self.slots.find(hash, |slot| *slot.key == *key)
            && expiry.at <= SystemTime::now()
        {
            self.remove(hash, key);
            return None;
        }
        self.slots.find_mut(hash, |slot| *slot.key == *key).map(|slot| &mut slot.value)
    }

    fn entry(&mut self, hash: u64, hasher: &impl BuildHasher, key: &str) -> Place<'_, Slot> {
        self.slots.entry(hash, |slot| *slot.key == *key, |slot| hasher.hash_one(&*slot.key))
    }

    fn remove(&mut self, hash: u64, key: &str) {
        if let Ok(place) = self.slots.find_entry(hash, |slot| *slot.key == *key) {
            let (slot, _) = place.remove();
            self.forget_expiry(Some(&slot.value));
        }
    }

    fn forget_expiry(&mut self, value: Option<&Value>) {
        if let Some(Value::Plain { expiry: Some(expiry), .. }) = value {
            self.expiries.remove(expiry);
        }
    }

    /// Removes a few expired values, the longest expired first.
    fn sweep(&mut self, hasher: &impl BuildHasher) {
        if self.expiries.is_empty() {
            return;
        }
        let now = SystemTime::now();
        for _ in 0..SWEEP {
            match self.expiries.first_entry() {
                Some(first) if first.key().at <= now => {
                    let key = first.remove();
                    self.remove(hasher.hash_one(&*key), &key);
                }
                _ => return,
            }
        }
    }

    fn next(&mut self) -> Etag {
        self.version += 1;
        Etag(self.version)
    }
}

fn wrong_type(key: &str, expected: &'static str, found: &Value) -> Error {
    let found = match found {
        Value::Plain { .. } => "value",
        Value::List(_) => "list",
        Value::Set(_) => "set",
    };
    Error::WrongType { key: key.to_owned(), expected, found }
}
