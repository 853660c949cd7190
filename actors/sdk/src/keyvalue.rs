//! `wascc:keyvalue`: plain values, counters, lists and sets under string keys.

use pillion_codec::{
    AddRequest, AddResponse, GetResponse, Item, Key, Keys, List, NewCount, RangeRequest, SetRequest,
};

use crate::answered::{Values, decode};
use crate::call::{Bytes, call_with};
use crate::client::client;
use crate::{Error, Result};

client! {
    /// A store of keys and values.
    KeyValue = "wascc:keyvalue"
}

// === impl KeyValue ===

impl KeyValue<'_> {
    /// The value of a key, if it is there: in the buffer that it came in.
    ///
    /// # Errors
    /// The host's, among them that the key holds a list or a set.
    #[inline]
    pub fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let response = self.call("Get", |out| Key { key }.encode(out))?;
        let found = decode("Get", GetResponse::decode(&response))?;
        if !found.exists {
            return Ok(None);
        }
        let (start, length) = (response.place(found.value), found.value.len());
        Ok(Some(response.narrowed(start, length)))
    }

    /// Sets a value for ever; the last write wins.
    ///
    /// # Errors
    /// The host's.
    #[inline]
    pub fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.set_for(key, value, 0)
    }

    /// Sets a value for so many seconds; 0 is for ever.
    ///
    /// # Errors
    /// The host's.
    #[inline]
    pub fn set_for(&self, key: &str, value: &[u8], seconds: u32) -> Result<()> {
        let request = SetRequest { key, value, expires: seconds.into() };
        self.call("Set", |out| request.encode(out)).map(drop)
    }

    /// Adds to a counter atomically, and answers the sum. A missing key counts as 0.
    ///
    /// # Errors
    /// The host's, among them that the value is no integer; and a `delta` beyond 32 bits, which waSCC does not add.
    #[inline]
    pub fn add(&self, key: &str, delta: i64) -> Result<i64> {
        if i32::try_from(delta).is_err() {
            return Err(too_wide(key));
        }
        let response = self.call("Add", |out| AddRequest { key, value: delta }.encode(out))?;
        Ok(decode("Add", AddResponse::decode(&response))?.value)
    }

    /// Deletes a key with whatever it holds. One that is not there is no error.
    ///
    /// # Errors
    /// The host's.
    pub fn delete(&self, key: &str) -> Result<()> {
        self.call("Del", |out| Key { key }.encode(out)).map(drop)
    }

    /// Whether a key is there.
    ///
    /// # Errors
    /// The host's.
    pub fn exists(&self, key: &str) -> Result<bool> {
        let response = self.call("KeyExists", |out| Key { key }.encode(out))?;
        Ok(decode("KeyExists", GetResponse::decode(&response))?.exists)
    }

    /// Appends to a list, and answers how many items it now has.
    ///
    /// # Errors
    /// The host's.
    pub fn push(&self, key: &str, value: &[u8]) -> Result<i64> {
        self.count("Push", key, value)
    }

    /// The items of a list from `start` to `stop`, both included; negative numbers count from the end, as -1 for the
    /// last.
    ///
    /// # Errors
    /// The host's.
    pub fn range(&self, key: &str, start: i64, stop: i64) -> Result<Values> {
        Values::of("Range", self.call("Range", |out| RangeRequest { key, start, stop }.encode(out))?)
    }

    /// Removes every item that equals `value` from a list, and answers how many are left.
    ///
    /// # Errors
    /// The host's.
    pub fn list_remove(&self, key: &str, value: &[u8]) -> Result<i64> {
        self.count("ListItemDelete", key, value)
    }

    /// Removes a list with all its items.
    ///
    /// # Errors
    /// The host's.
    pub fn clear(&self, key: &str) -> Result<()> {
        self.call("Clear", |out| Key { key }.encode(out)).map(drop)
    }

    /// Adds a member to a set, and answers how many it now has.
    ///
    /// # Errors
    /// The host's.
    pub fn set_add(&self, key: &str, member: &[u8]) -> Result<i64> {
        self.count("SetAdd", key, member)
    }

    /// Removes a member from a set, and answers how many are left.
    ///
    /// # Errors
    /// The host's.
    pub fn set_remove(&self, key: &str, member: &[u8]) -> Result<i64> {
        self.count("SetRemove", key, member)
    }

    /// The members of a set.
    ///
    /// # Errors
    /// The host's.
    pub fn members(&self, key: &str) -> Result<Values> {
        Values::of("SetQuery", self.call("SetQuery", |out| Key { key }.encode(out))?)
    }

    /// The members of any of the sets.
    ///
    /// # Errors
    /// The host's.
    pub fn union(&self, keys: &[&str]) -> Result<Values> {
        self.of_sets("SetUnion", keys)
    }

    /// The members that all of the sets have.
    ///
    /// # Errors
    /// The host's.
    pub fn intersection(&self, keys: &[&str]) -> Result<Values> {
        self.of_sets("SetIntersection", keys)
    }

    #[inline]
    fn call(&self, operation: &str, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Bytes> {
        call_with(self.binding, Self::CONTRACT, operation, encode)
    }

    fn count(&self, operation: &str, key: &str, value: &[u8]) -> Result<i64> {
        let response = self.call(operation, |out| Item { key, value }.encode(out))?;
        Ok(decode(operation, NewCount::decode(&response))?.new_count)
    }

    fn of_sets(&self, operation: &str, keys: &[&str]) -> Result<Values> {
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        Values::of(operation, self.call(operation, |out| Keys { keys: List::new(&keys) }.encode(out))?)
    }
}

#[cold]
fn too_wide(key: &str) -> Error {
    Error::new(["what is added to ", key, " is too much: waSCC adds integers of 32 bits"].concat())
}
