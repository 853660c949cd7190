//! A provider for the tests: a map, or whatever a test wants it to do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pillion_capabilities::keyvalue::{Change, Entry, Etag, SetOptions, When};
use pillion_capabilities::{Answer, Counters, Error, KeyValue, Operation};

type Push = Box<dyn Fn() -> Answer<u64> + Send + Sync>;
type Get = Box<dyn Fn(&str) -> Answer<Option<Entry>> + Send + Sync>;

/// Values in a map; `get` can be replaced.
pub(crate) struct Fake {
    pub(crate) counters: Counters,
    values: Mutex<HashMap<String, Bytes>>,
    get: Option<Get>,
    push: Option<Push>,
    always_ready: bool,
}

// === impl Fake ===

impl Fake {
    pub(crate) fn map() -> Arc<Self> {
        Arc::new(Self {
            counters: Counters::default(),
            values: Mutex::default(),
            get: None,
            push: None,
            always_ready: true,
        })
    }

    /// Answers at once.
    pub(crate) fn pushing(push: impl Fn() -> Answer<u64> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            counters: Counters::default(),
            values: Mutex::default(),
            get: None,
            push: Some(Box::new(push)),
            always_ready: true,
        })
    }

    pub(crate) fn getting(
        always_ready: bool,
        get: impl Fn(&str) -> Answer<Option<Entry>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let get: Option<Get> = Some(Box::new(get));
        Arc::new(Self {
            counters: Counters::default(),
            values: Mutex::default(),
            get,
            push: None,
            always_ready,
        })
    }
}

/// A value as a provider answers it.
pub(crate) fn entry(value: impl Into<Bytes>) -> Option<Entry> {
    Some(Entry { value: value.into(), etag: Etag(1), expires: None })
}

fn unused<T>() -> Answer<T> {
    Answer::Ready(Err(Error::InvalidArgument("the tests do not use this operation".to_owned())))
}

impl KeyValue for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }
    fn counters(&self) -> &Counters {
        &self.counters
    }
    fn always_ready(&self) -> bool {
        self.always_ready
    }
    fn get(&self, key: &str) -> Answer<Option<Entry>> {
        self.counters.count(Operation::Get);
        match &self.get {
            Some(get) => get(key),
            None => {
                Answer::Ready(Ok(self.values.lock().expect("unpoisoned").get(key).cloned().and_then(entry)))
            }
        }
    }
    fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Answer<Etag> {
        self.counters.count(Operation::Set);
        assert!(options.ttl.is_none_or(|ttl| ttl.as_secs() == 7), "expires are seconds");
        self.values.lock().expect("unpoisoned").insert(key.to_owned(), value);
        Answer::Ready(Ok(Etag(1)))
    }
    fn delete(&self, key: &str, _: When) -> Answer<bool> {
        Answer::Ready(Ok(self.values.lock().expect("unpoisoned").remove(key).is_some()))
    }
    fn exists(&self, key: &str) -> Answer<bool> {
        Answer::Ready(Ok(self.values.lock().expect("unpoisoned").contains_key(key)))
    }
    fn add(&self, _: &str, delta: i64) -> Answer<i64> {
        Answer::Ready(Ok(40 + delta))
    }
    fn list_push(&self, _: &str, _: Bytes) -> Answer<u64> {
        self.push.as_ref().map_or(Answer::Ready(Ok(3)), |push| push())
    }
    fn list_range(&self, key: &str, start: i64, stop: i64) -> Answer<Vec<Bytes>> {
        Answer::Ready(Ok(vec![format!("{key} {start} {stop}").into(), "two".into()]))
    }
    fn list_remove(&self, _: &str, _: Bytes) -> Answer<u64> {
        Answer::Ready(Ok(2))
    }
    fn list_clear(&self, _: &str) -> Answer<bool> {
        Answer::Ready(Ok(true))
    }
    fn set_add(&self, _: &str, _: Bytes) -> Answer<u64> {
        Answer::Ready(Ok(5))
    }
    fn set_remove(&self, _: &str, _: Bytes) -> Answer<u64> {
        Answer::Ready(Ok(4))
    }
    fn set_members(&self, key: &str) -> Answer<Vec<Bytes>> {
        Answer::Ready(Ok(vec![key.to_owned().into()]))
    }
    fn set_union(&self, keys: &[&str]) -> Answer<Vec<Bytes>> {
        Answer::Ready(Ok(vec![keys.join("|").into()]))
    }
    fn set_intersection(&self, keys: &[&str]) -> Answer<Vec<Bytes>> {
        Answer::Ready(Ok(vec![keys.join("&").into()]))
    }
    fn bulk_get(&self, _: &[&str]) -> Answer<Vec<Option<Entry>>> {
        unused()
    }
    fn transact(&self, _: Vec<Change>) -> Answer<()> {
        unused()
    }
}
