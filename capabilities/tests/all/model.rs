//! What the contract says, as plainly as it can be written: one map, one caller.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pillion_capabilities::{Error, Result};

/// A version as the model counts them: one number for each change, over all keys.
pub(crate) type Version = u64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    held: BTreeMap<String, Held>,
    version: Version,
}

#[derive(Clone, Debug)]
enum Held {
    Plain(Plain),
    List(Vec<Bytes>),
    Set(BTreeSet<Bytes>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plain {
    pub(crate) value: Bytes,
    pub(crate) version: Version,
    pub(crate) expires: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    Always,
    Absent,
    Matches(Version),
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Set { key: String, value: Bytes, expires: bool, when: When },
    Delete { key: String, when: When },
}

impl Model {
    pub(crate) fn get(&self, key: &str) -> Result<Option<Plain>> {
        match self.held.get(key) {
            None => Ok(None),
            Some(Held::Plain(plain)) => Ok(Some(plain.clone())),
            Some(other) => Err(wrong(key, "value", other)),
        }
    }

    pub(crate) fn set(&mut self, key: &str, value: Bytes, expires: bool, when: When) -> Result<Version> {
        self.check(key, when)?;
        self.version += 1;
        let plain = Plain { value, version: self.version, expires };
        self.held.insert(key.to_owned(), Held::Plain(plain));
        Ok(self.version)
    }

    pub(crate) fn delete(&mut self, key: &str, when: When) -> Result<bool> {
        self.check(key, when)?;
        Ok(self.held.remove(key).is_some())
    }

    pub(crate) fn exists(&self, key: &str) -> bool {
        self.held.contains_key(key)
    }

    pub(crate) fn add(&mut self, key: &str, delta: i64) -> Result<i64> {
        let before = self.get(key)?;
        let number = match &before {
            None => 0,
            Some(plain) => std::str::from_utf8(&plain.value)
                .ok()
                .and_then(|text| text.parse::<i64>().ok().filter(|number| number.to_string() == text))
                .ok_or_else(|| Error::NotAnInteger { key: key.to_owned() })?,
        };
        let sum = number.checked_add(delta).ok_or_else(|| Error::Overflow { key: key.to_owned() })?;
        self.set(key, sum.to_string().into(), before.is_some_and(|plain| plain.expires), When::Always)?;
        Ok(sum)
    }

    pub(crate) fn list_push(&mut self, key: &str, item: Bytes) -> Result<u64> {
        let mut items = self.list(key)?;
        items.push(item);
        Ok(self.put_list(key, items))
    }

    pub(crate) fn list_range(&self, key: &str, start: i64, stop: i64) -> Result<Vec<Bytes>> {
        let items = self.list(key)?;
        let length = items.len() as i64;
        let place = |position: i64| if position < 0 { length + position } else { position };
        let wanted = |position: &i64| *position >= place(start) && *position <= place(stop);
        Ok((0..length).filter(wanted).map(|position| items[position as usize].clone()).collect())
    }

    pub(crate) fn list_remove(&mut self, key: &str, item: &Bytes) -> Result<u64> {
        let mut items = self.list(key)?;
        items.retain(|other| other != item);
        Ok(self.put_list(key, items))
    }

    pub(crate) fn list_clear(&mut self, key: &str) -> Result<bool> {
        self.list(key)?;
        Ok(self.held.remove(key).is_some())
    }

    pub(crate) fn set_add(&mut self, key: &str, member: Bytes) -> Result<u64> {
        let mut members = self.members(key)?;
        members.insert(member);
        Ok(self.put_set(key, members))
    }

    pub(crate) fn set_remove(&mut self, key: &str, member: &Bytes) -> Result<u64> {
        let mut members = self.members(key)?;
        members.remove(member);
        Ok(self.put_set(key, members))
    }

    pub(crate) fn members(&self, key: &str) -> Result<BTreeSet<Bytes>> {
        match self.held.get(key) {
            None => Ok(BTreeSet::new()),
            Some(Held::Set(members)) => Ok(members.clone()),
            Some(other) => Err(wrong(key, "set", other)),
        }
    }

    pub(crate) fn union(&self, keys: &[&str]) -> Result<Vec<Bytes>> {
        let sets = keys.iter().map(|key| self.members(key)).collect::<Result<Vec<_>>>()?;
        Ok(sets.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect())
    }

    pub(crate) fn intersection(&self, keys: &[&str]) -> Result<Vec<Bytes>> {
        let sets = keys.iter().map(|key| self.members(key)).collect::<Result<Vec<_>>>()?;
        let first = sets.first().cloned().unwrap_or_default();
        Ok(first.into_iter().filter(|member| sets.iter().all(|set| set.contains(member))).collect())
    }

    pub(crate) fn bulk_get(&self, keys: &[&str]) -> Vec<Option<Plain>> {
        keys.iter().map(|key| self.get(key).unwrap_or(None)).collect()
    }

    pub(crate) fn transact(&mut self, changes: &[Change]) -> Result<()> {
        let mut after = self.clone();
        for change in changes {
            match change.clone() {
                Change::Set { key, value, expires, when } => {
                    after.set(&key, value, expires, when).map(drop)?
                }
                Change::Delete { key, when } => after.delete(&key, when).map(drop)?,
            }
        }
        *self = after;
        Ok(())
    }

    fn check(&self, key: &str, when: When) -> Result<()> {
        let holds = match (when, self.held.get(key)) {
            (When::Always, _) | (When::Absent, None) => true,
            (When::Matches(version), Some(Held::Plain(plain))) => plain.version == version,
            _ => false,
        };
        if holds { Ok(()) } else { Err(Error::EtagMismatch { key: key.to_owned() }) }
    }

    fn list(&self, key: &str) -> Result<Vec<Bytes>> {
        match self.held.get(key) {
            None => Ok(Vec::new()),
            Some(Held::List(items)) => Ok(items.clone()),
            Some(other) => Err(wrong(key, "list", other)),
        }
    }

    fn put_list(&mut self, key: &str, items: Vec<Bytes>) -> u64 {
        let length = items.len() as u64;
        self.held.insert(key.to_owned(), Held::List(items));
        if length == 0 {
            self.held.remove(key);
        }
        length
    }

    fn put_set(&mut self, key: &str, members: BTreeSet<Bytes>) -> u64 {
        let length = members.len() as u64;
        self.held.insert(key.to_owned(), Held::Set(members));
        if length == 0 {
            self.held.remove(key);
        }
        length
    }
}

fn wrong(key: &str, expected: &'static str, held: &Held) -> Error {
    let found = match held {
        Held::Plain(_) => "value",
        Held::List(_) => "list",
        Held::Set(_) => "set",
    };
    Error::WrongType { key: key.to_owned(), expected, found }
}
