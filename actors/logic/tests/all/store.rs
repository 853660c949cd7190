//! A store in memory that counts its calls.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use pillion_logic::oracle::{Calls, Record};
use pillion_logic::{CallError, Capabilities};

/// Values by key, and the calls so far.
#[derive(Default)]
pub(crate) struct Store(Mutex<(BTreeMap<String, Vec<u8>>, Calls)>);

// === impl Store ===

impl Store {
    pub(crate) fn new(records: &[Record]) -> Self {
        let values = records.iter().map(|record| (record.key.clone(), record.value.clone())).collect();
        Self(Mutex::new((values, Calls::default())))
    }

    pub(crate) fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().0.get(key).cloned()
    }

    pub(crate) fn calls(&self) -> Calls {
        self.0.lock().unwrap().1
    }
}

impl Capabilities for Store {
    type Value = Vec<u8>;

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        let (values, calls) = &mut *self.0.lock().unwrap();
        calls.get += 1;
        Ok(values.get(key).cloned())
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), CallError> {
        let (values, calls) = &mut *self.0.lock().unwrap();
        calls.set += 1;
        values.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    async fn add(&self, key: &str, delta: i64) -> Result<i64, CallError> {
        let (values, calls) = &mut *self.0.lock().unwrap();
        calls.add += 1;
        let value = values.entry(key.to_owned()).or_insert_with(|| b"0".to_vec());
        let sum = str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse::<i64>().ok())
            .and_then(|number| number.checked_add(delta))
            .ok_or_else(|| CallError(format!("{key} is not a number")))?;
        *value = sum.to_string().into_bytes();
        Ok(sum)
    }
}

/// The result of a future that never waits.
pub(crate) fn ready<T>(future: impl Future<Output = T> + Send) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the future waits"),
    }
}
