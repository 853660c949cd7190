//! Who is told of changes, and what each was told already.

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::prefixed::own;
use super::{Changes, Items, Keys};
use crate::prefix::Prefix;
use crate::{Error, Result};

/// The changes of some keys, until it is dropped.
///
/// Changes that are not fetched yet are kept, of each key the last: what they take up is bounded by the keys, however
/// long nobody fetches them.
#[derive(Debug)]
pub struct Subscription {
    id: String,
    slot: Arc<Slot>,
    subscriptions: Weak<Subscriptions>,
    /// Of what is told, only what is under keys of this is for the subscriber.
    prefix: Option<Prefix>,
}

/// The subscriptions to a provider.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    held: HashMap<String, Held>,
    /// Counts the subscriptions ever made.
    next: u64,
}

#[derive(Debug)]
struct Held {
    number: u64,
    keys: Keys,
    /// The items as the subscriber knows them, or will when it has fetched what is in the slot.
    seen: Items,
    slot: Arc<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: Changes,
    ended: bool,
}

/// What is asked for by all subscriptions up to a moment. A subscription made later began with what was there
/// later, and must not be told of an earlier state.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) keys: Keys,
    before: u64,
}

/// How many subscriptions a provider has at most.
pub const MOST_SUBSCRIPTIONS: usize = 1024;

// === impl Subscription ===

impl Subscription {
    /// By what it is ended.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Waits for changes. Those that were made together come together. `None` once the subscription has ended or the
    /// provider is gone, and what was waiting has been fetched.
    pub async fn next(&mut self) -> Option<Changes> {
        loop {
            // One that is noted from here on wakes this, since nobody else waits for it.
            let changed = self.slot.changed.notified();
            {
                let mut waiting = self.slot.waiting.lock();
                if !waiting.changes.is_empty() {
                    let changes = mem::take(&mut waiting.changes);
                    let changes = match &self.prefix {
                        Some(prefix) => own(prefix, changes),
                        None => changes,
                    };
                    if changes.is_empty() {
                        continue;
                    }
                    return Some(changes);
                }
                if waiting.ended {
                    return None;
                }
            }
            changed.await;
        }
    }
}

impl Subscription {
    /// The same for a subscriber who sees the keys of a prefix alone.
    pub(super) fn within(mut self, prefix: Prefix) -> Self {
        self.prefix = Some(prefix);
        self
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(subscriptions) = self.subscriptions.upgrade() {
            subscriptions.end(&self.id);
        }
    }
}

// === impl Subscriptions ===

impl Subscriptions {
    /// Begins a subscription to keys whose items are known to the subscriber.
    pub(super) fn begin(self: &Arc<Self>, keys: Keys, seen: Items) -> Result<Subscription> {
        let mut state = self.0.lock();
        if state.held.len() >= MOST_SUBSCRIPTIONS {
            let what = "subscriptions to the configuration; end some".to_owned();
            return Err(Error::TooMuch { what, most: MOST_SUBSCRIPTIONS as u64 });
        }
        let id = Uuid::new_v4().to_string();
        let slot = Arc::<Slot>::default();
        let held = Held { number: state.next, keys, seen, slot: Arc::clone(&slot) };
        state.next += 1;
        state.held.insert(id.clone(), held);
        Ok(Subscription { id, slot, subscriptions: Arc::downgrade(self), prefix: None })
    }

    /// Ends a subscription; answers whether there was one.
    pub(super) fn end(&self, id: &str) -> bool {
        let held = self.0.lock().held.remove(id);
        held.is_some_and(|held| {
            held.slot.end();
            true
        })
    }

    /// What is asked for now, if anything is.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let state = self.0.lock();
        let mut names = BTreeSet::new();
        let mut keys = None;
        for held in state.held.values() {
            match &held.keys {
                Keys::All => keys = Some(Keys::All),
                Keys::These(these) => names.extend(these.iter().cloned()),
            }
        }
        let keys = keys.or_else(|| (!names.is_empty()).then_some(Keys::These(names)))?;
        Some(Wanted { keys, before: state.next })
    }

    /// Tells each subscriber what differs from what it knows, all at once. The items are those of `wanted`, read
    /// after it was asked for.
    pub(super) fn tell(&self, wanted: &Wanted, items: &Items) {
        let mut state = self.0.lock();
        for held in state.held.values_mut().filter(|held| held.number < wanted.before) {
            let now = held.keys.of(items);
            let mut changes: Changes = now
                .iter()
                .filter(|(key, item)| held.seen.get(*key) != Some(item))
                .map(|(key, item)| (key.clone(), Some(item.clone())))
                .collect();
            let gone = held.seen.keys().filter(|key| !now.contains_key(*key));
            changes.extend(gone.map(|key| (key.clone(), None)));
            held.seen = now;
            held.slot.note(changes);
        }
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.0.get_mut().held.values().for_each(|held| held.slot.end());
    }
}

// === impl Slot ===

impl Slot {
    fn note(&self, changes: Changes) {
        if !changes.is_empty() {
            self.waiting.lock().changes.extend(changes);
            self.changed.notify_one();
        }
    }

    fn end(&self) {
        self.waiting.lock().ended = true;
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::configuration::Item;

    #[test]
    fn nobody_is_told_of_a_state_before_his_own() {
        let items = |value: &str| {
            let item = Item { value: value.to_owned(), ..Item::default() };
            Items::from([("key".to_owned(), item)])
        };
        let subscriptions = Arc::<Subscriptions>::default();
        let mut early = subscriptions.begin(Keys::All, items("1")).unwrap();
        let wanted = subscriptions.wanted().unwrap();
        // While the early state is read, somebody reads a later one and subscribes.
        let mut late = subscriptions.begin(Keys::All, items("3")).unwrap();
        subscriptions.tell(&wanted, &items("2"));
        assert!(early.next().now_or_never().is_some());
        assert!(late.next().now_or_never().is_none());
        subscriptions.tell(&subscriptions.wanted().unwrap(), &items("3"));
        assert!(early.next().now_or_never().is_some());
        assert!(late.next().now_or_never().is_none());
        drop((early, late));
        assert!(subscriptions.wanted().is_none(), "nothing is read for nobody");
    }
}
