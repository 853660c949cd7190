//! The JSON bodies of requests.
//!
//! Dapr reads JSON with Go's decoder, which takes field names in any case and `null` for "not given"; clients rely
//! on both, so that serde's own derive will not do.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ApiError;
use crate::state::{Delete, Metadata, Options, Save, Write};

/// Defines structs whose JSON field names are taken in any case. A field not given, or `null`, keeps its default;
/// one given twice keeps the last; one not known is ignored.
macro_rules! any_case {
    ($($(#[$about:meta])* $name:ident<$de:lifetime> { $($field:ident: $type:ty = $json:literal,)* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $name<$de> {
            $(pub(crate) $field: $type,)*
            borrows: std::marker::PhantomData<&$de ()>,
        }

        impl<$de> Deserialize<$de> for $name<$de> {
            fn deserialize<D: Deserializer<$de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<$de> Visitor<$de> for Fields {
                    type Value = $name<$de>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: MapAccess<$de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut all = $name::default();
                        while let Some(Name(name)) = map.next_key()? {
                            $(if name.eq_ignore_ascii_case($json) {
                                if let Some(value) = map.next_value()? {
                                    all.$field = value;
                                }
                            } else)* {
                                map.next_value::<IgnoredAny>()?;
                            }
                        }
                        Ok(all)
                    }
                }
                deserializer.deserialize_map(Fields)
            }
        }
    )*};
}

any_case! {
    /// One item of a request to save, and what a step of a transaction is about.
    SaveItem<'a> {
        key: String = "key",
        value: Option<&'a RawValue> = "value",
        etag: Option<String> = "etag",
        metadata: Texts = "metadata",
        options: ItemOptions<'a> = "options",
    }
    /// How an item is saved or deleted.
    ItemOptions<'a> {
        concurrency: String = "concurrency",
        consistency: String = "consistency",
    }
    /// A request for many keys.
    BulkGet<'a> {
        keys: Vec<String> = "keys",
        parallelism: i64 = "parallelism",
        metadata: Texts = "metadata",
    }
    /// A transaction.
    Transaction<'a> {
        operations: Vec<Step<'a>> = "operations",
        metadata: Texts = "metadata",
    }
    /// A request to an output binding.
    InvokeBinding<'a> {
        operation: String = "operation",
        data: Option<&'a RawValue> = "data",
        metadata: Texts = "metadata",
    }
    /// What an app answers to an event of a binding.
    AppAnswer<'a> {
        data: Option<&'a RawValue> = "data",
        to: Vec<String> = "to",
        store_name: String = "storeName",
        state: Vec<SaveItem<'a>> = "state",
        concurrency: String = "concurrency",
    }
    /// A request for a lock, or to give it back.
    LockRequest<'a> {
        resource_id: String = "resourceId",
        lock_owner: String = "lockOwner",
        expiry_in_seconds: i32 = "expiryInSeconds",
    }
    /// One of many events.
    BulkEntry<'a> {
        entry_id: String = "entryId",
        event: Option<&'a RawValue> = "event",
        content_type: String = "contentType",
        metadata: Texts = "metadata",
    }
    /// One step of a transaction.
    Step<'a> {
        operation: String = "operation",
        request: SaveItem<'a> = "request",
    }
}

/// Texts by name. `null` is an empty one, as Go reads it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts(pub(crate) Metadata);

/// A field name; borrowed from the text unless it is written with escapes.
struct Name<'a>(std::borrow::Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Borrowed<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);
        Borrowed::deserialize(deserializer).map(|name| Self(name.0))
    }
}

// === impl Texts ===

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                let mut texts = Metadata::new();
                while let Some((name, text)) = map.next_entry::<String, Option<String>>()? {
                    texts.insert(name, text.unwrap_or_default());
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

// === impl SaveItem ===

impl SaveItem<'_> {
    /// The JSON text of a value is what is stored; none is `null`. It is copied, so that a stored value does not
    /// hold on to the whole request.
    pub(super) fn into_save(self) -> Result<Save, ApiError> {
        let value = self.value.map_or("null", RawValue::get);
        Ok(Save {
            key: required(self.key)?,
            value: bytes::Bytes::copy_from_slice(value.as_bytes()),
            etag: self.etag,
            metadata: self.metadata.0,
            options: self.options.into(),
        })
    }
}

/// What an app wants saved.
pub(crate) fn into_save(item: SaveItem<'_>) -> Result<Save, ApiError> {
    item.into_save()
}

// === impl Step ===

impl Step<'_> {
    pub(super) fn into_write(self) -> Result<Write, ApiError> {
        match self.operation.as_str() {
            "upsert" => self.request.into_save().map(Write::Save),
            "delete" => Ok(Write::Delete(Delete {
                key: required(self.request.key)?,
                etag: self.request.etag,
                options: self.request.options.into(),
            })),
            other => Err(ApiError::unsupported_operation(other)),
        }
    }
}

impl From<ItemOptions<'_>> for Options {
    fn from(options: ItemOptions<'_>) -> Self {
        Self { concurrency: options.concurrency, consistency: options.consistency }
    }
}

/// Reads a body.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::malformed(format!("failed deserializing HTTP body: {error}")))
}

fn required(key: String) -> Result<String, ApiError> {
    if key.is_empty() { Err(ApiError::malformed("\"key\" is a required field")) } else { Ok(key) }
}
