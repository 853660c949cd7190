//! What a request asks a store to change.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use pillion_capabilities::Error;
use pillion_capabilities::keyvalue::{Etag, SetOptions, When};

use super::Backend;

/// The metadata of a request, by name.
pub type Metadata = HashMap<String, String>;

/// Who wins when two write the same key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concurrency {
    /// The request does not say: the last one, unless it carries an etag.
    #[default]
    Unspecified,
    /// The first one; the others must have read its version.
    FirstWrite,
    /// The last one.
    LastWrite,
}

/// What a request says about concurrency and consistency. Every provider of this sidecar is consistent, so that
/// the latter is checked for its spelling and has no other effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// As written: `first-write`, `last-write` or nothing.
    pub concurrency: String,
    /// As written: `eventual`, `strong` or nothing.
    pub consistency: String,
}

/// Sets a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Save {
    /// The key, as the app knows it.
    pub key: String,
    /// The bytes to store.
    pub value: Bytes,
    /// The version that the app has read.
    pub etag: Option<String>,
    /// `ttlInSeconds` and others.
    pub metadata: Metadata,
    /// Concurrency and consistency.
    pub options: Options,
}

/// Deletes a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delete {
    /// The key, as the app knows it.
    pub key: String,
    /// The version that the app has read.
    pub etag: Option<String>,
    /// Concurrency and consistency.
    pub options: Options,
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// `upsert`
    Save(Save),
    /// `delete`
    Delete(Delete),
}

// === impl Options ===

impl Options {
    fn concurrency(&self) -> Result<Concurrency, Error> {
        if !matches!(self.consistency.as_str(), "" | "eventual" | "strong") {
            return Err(invalid(format!("unrecognized consistency model '{}'", self.consistency)));
        }
        match self.concurrency.as_str() {
            "" => Ok(Concurrency::Unspecified),
            "first-write" => Ok(Concurrency::FirstWrite),
            "last-write" => Ok(Concurrency::LastWrite),
            other => Err(invalid(format!("unrecognized concurrency model '{other}'"))),
        }
    }

    /// What must hold for the change to be made.
    fn when(&self, key: &str, etag: Option<&str>, backend: Backend) -> Result<When, Error> {
        let concurrency = self.concurrency()?;
        let etag = etag.filter(|etag| !etag.is_empty());
        match (concurrency, etag) {
            (Concurrency::FirstWrite, None) => Ok(When::Absent),
            (_, None) => Ok(When::Always),
            // Dapr's Redis store forgets an etag when told that the last write wins; its memory store does not.
            (Concurrency::LastWrite, Some(_)) if backend != Backend::Memory => Ok(When::Always),
            (_, Some(etag)) => match etag.parse::<Etag>() {
                Ok(etag) => Ok(When::Matches(etag)),
                // Any text may be an etag of Dapr's memory store; it just matches nothing.
                Err(_) if backend == Backend::Memory => Err(Error::EtagMismatch { key: key.to_owned() }),
                Err(error) => Err(error),
            },
        }
    }
}

// === impl Save ===

impl Save {
    pub(super) fn set_options(&self, backend: Backend) -> Result<SetOptions, Error> {
        let when = self.options.when(&self.key, self.etag.as_deref(), backend)?;
        Ok(SetOptions { ttl: ttl(&self.metadata)?, when })
    }
}

// === impl Delete ===

impl Delete {
    pub(super) fn when(&self, backend: Backend) -> Result<When, Error> {
        self.options.when(&self.key, self.etag.as_deref(), backend)
    }
}

/// How long a value stays. Dapr takes zero and less for "for ever", and an empty text for none.
fn ttl(metadata: &Metadata) -> Result<Option<Duration>, Error> {
    let given =
        |(name, text): &(&String, &String)| name.eq_ignore_ascii_case("ttlInSeconds") && !text.is_empty();
    let Some((_, text)) = metadata.iter().find(given) else { return Ok(None) };
    let seconds: i64 = text.parse().map_err(|_| {
        invalid(format!("incorrect value for metadata 'ttlInSeconds': {text:?} is not a whole number"))
    })?;
    Ok(u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs))
}

fn invalid(message: String) -> Error {
    Error::InvalidArgument(message)
}
