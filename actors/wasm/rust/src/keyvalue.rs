//! The logic's capabilities as host calls with MessagePack messages.

use std::cell::Cell;

use pillion_codec::{AddRequest, AddResponse, DecodeError, GetRequest, GetResponse, SetRequest};
use pillion_logic::{CallError, Capabilities};

use crate::{Host, HostError};

/// A buffer that grew beyond this is not kept for later calls.
const MOST_KEPT: usize = 256 * 1024;

thread_local! {
    // In a guest, which has one thread, these are plain statics.
    static REQUEST: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static RESPONSE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The key-value store behind a host.
pub struct Store<H>(
    /// Takes the calls.
    pub H,
);

/// A response, whose buffer the next call uses again once this is dropped.
struct Response(Vec<u8>);

/// A value inside the response that it came in.
pub struct Value {
    response: Response,
    start: usize,
    length: usize,
}

// === impl Store ===

impl<H: Host> Store<H> {
    fn call(&self, operation: &str, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Response, CallError> {
        let mut request = REQUEST.take();
        request.clear();
        encode(&mut request);
        let mut response = Response(RESPONSE.take());
        let result = self.0.call(operation, &request, &mut response.0);
        if request.capacity() <= MOST_KEPT {
            REQUEST.set(request);
        }
        result.map(|()| response).map_err(|HostError(text)| CallError(text))
    }
}

impl<H: Host> Capabilities for Store<H> {
    type Value = Value;

    async fn get(&self, key: &str) -> Result<Option<Value>, CallError> {
        let response = self.call("Get", |out| GetRequest { key }.encode(out))?;
        let found = GetResponse::decode(&response.0).map_err(|error| malformed("Get", error))?;
        if !found.exists {
            return Ok(None);
        }
        // A place instead of a reference: the buffer and what lies in it go out together.
        let start = found.value.as_ptr().addr().wrapping_sub(response.0.as_ptr().addr());
        let length = found.value.len();
        Ok(Some(Value { response, start, length }))
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), CallError> {
        self.call("Set", |out| SetRequest { key, value, expires: 0 }.encode(out)).map(drop)
    }

    async fn add(&self, key: &str, delta: i64) -> Result<i64, CallError> {
        if i32::try_from(delta).is_err() {
            return Err(CallError(format!("cannot add {delta} to {key}: waSCC adds integers of 32 bits")));
        }
        let response = self.call("Add", |out| AddRequest { key, value: delta }.encode(out))?;
        let sum = AddResponse::decode(&response.0).map_err(|error| malformed("Add", error))?;
        Ok(sum.value)
    }
}

#[cold]
fn malformed(operation: &str, error: DecodeError) -> CallError {
    CallError(format!("the host's answer to {operation} is malformed: {error}"))
}

// === impl Response ===

impl Drop for Response {
    fn drop(&mut self) {
        if self.0.capacity() <= MOST_KEPT {
            RESPONSE.set(std::mem::take(&mut self.0));
        }
    }
}

// === impl Value ===

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self.response.0.get(self.start..).and_then(|rest| rest.get(..self.length)).unwrap_or_default()
    }
}
