//! What the client of a stream has, and has not said anything of.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pillion_capabilities::messaging::Delivery;
use tokio::sync::oneshot;

use super::Verdict;

/// Events by their ids, which need not differ: the oldest of an id is settled first.
#[derive(Default)]
pub(super) struct Unsettled(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    by_id: HashMap<String, VecDeque<Awaited>>,
    /// The number of the last try.
    last: u64,
    /// Whether no word comes any more.
    over: bool,
}

/// What waits for a word of the client's.
pub(super) enum Awaited {
    /// The delivery itself: the word settles it.
    Delivery(Delivery),
    /// A try under a policy, by its number, and who hears of it.
    Try(u64, oneshot::Sender<Verdict>),
}

/// A try; dropped, no word is for it any more.
pub(super) struct Try<'a> {
    unsettled: &'a Unsettled,
    id: &'a str,
    number: u64,
    said: oneshot::Receiver<Verdict>,
}

// === impl Unsettled ===

impl Unsettled {
    pub(super) fn is_empty(&self) -> bool {
        self.lock().by_id.is_empty()
    }

    /// A delivery is with the client.
    pub(super) fn add(&self, id: String, delivery: Delivery) {
        self.lock().by_id.entry(id).or_default().push_back(Awaited::Delivery(delivery));
    }

    /// A try is with the client.
    pub(super) fn begin<'a>(&'a self, id: &'a str) -> Try<'a> {
        let (says, said) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.last += 1;
        let number = waiting.last;
        if waiting.over {
            // Nobody says anything: that is known at once.
            drop(says);
            return Try { unsettled: self, id, number, said };
        }
        waiting.by_id.entry(id.to_owned()).or_default().push_back(Awaited::Try(number, says));
        Try { unsettled: self, id, number, said }
    }

    /// What the client's word of an event is for.
    pub(super) fn take(&self, id: &str) -> Option<Awaited> {
        let mut waiting = self.lock();
        let awaited = waiting.by_id.get_mut(id)?;
        let oldest = awaited.pop_front();
        if awaited.is_empty() {
            waiting.by_id.remove(id);
        }
        oldest
    }

    /// No word is waited for any more.
    pub(super) fn clear(&self) {
        let mut waiting = self.lock();
        waiting.over = true;
        let all = std::mem::take(&mut waiting.by_id);
        // What they held may look for others here.
        drop(waiting);
        drop(all);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Try ===

impl Try<'_> {
    /// What the client says; nothing if it is gone.
    pub(super) async fn said(&mut self) -> Option<Verdict> {
        (&mut self.said).await.ok()
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        let mut waiting = self.unsettled.lock();
        let Some(awaited) = waiting.by_id.get_mut(self.id) else { return };
        awaited.retain(|one| !matches!(one, Awaited::Try(number, _) if *number == self.number));
        if awaited.is_empty() {
            waiting.by_id.remove(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_try_that_begins_when_the_client_is_gone_has_ended() {
        let unsettled = Unsettled::default();
        let mut before = unsettled.begin("1");
        unsettled.clear();
        assert!(before.said().await.is_none());
        assert!(unsettled.begin("1").said().await.is_none());
        assert!(unsettled.is_empty());
    }
}
