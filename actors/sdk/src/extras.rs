//! `wascc:extras`: identifiers and numbers, which a module cannot make by itself.

use crate::answered::decode;
use crate::call::{Bytes, call_with};
use crate::client::client;
use crate::message::{GeneratorRequest, GeneratorResult};
use crate::{Error, Result};

client! {
    /// A source of identifiers and numbers.
    Extras = "wascc:extras"
}

const NOTHING: GeneratorRequest =
    GeneratorRequest { guid: false, sequence: false, random: false, min: 0, max: 0 };

// === impl Extras ===

impl Extras<'_> {
    /// A new identifier, as `f81d4fae-7dec-41d0-a765-00a0c91e6bf6`.
    ///
    /// # Errors
    /// The host's.
    pub fn guid(&self) -> Result<String> {
        let response = self.call("RequestGuid", GeneratorRequest { guid: true, ..NOTHING })?;
        let guid = decode("RequestGuid", GeneratorResult::decode(&response))?.guid;
        guid.map(str::to_owned)
            .ok_or_else(|| Error::host("the host's answer to RequestGuid has none".to_owned()))
    }

    /// The next number of the binding's sequence.
    ///
    /// # Errors
    /// The host's.
    pub fn sequence(&self) -> Result<i64> {
        let response = self.call("RequestSequence", GeneratorRequest { sequence: true, ..NOTHING })?;
        Ok(decode("RequestSequence", GeneratorResult::decode(&response))?.sequence_number)
    }

    /// A random number from `min` to `max`, both included.
    ///
    /// # Errors
    /// The host's, among them that `min` is above `max`.
    pub fn random(&self, min: u32, max: u32) -> Result<u32> {
        let response = self.call("RequestRandom", GeneratorRequest { random: true, min, max, ..NOTHING })?;
        Ok(decode("RequestRandom", GeneratorResult::decode(&response))?.random_number)
    }

    fn call(&self, operation: &str, request: GeneratorRequest) -> Result<Bytes> {
        call_with(self.binding, Self::CONTRACT, operation, |out| request.encode(out))
    }
}
