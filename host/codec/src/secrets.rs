//! The messages of `pillion:secrets`. waSCC has no such contract: this one is ours.

use std::fmt;

use crate::message::message;
use crate::reader::Reader;
use crate::sequence::{Element, List, Map};
use crate::{DecodeError, field, writer};

/// A value that is a secret: a text that no `Debug` output shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretText<'a>(&'a str);

message! {
    /// `Get`.
    pub struct SecretRequest<'a> {
        /// The secret's name.
        pub secret: &'a str = "secret" via field::text,
    }
}

message! {
    /// What `Get` answers.
    pub struct SecretResponse<'a> {
        /// Whether the secret is there.
        pub exists: bool = "exists" via field::boolean,
        /// Its values by key; that of a single value is the secret's own name.
        pub values: Map<'a, SecretText<'a>> = "values" via field::element,
    }
}

message! {
    /// `BulkGet`.
    pub struct SecretNames<'a> {
        /// The secrets' names, as texts; none for all that the actor may read.
        pub secrets: List<'a> = "secrets" via field::sequence_or_none,
    }
}

message! {
    /// What `BulkGet` answers.
    pub struct SecretsResponse<'a> {
        /// The secrets that are there, by name: of each its values by key.
        pub secrets: Map<'a, Map<'a, SecretText<'a>>> = "secrets" via field::element,
    }
}

// === impl SecretText ===

impl<'a> SecretText<'a> {
    /// A value that is not to be shown.
    #[must_use]
    pub fn new(value: &'a str) -> Self {
        Self(value)
    }

    /// The value itself.
    #[must_use]
    pub fn expose(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for SecretText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl<'a> Element<'a> for SecretText<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.text().map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        writer::text(self.0, out);
    }
}
