//! The contract `KeyValue`: plain values, counters, lists and sets under string keys.
//!
//! It is the union of what waSCC's `wascc:keyvalue` and Dapr's state API ask for, in the terms of neither. A key
//! holds one kind of value at a time; an operation of another kind answers [`Error::WrongType`](crate::Error).

mod prefixed;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::binding::{Binding, Bound};
use crate::{Answer, Counters, Error, Result, counters};

pub use prefixed::prefixed;

counters::operations! {
    Get = "get",
    Set = "set",
    Delete = "delete",
    Exists = "exists",
    Add = "add",
    ListPush = "list_push",
    ListRange = "list_range",
    ListRemove = "list_remove",
    ListClear = "list_clear",
    SetAdd = "set_add",
    SetRemove = "set_remove",
    SetMembers = "set_members",
    SetUnion = "set_union",
    SetIntersection = "set_intersection",
    BulkGet = "bulk_get",
    Transact = "transact",
}

/// The version of a value. It changes with every change of the value and is never given out again for the same
/// key, not even after the key was deleted and written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Etag(pub u64);

/// A plain value as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The bytes, as they were set.
    pub value: Bytes,
    /// The version of these bytes.
    pub etag: Etag,
    /// When the value goes away by itself, if it does.
    pub expires: Option<SystemTime>,
}

/// What must hold for a change to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Nothing: the last write wins.
    #[default]
    Always,
    /// The key must not be there.
    Absent,
    /// The key must be there with this version.
    Matches(Etag),
}

/// How a value is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetOptions {
    /// How long the value stays; `None` is for ever, and also takes away an earlier expiry. Zero is refused.
    pub ttl: Option<Duration>,
    /// What must hold for the value to be set; if it does not, the call fails with [`Error::EtagMismatch`].
    pub when: When,
}

/// One change of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets a value.
    Set {
        /// The key.
        key: String,
        /// The bytes.
        value: Bytes,
        /// How.
        options: SetOptions,
    },
    /// Deletes a key of any kind.
    Delete {
        /// The key.
        key: String,
        /// What must hold.
        when: When,
    },
}

/// The capability contract for keys and values.
///
/// Keys are not empty. Every method may be called at the same time from many threads, and each is atomic. A key
/// whose last list item or set member is removed is no longer there. An expired key is not there.
pub trait KeyValue: Send + Sync + 'static {
    /// The provider's name, for errors and metrics: `memory`, `redis`, `redb`.
    fn name(&self) -> &'static str;

    /// How often this provider was reached.
    fn counters(&self) -> &Counters;

    /// Whether every call answers [`Answer::Ready`]: the host then needs no fiber to call it.
    fn always_ready(&self) -> bool;

    /// The plain value of a key.
    fn get(&self, key: &str) -> Answer<Option<Entry>>;

    /// Sets a plain value, replacing whatever the key held, and answers its new version.
    fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Answer<Etag>;

    /// Deletes a key of any kind; answers whether it was there. `When::Matches` on a missing key fails with
    /// [`Error::EtagMismatch`]; `When::Absent` is refused, but not in a
    /// transaction, whose other changes it guards.
    fn delete(&self, key: &str, when: When) -> Answer<bool>;

    /// Whether a key of any kind is there.
    fn exists(&self, key: &str) -> Answer<bool>;

    /// Adds to a plain value that is a decimal integer (a missing key counts as 0) and answers the sum. An expiry
    /// stays as it was. The sum is stored as decimal text.
    fn add(&self, key: &str, delta: i64) -> Answer<i64>;

    /// Appends to a list, and answers how many items it now has.
    fn list_push(&self, key: &str, value: Bytes) -> Answer<u64>;

    /// The items from `start` to `stop`, both included; negative numbers count from the end, as -1 for the last.
    fn list_range(&self, key: &str, start: i64, stop: i64) -> Answer<Vec<Bytes>>;

    /// Removes every item that equals `value`, and answers how many items are left.
    fn list_remove(&self, key: &str, value: Bytes) -> Answer<u64>;

    /// Removes a list with all its items; answers whether it was there.
    fn list_clear(&self, key: &str) -> Answer<bool>;

    /// Adds a member to a set, and answers how many members it now has.
    fn set_add(&self, key: &str, member: Bytes) -> Answer<u64>;

    /// Removes a member from a set, and answers how many members are left.
    fn set_remove(&self, key: &str, member: Bytes) -> Answer<u64>;

    /// The members of a set, sorted by their bytes.
    fn set_members(&self, key: &str) -> Answer<Vec<Bytes>>;

    /// The members of any of the sets, sorted by their bytes.
    fn set_union(&self, keys: &[&str]) -> Answer<Vec<Bytes>>;

    /// The members that all of the sets have, sorted by their bytes. No keys, no members.
    fn set_intersection(&self, keys: &[&str]) -> Answer<Vec<Bytes>>;

    /// The plain values of many keys, in their order, read in one go. A key that holds a list or a set answers as
    /// missing.
    fn bulk_get(&self, keys: &[&str]) -> Answer<Vec<Option<Entry>>>;

    /// As [`Self::bulk_get`], but a key that holds another kind answers [`Error::WrongType`](crate::Error) in its place. A
    /// provider that cannot tell has it missing.
    fn bulk_get_each(&self, keys: &[&str]) -> Answer<Vec<Result<Option<Entry>>>> {
        self.bulk_get(keys).map(|entries| entries.into_iter().map(Ok).collect())
    }

    /// Makes all of the changes in their order, or none.
    fn transact(&self, changes: Vec<Change>) -> Answer<()>;

    /// Makes a binding: answers what serves it, which knows the values of [`prefixed`]. See
    /// [`crate::binding`]; `this` is the provider itself.
    fn bind(&self, this: Arc<dyn KeyValue>, binding: &Binding<'_>) -> Result<Bound<dyn KeyValue>> {
        prefixed(this, binding)
    }
}

// === impl Etag ===

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Etag {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.parse().map(Self).map_err(|_| Error::EtagInvalid { etag: text.to_owned() })
    }
}

/// What [`KeyValue::bulk_get`] answers where [`KeyValue::bulk_get_each`] answers this.
pub(crate) fn or_missing(entries: Vec<Result<Option<Entry>>>) -> Vec<Option<Entry>> {
    entries.into_iter().map(Result::unwrap_or_default).collect()
}
