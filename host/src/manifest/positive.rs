//! Numbers in a manifest of which zero would leave nothing.

use std::fmt;
use std::marker::PhantomData;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};

struct Positive<T>(PhantomData<T>);

/// Reads a number from 1 that may be left out. The check is made where the number is, so that its key and line are in
/// the error.
pub(super) fn positive<'de, D: Deserializer<'de>, T: TryFrom<u64>>(number: D) -> Result<Option<T>, D::Error> {
    number.deserialize_option(Positive(PhantomData))
}

/// What the schema says of such a number.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": "\\$\\{"},
            {"type": "null"},
        ]
    })
}

/// What the schema says of a number that may be zero.
pub(super) fn count_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": "\\$\\{"},
        ]
    })
}

// === impl Positive ===

impl<'de, T: TryFrom<u64>> Visitor<'de> for Positive<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 1")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, number: D) -> Result<Self::Value, D::Error> {
        number.deserialize_u64(self)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        if number == 0 {
            return Err(E::custom("0 would leave nothing; give 1 or more, or leave it out for the default"));
        }
        let number = T::try_from(number).map_err(|_| E::custom(format!("{number} is too large")))?;
        Ok(Some(number))
    }
}
