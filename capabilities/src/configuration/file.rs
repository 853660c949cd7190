//! The provider over a JSON or YAML file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::subscriptions::Subscriptions;
use super::{Configuration, Item, Items, Keys, Operation, Subscription, check_period};
use crate::blocking::Blocking;
use crate::stamp::{self, Stamp};
use crate::{Answer, Counters, Error, Result};

/// Reads items from a file, and watches it.
///
/// The file is JSON if its name ends with `.json`, and YAML otherwise: a map of keys to values, or to maps of `value`,
/// `version` and `metadata`. A version that is not given is made of the value: the same for the same value.
///
/// A change is taken once two looks in a row have found the file the same, and then as a whole. Whoever wants no
/// half-written file to be read, however slowly it is written, renames a new one to its place. A file that is gone
/// or no such map is complained of in the log, and what it held before stays.
///
/// Every call answers [`Answer::Ready`].
#[derive(Debug)]
pub struct File {
    counters: Counters<Operation>,
    shared: Arc<Shared>,
    watching: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// What the file held when it was last read. A subscription begins, and changes are told, with this locked.
    items: Mutex<Arc<Items>>,
    subscriptions: Arc<Subscriptions>,
}

/// A look at the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    stamp: Stamp,
    /// Whether the file cannot have changed again and look the same.
    settled: bool,
}

/// What the file has under a key.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Plain(Scalar),
    Full(Full),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    value: Scalar,
    version: Option<Scalar>,
    #[serde(default)]
    metadata: BTreeMap<String, Scalar>,
}

/// A value that has a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Truth(bool),
    Natural(u64),
    Integer(i64),
    Number(f64),
}

/// How many bytes the file has at most.
const LARGEST: u64 = 4 << 20;

// === impl File ===

impl File {
    /// Reads a file, and then looks this often whether it has changed. To be called within a tokio runtime, which has
    /// to outlive the provider.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the file cannot be read or is no such map; [`Error::InvalidArgument`] outside a runtime,
    /// or if the time is zero; [`Error::TooMuch`] if the file is larger than 4 MiB.
    pub fn open(path: impl AsRef<Path>, every: Duration) -> Result<Self> {
        check_period(every)?;
        let blocking = Blocking::of("file")?;
        let path = path.as_ref().to_owned();
        let (look, items) = read(&path)?;
        let items = Mutex::new(Arc::new(items));
        let shared = Arc::new(Shared { path, items, subscriptions: Arc::default() });
        let watching = blocking.spawn(watch(Arc::clone(&shared), blocking.clone(), look, every));
        Ok(Self { counters: Counters::default(), shared, watching })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Configuration for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        true
    }

    fn get(&self, keys: Keys) -> Answer<Items> {
        self.counters.count(Operation::Get);
        let items = Arc::clone(&self.shared.items.lock());
        Answer::Ready(Ok(keys.of(&items)))
    }

    fn subscribe(&self, keys: Keys) -> Answer<Subscription> {
        self.counters.count(Operation::Subscribe);
        let items = self.shared.items.lock();
        let seen = keys.of(&items);
        Answer::Ready(self.shared.subscriptions.begin(keys, seen))
    }

    fn unsubscribe(&self, id: &str) -> Answer<bool> {
        self.counters.count(Operation::Unsubscribe);
        Answer::Ready(Ok(self.shared.subscriptions.end(id)))
    }
}

// === impl Shared ===

impl Shared {
    fn take(&self, items: Items) {
        let mut held = self.items.lock();
        if **held == items {
            return;
        }
        if let Some(wanted) = self.subscriptions.wanted() {
            self.subscriptions.tell(&wanted, &items);
        }
        *held = Arc::new(items);
    }
}

// === impl Entry ===

impl From<Entry> for Item {
    fn from(entry: Entry) -> Self {
        let (value, version, metadata) = match entry {
            Entry::Plain(value) => (value, None, BTreeMap::new()),
            Entry::Full(Full { value, version, metadata }) => (value, version, metadata),
        };
        let value = value.into_text();
        let version = version.map_or_else(|| digest(&value), Scalar::into_text);
        let metadata = metadata.into_iter().map(|(name, text)| (name, text.into_text())).collect();
        Self { value, version, metadata }
    }
}

// === impl Scalar ===

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Truth(truth) => truth.to_string(),
            Self::Natural(number) => number.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

// === free functions ===

async fn watch(shared: Arc<Shared>, blocking: Blocking, first: Look, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What was read, what the last look found, and whether a complaint was made of that.
    let (mut taken, mut found, mut complained) = (first, Ok(first.stamp), false);
    loop {
        ticks.tick().await;
        let path = shared.path.clone();
        let now = blocking.run(move || look(&path)).wait().await;
        let same = now == found;
        found = now;
        if !same {
            complained = false;
            continue;
        }
        let error = match &found {
            Ok(stamp) if *stamp == taken.stamp && taken.settled => continue,
            Ok(_) => {
                let path = shared.path.clone();
                match blocking.run(move || read(&path)).wait().await {
                    // What was read may be another state than the one found, and then is looked at once more.
                    Ok((look, items)) if found.as_ref() == Ok(&look.stamp) => {
                        taken = look;
                        shared.take(items);
                        continue;
                    }
                    Ok(_) => continue,
                    Err(error) => error,
                }
            }
            Err(error) => error.clone(),
        };
        if !complained {
            tracing::warn!(%error, "the configuration is kept as it was");
            complained = true;
        }
    }
}

fn look(path: &Path) -> Result<Stamp> {
    let stamp = std::fs::File::open(path).and_then(|file| Stamp::of(&file));
    stamp.map_err(|error| failed(path, &error.to_string()))
}

fn read(path: &Path) -> Result<(Look, Items)> {
    let unreadable = |error: std::io::Error| failed(path, &error.to_string());
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let stamp = Stamp::of(&file).map_err(unreadable)?;
    let look = Look { stamp, settled: stamp.is_settled() };
    let text = stamp::read(&file, LARGEST).map_err(unreadable)?.ok_or_else(|| {
        let what = format!("bytes of configuration in {}; use several files", path.display());
        Error::TooMuch { what, most: LARGEST }
    })?;
    if Stamp::of(&file).map_err(unreadable)? != stamp {
        return Err(failed(path, "it was written to while it was read"));
    }
    let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    Ok((look, items(&text, json).map_err(|error| failed(path, &error))?))
}

fn items(text: &[u8], json: bool) -> Result<Items, String> {
    // First without types, so that what is wrong with a value can be said by its key.
    let untyped: BTreeMap<String, serde_norway::Value> = if json {
        serde_json::from_slice(text).map_err(|error| error.to_string())?
    } else {
        // An empty file is an empty map to whoever wrote it.
        let map: Option<_> = serde_norway::from_slice(text).map_err(|error| error.to_string())?;
        map.unwrap_or_default()
    };
    untyped
        .into_iter()
        .map(|(key, value)| {
            let entry: Entry = serde_norway::from_value(value).map_err(|_| {
                format!("key {key} has no plain value; give one, or a map of value, version and metadata")
            })?;
            Ok((key, entry.into()))
        })
        .collect()
}

/// A version for a value: enough of its hash that no two values of a key have the same.
fn digest(value: &str) -> String {
    let mut text = String::with_capacity(32);
    for byte in &Sha256::digest(value)[..16] {
        text.extend(
            [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()),
        );
    }
    text
}

fn failed(path: &Path, why: &str) -> Error {
    let reason = format!("the configuration file {}: {why}", path.display());
    Error::Failed { provider: "file".to_owned(), reason }
}
