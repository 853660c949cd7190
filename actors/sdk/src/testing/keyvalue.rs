//! `wascc:keyvalue` in memory.

use std::collections::{BTreeMap, BTreeSet};

use pillion_codec::{
    AddRequest, AddResponse, DecodeError, GetResponse, Item, Key, Keys, List, NewCount, RangeRequest,
    SetRequest, SetResponse, Values,
};

use super::Outcome;
use super::contracts::{self, check_key, encoded, unknown};

/// The store of one binding.
#[derive(Default)]
pub(super) struct Store {
    kept: BTreeMap<String, Kept>,
}

enum Kept {
    Plain { value: Vec<u8>, seconds: i64 },
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
}

type Result<T> = std::result::Result<T, String>;

// === impl Store ===

impl Store {
    pub(super) fn set(&mut self, key: &str, value: &[u8], seconds: i64) {
        self.kept.insert(key.to_owned(), Kept::Plain { value: value.to_vec(), seconds });
    }

    pub(super) fn plain(&self, key: &str) -> Option<Vec<u8>> {
        match self.kept.get(key)? {
            Kept::Plain { value, .. } => Some(value.clone()),
            _ => None,
        }
    }

    pub(super) fn seconds(&self, key: &str) -> Option<i64> {
        match self.kept.get(key)? {
            Kept::Plain { seconds, .. } => Some(*seconds),
            _ => None,
        }
    }

    pub(super) fn answer(&mut self, operation: &str, payload: &[u8]) -> Outcome {
        let key = || {
            let key = read(operation, Key::decode(payload))?.key;
            check_key(key).map(|()| key)
        };
        let item = || {
            let item = read(operation, Item::decode(payload))?;
            check_key(item.key).map(|()| item)
        };
        match operation {
            "Get" => {
                let value = self.text(key()?)?;
                let (value, exists) = (value.unwrap_or_default(), value.is_some());
                encoded(|out| GetResponse { value, exists }.encode(out))
            }
            "Set" => {
                let SetRequest { key, value, expires } = read(operation, SetRequest::decode(payload))?;
                if expires < 0 {
                    return read(operation, Err(DecodeError::OutOfRange));
                }
                check_key(key)?;
                self.set(key, value, expires);
                encoded(|out| SetResponse { value }.encode(out))
            }
            "Add" => self.add(read(operation, AddRequest::decode(payload))?),
            "Del" | "Clear" => {
                let key = key()?;
                if operation == "Clear" {
                    self.list(key)?;
                }
                self.kept.remove(key);
                encoded(|out| Key { key }.encode(out))
            }
            "KeyExists" => {
                let exists = self.kept.contains_key(key()?);
                encoded(|out| GetResponse { value: b"", exists }.encode(out))
            }
            "Range" => self.range(read(operation, RangeRequest::decode(payload))?),
            "Push" => self.with_list(item()?, |list, value| list.push(value)),
            "ListItemDelete" => self.with_list(item()?, |list, value| list.retain(|item| *item != value)),
            "SetAdd" => self.with_set(item()?, |set, value| {
                set.insert(value);
            }),
            "SetRemove" => self.with_set(item()?, |set, value| {
                set.remove(&value);
            }),
            "SetQuery" => values(self.members(key()?)?),
            "SetUnion" => {
                values(self.sets(operation, payload)?.into_iter().flatten().collect::<BTreeSet<_>>())
            }
            "SetIntersection" => {
                let sets = self.sets(operation, payload)?;
                let common = sets.into_iter().reduce(|common, set| &common & &set);
                values(common.unwrap_or_default())
            }
            _ => unknown("wascc:keyvalue", operation),
        }
    }

    fn text(&self, key: &str) -> Result<Option<&[u8]>> {
        match self.kept.get(key) {
            None => Ok(None),
            Some(Kept::Plain { value, .. }) => Ok(Some(value)),
            Some(other) => Err(wrong(key, other, "value")),
        }
    }

