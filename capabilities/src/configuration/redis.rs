//! The provider over a Redis server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::subscriptions::Subscriptions;
use super::{Configuration, Item, Items, Keys, Operation, Subscription, check_period};
use crate::redis::Link;
use crate::{Answer, Counters, Error, Result};

/// Reads items from a Redis server, where each is a string `value||version` or just the value, as Dapr's Redis
/// configuration store has it. If there are several `||`, the last one counts. Keys of another kind are not there,
/// and nor are strings that are no UTF-8.
///
/// Changes are found by looking, in one round trip for all subscriptions: that needs no keyspace notifications,
/// which a server has switched off unless told, and misses nothing when the connection breaks. Of several changes
/// between two looks the last one is told.
#[derive(Debug)]
pub struct Redis {
    counters: Counters<Operation>,
    link: Link,
    subscriptions: Arc<Subscriptions>,
    looking: JoinHandle<()>,
}

/// How many keys a server may have for all of them to be asked for.
const MOST_KEYS: usize = 10_000;

// === impl Redis ===

impl Redis {
    /// Connects to the server at a URL such as `redis://127.0.0.1:6379`, and looks for changes this often while
    /// there are subscriptions. To be called within a tokio runtime, which has to outlive the provider.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if the URL is none or the time is zero, [`Error::Unavailable`] if the server
    /// cannot be reached, [`Error::Failed`] if it refuses, say for a wrong password.
    pub async fn connect(url: &str, every: Duration) -> Result<Self> {
        check_period(every)?;
        let link = Link::connect(url).await?;
        let subscriptions = Arc::default();
        let looking = tokio::spawn(look(link.clone(), Arc::clone(&subscriptions), every));
        Ok(Self { counters: Counters::default(), link, subscriptions, looking })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl Configuration for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        false
    }

    fn get(&self, keys: Keys) -> Answer<Items> {
        self.counters.count(Operation::Get);
        let link = self.link.clone();
        Answer::pending(async move { read(&link, &keys).await })
    }

    fn subscribe(&self, keys: Keys) -> Answer<Subscription> {
        self.counters.count(Operation::Subscribe);
        let (link, subscriptions) = (self.link.clone(), Arc::clone(&self.subscriptions));
        Answer::pending(async move {
            let seen = read(&link, &keys).await?;
            subscriptions.begin(keys, seen)
        })
    }

    fn unsubscribe(&self, id: &str) -> Answer<bool> {
        self.counters.count(Operation::Unsubscribe);
        Answer::Ready(Ok(self.subscriptions.end(id)))
    }
}

// === free functions ===

async fn look(link: Link, subscriptions: Arc<Subscriptions>, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        ticks.tick().await;
        let Some(wanted) = subscriptions.wanted() else { continue };
        let failed_before = failing;
        let read = read(&link, &wanted.keys).await;
        failing = read.is_err();
        match read {
            Ok(items) => subscriptions.tell(&wanted, &items),
            // Said once, and the next look finds what this one missed.
            Err(error) if !failed_before => tracing::warn!(%error, "the configuration cannot be read"),
            Err(_) => {}
        }
    }
}

async fn read(link: &Link, keys: &Keys) -> Result<Items> {
    let keys = match keys {
        Keys::These(names) => names.iter().cloned().collect(),
        Keys::All => names(link).await?,
    };
    if keys.is_empty() {
        return Ok(Items::new());
    }
    let mut command = ::redis::cmd("MGET");
    command.arg(&keys);
    let values: Vec<Option<Bytes>> = link.query(&command).await.map_err(|error| link.error(&error))?;
    let item = |(key, value): (String, Option<Bytes>)| Some((key, item(std::str::from_utf8(&value?).ok()?)));
    Ok(keys.into_iter().zip(values).filter_map(item).collect())
}

/// The names of all keys.
async fn names(link: &Link) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut cursor = 0_u64;
    loop {
        let mut command = ::redis::cmd("SCAN");
        command.arg(cursor).arg("COUNT").arg(1000).arg("TYPE").arg("string");
        let (next, page): (u64, Vec<Bytes>) =
            link.query(&command).await.map_err(|error| link.error(&error))?;
        names.extend(page.into_iter().filter_map(|name| String::from_utf8(name.into()).ok()));
        if names.len() > MOST_KEYS {
            let what = "keys of the configuration; ask for some by name".to_owned();
            return Err(Error::TooMuch { what, most: MOST_KEYS as u64 });
        }
        if next == 0 {
            // A key may be named twice.
            names.sort_unstable();
            names.dedup();
            return Ok(names);
        }
        cursor = next;
    }
}

fn item(text: &str) -> Item {
    let (value, version) = text.rsplit_once("||").unwrap_or((text, ""));
    Item { value: value.to_owned(), version: version.to_owned(), ..Item::default() }
}
