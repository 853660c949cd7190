//! The provider over a JSON file.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use secrecy::zeroize::Zeroizing;
use serde_json::Value;

use super::{Operation, Secret, SecretString, Secrets};
use crate::blocking::Blocking;
use crate::condition::check_key;
use crate::stamp::{self, Stamp};
use crate::{Answer, Counters, Error, Result};

/// Reads secrets from a JSON file, and reads it again when it has changed.
///
/// The file is an object. Numbers and truth values are taken as their text, `null` as the empty text. A file that
/// was replaced by one that is no such object fails calls with [`Error::Failed`] until it is one again; neither the
/// error nor anything else shows what is in it. Reading blocks, so it is done on the runtime's threads for that: every
/// answer is pending.
#[derive(Debug)]
pub struct File {
    counters: Counters<Operation>,
    reader: Arc<Reader>,
    blocking: Blocking,
}

/// How nested objects of the file become secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Stands between the keys of nested objects, and the positions in arrays, in the names that become of them.
    pub separator: String,
    /// Whether each key of the outermost object is one secret with all the values that are nested in it. Otherwise
    /// each value in the file is a secret of its own.
    pub multivalued: bool,
}

#[derive(Debug)]
struct Reader {
    path: PathBuf,
    shape: Shape,
    /// What was read last.
    last: Mutex<Option<Last>>,
}

#[derive(Debug)]
struct Last {
    stamp: Stamp,
    /// Whether the file cannot have changed again and look the same.
    settled: bool,
    secrets: Arc<BTreeMap<String, Secret>>,
}

/// How many bytes the file has at most.
const LARGEST: u64 = 4 << 20;

// === impl File ===

impl File {
    /// Reads a file. To be called within a tokio runtime, which has to outlive the provider.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the file cannot be read or is no object of secrets; [`Error::InvalidArgument`] outside a
    /// runtime, or if the separator is empty.
    pub fn open(path: impl AsRef<Path>, shape: Shape) -> Result<Self> {
        let blocking = Blocking::of("file")?;
        if shape.separator.is_empty() {
            let said = "the separator of nested secrets is empty; give one such as a colon";
            return Err(Error::InvalidArgument(said.to_owned()));
        }
        let reader = Reader { path: path.as_ref().to_owned(), shape, last: Mutex::default() };
        reader.read()?;
        Ok(Self { counters: Counters::default(), reader: Arc::new(reader), blocking })
    }
}

impl Secrets for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        false
    }

    fn get(&self, secret: &str) -> Answer<Option<Secret>> {
        self.counters.count(Operation::Get);
        if let Err(error) = check_key(secret) {
            return Answer::Ready(Err(error));
        }
        let (reader, secret) = (Arc::clone(&self.reader), secret.to_owned());
        self.blocking.run(move || Ok(reader.read()?.get(&secret).cloned()))
    }

    fn bulk(&self) -> Answer<BTreeMap<String, Secret>> {
        self.counters.count(Operation::Bulk);
        let reader = Arc::clone(&self.reader);
        self.blocking.run(move || Ok((*reader.read()?).clone()))
    }
}

// === impl Reader ===

impl Reader {
    /// The secrets of the file as it is now.
    fn read(&self) -> Result<Arc<BTreeMap<String, Secret>>> {
        let file = std::fs::File::open(&self.path).map_err(|error| self.unreadable(&error))?;
        let stamp = Stamp::of(&file).map_err(|error| self.unreadable(&error))?;
        let mut last = self.last.lock();
        if let Some(last) = &*last
            && last.settled
            && last.stamp == stamp
        {
            return Ok(Arc::clone(&last.secrets));
        }
        let settled = stamp.is_settled();
        let text = stamp::read(&file, LARGEST).map_err(|error| self.unreadable(&error))?;
        let text = Zeroizing::new(text.ok_or_else(|| {
            let what = format!("bytes of secrets in {}; use several files", self.path.display());
            Error::TooMuch { what, most: LARGEST }
        })?);
        let secrets = Arc::new(self.shape.secrets(&text).map_err(|why| self.failed(&why))?);
        *last = Some(Last { stamp, settled, secrets: Arc::clone(&secrets) });
        Ok(secrets)
    }

    fn unreadable(&self, error: &std::io::Error) -> Error {
        match error.kind() {
            ErrorKind::NotFound => self.failed("it is not there; make it first"),
            _ => self.failed(&error.to_string()),
        }
    }

    fn failed(&self, why: &str) -> Error {
        let reason = format!("the file of secrets {}: {why}", self.path.display());
        Error::Failed { provider: "file".to_owned(), reason }
    }
}

// === impl Shape ===

impl Default for Shape {
    /// Each value is a secret, and a colon stands between nested keys.
    fn default() -> Self {
        Self { separator: ":".to_owned(), multivalued: false }
    }
}

impl Shape {
    fn secrets(&self, text: &[u8]) -> Result<BTreeMap<String, Secret>, String> {
        // The parser tells the line and the column, and of the text nothing.
        let value: Value = serde_json::from_slice(text)
            .map_err(|error| format!("it is no JSON (line {}, column {})", error.line(), error.column()))?;
        let Value::Object(outermost) = value else {
            return Err("it is no JSON object; name each secret".to_owned());
        };
        let mut secrets = BTreeMap::new();
        for (name, value) in outermost {
            if self.multivalued {
                let mut secret = Secret::new();
                match value {
                    Value::Object(nested) => {
                        for (key, value) in nested {
                            self.flatten(key, value, &mut |key, value| insert(&mut secret, key, value))?;
                        }
                    }
                    single => {
                        self.flatten(name.clone(), single, &mut |key, value| insert(&mut secret, key, value))?
                    }
                }
                secrets.insert(name, secret);
            } else {
                self.flatten(name, value, &mut |name, value| {
                    insert(&mut secrets, name.clone(), Secret::from([(name, value)]))
                })?;
            }
        }
        Ok(secrets)
    }

    /// Hands each value that is nested in one to `each`, under its flat name.
    fn flatten(
        &self,
        name: String,
        value: Value,
        each: &mut dyn FnMut(String, SecretString) -> Result<(), String>,
    ) -> Result<(), String> {
        match value {
            Value::Object(nested) => nested.into_iter().try_for_each(|(key, value)| {
                self.flatten([&name, &self.separator, &key].map(String::as_str).concat(), value, each)
            }),
            Value::Array(items) => items.into_iter().enumerate().try_for_each(|(position, value)| {
                self.flatten(format!("{name}{}{position}", self.separator), value, each)
            }),
            Value::String(text) => each(name, text.into()),
            Value::Null => each(name, String::new().into()),
            Value::Bool(truth) => each(name, truth.to_string().into()),
            Value::Number(number) => each(name, number.to_string().into()),
        }
    }
}

// === free functions ===

fn insert<T>(map: &mut BTreeMap<String, T>, name: String, value: T) -> Result<(), String> {
    if map.contains_key(&name) {
        return Err(format!(
            "two secrets become the name {name:?}; name one otherwise or take another separator"
        ));
    }
    map.insert(name, value);
    Ok(())
}