    fn add(&mut self, AddRequest { key, value: delta }: AddRequest<'_>) -> Outcome {
        check_key(key)?;
        // As stores write it, and in no other form: neither +1 nor 01.
        let canonical =
            |text: &&str| matches!(text.strip_prefix('-').unwrap_or(text).as_bytes(), [b'1'..=b'9', ..]);
        let number = |text: &[u8]| {
            let text = str::from_utf8(text).ok().filter(|text| *text == "0" || canonical(text))?;
            text.parse::<i64>().ok()
        };
        let old = match self.text(key)? {
            None => 0,
            Some(text) => {
                number(text).ok_or_else(|| format!("the value of key {key} is not an integer of 64 bits"))?
            }
        };
        let value = old
            .checked_add(delta)
            .ok_or_else(|| format!("adding to key {key} would leave the range of an integer of 64 bits"))?;
        self.set(key, value.to_string().as_bytes(), self.seconds(key).unwrap_or(0));
        encoded(|out| AddResponse { value }.encode(out))
    }

    fn list(&self, key: &str) -> Result<&[Vec<u8>]> {
        match self.kept.get(key) {
            None => Ok(&[]),
            Some(Kept::List(list)) => Ok(list),
            Some(other) => Err(wrong(key, other, "list")),
        }
    }

    fn range(&self, RangeRequest { key, start, stop }: RangeRequest<'_>) -> Outcome {
        check_key(key)?;
        let list = self.list(key)?;
        let count = list.len() as i64;
        let place = |index: i64| if index < 0 { index.saturating_add(count) } else { index };
        let (start, stop) = (place(start).max(0), place(stop).min(count - 1));
        let within =
            |(at, item): (usize, &Vec<u8>)| (start..=stop).contains(&(at as i64)).then(|| item.clone());
        values(list.iter().enumerate().filter_map(within).collect::<Vec<_>>())
    }

    fn with_list(&mut self, item: Item<'_>, change: impl FnOnce(&mut Vec<Vec<u8>>, Vec<u8>)) -> Outcome {
        let kept = self.kept.entry(item.key.to_owned()).or_insert(Kept::List(Vec::new()));
        let Kept::List(list) = kept else { return Err(wrong(item.key, kept, "list")) };
        change(list, item.value.to_vec());
        let count = list.len();
        self.counted(item.key, count)
    }

    fn with_set(&mut self, item: Item<'_>, change: impl FnOnce(&mut BTreeSet<Vec<u8>>, Vec<u8>)) -> Outcome {
        let kept = self.kept.entry(item.key.to_owned()).or_insert(Kept::Set(BTreeSet::new()));
        let Kept::Set(set) = kept else { return Err(wrong(item.key, kept, "set")) };
        change(set, item.value.to_vec());
        let count = set.len();
        self.counted(item.key, count)
    }

    /// A key whose last item is removed is no longer there.
    fn counted(&mut self, key: &str, count: usize) -> Outcome {
        if count == 0 {
            self.kept.remove(key);
        }
        encoded(|out| NewCount { new_count: count as i64 }.encode(out))
    }

    fn members(&self, key: &str) -> Result<BTreeSet<Vec<u8>>> {
        match self.kept.get(key) {
            None => Ok(BTreeSet::new()),
            Some(Kept::Set(set)) => Ok(set.clone()),
            Some(other) => Err(wrong(key, other, "set")),
        }
    }

    fn sets(&self, operation: &str, payload: &[u8]) -> Result<Vec<BTreeSet<Vec<u8>>>> {
        let keys = read(operation, Keys::decode(payload))?.keys;
        let key = |key| read(operation, str::from_utf8(key).map_err(|_| DecodeError::NotUtf8));
        let keys = keys.iter().map(key).collect::<Result<Vec<&str>>>()?;
        keys.iter().try_for_each(|key| check_key(key))?;
        keys.into_iter().map(|key| self.members(key)).collect()
    }
}

fn read<T>(operation: &str, message: std::result::Result<T, DecodeError>) -> Result<T> {
    contracts::read("wascc:keyvalue", operation, message)
}

fn values(values: impl IntoIterator<Item = Vec<u8>>) -> Outcome {
    let values: Vec<_> = values.into_iter().collect();
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    encoded(|out| Values { values: List::new(&values) }.encode(out))
}

fn wrong(key: &str, found: &Kept, expected: &str) -> String {
    let found = match found {
        Kept::Plain { .. } => "value",
        Kept::List(_) => "list",
        Kept::Set(_) => "set",
    };
    format!("key {key} holds a {found}, not a {expected}")
}
