//! What an actor subscribed to, delivered to it change by change.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use pillion_capabilities::configuration::{Changes, Keys, Subscription};
use pillion_capabilities::{Configuration, Error, Result};
use pillion_codec::{ConfigurationChange, List};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::with_items;
use crate::dispatch::caller::Caller;
use crate::engine::CallFailure;
use crate::workers;

/// The subscriptions of one binding.
#[derive(Clone)]
pub(super) struct Watching {
    /// Where changes are delivered.
    runtime: Option<Handle>,
    /// They end with the last of the wirings and calls that have the binding.
    tasks: Arc<Tasks>,
}

/// What delivers, by the subscription's id.
#[derive(Default)]
struct Tasks(Mutex<HashMap<String, AbortHandle>>);

/// Delivers the changes of one subscription.
struct Watch {
    id: String,
    caller: Caller,
    subscription: Subscription,
    tasks: Weak<Tasks>,
}

/// The operation by which an actor gets a change.
const DELIVER: &str = "DeliverConfiguration";

/// So many a binding may have.
const MOST: usize = 16;

/// The pauses between the attempts at a change double from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(1));

/// A change that an actor failed to deal with so often is given up. It is not counted that it had no room, may not run,
/// or was not let in by middleware.
const ATTEMPTS: u32 = 5;

// === impl Watching ===

impl Watching {
    pub(super) fn opened(&self) -> Self {
        Self { runtime: self.runtime.clone(), tasks: Arc::default() }
    }

    /// Begins a subscription, and answers its id.
    pub(super) fn subscribe(
        &self,
        configuration: &Arc<dyn Configuration>,
        caller: &Caller,
        keys: Keys,
    ) -> Result<impl Future<Output = Result<String>> + Send + 'static + use<>> {
        let (Some(_), Some(runtime)) = (caller.guest(), self.runtime.clone()) else {
            return Err(Error::InvalidArgument(
                "changes cannot be delivered; make the provider within a tokio runtime, and bind it to an actor on a \
                 host"
                    .to_owned(),
            ));
        };
        let too_many = || {
            let what = "subscriptions of a binding to the configuration; end some".to_owned();
            Error::TooMuch { what, most: MOST as u64 }
        };
        if self.tasks.0.lock().len() >= MOST {
            return Err(too_many());
        }
        let (configuration, caller) = (Arc::clone(configuration), caller.clone());
        // A subscription that is made when its binding has ended meanwhile ends at once.
        let tasks = Arc::downgrade(&self.tasks);
        Ok(async move {
            let subscription = configuration.subscribe(keys).wait().await?;
            let id = subscription.id().to_owned();
            let Some(held) = tasks.upgrade() else { return Ok(id) };
            let mut all = held.0.lock();
            // Others may have begun meanwhile.
            if all.len() >= MOST {
                return Err(too_many());
            }
            let watch = Watch { id: id.clone(), caller, subscription, tasks };
            // With the lock held, so that it is noted before it can have ended.
            all.insert(id.clone(), runtime.spawn(watch.run()).abort_handle());
            Ok(id)
        })
    }

    /// Ends a subscription; answers whether there was one.
    pub(super) fn end(&self, id: &str) -> bool {
        let task = self.tasks.0.lock().remove(id);
        task.is_some_and(|task| {
            task.abort();
            true
        })
    }
}

impl Default for Watching {
    /// On the runtime that this is called within.
    fn default() -> Self {
        Self { runtime: Handle::try_current().ok(), tasks: Arc::default() }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.get_mut().values().for_each(AbortHandle::abort);
    }
}

// === impl Watch ===

impl Watch {
    async fn run(mut self) {
        while let Some(changes) = self.subscription.next().await {
            if self.deliver(changes).await.is_none() {
                break;
            }
        }
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.0.lock().remove(&self.id);
        }
    }

    /// Delivers changes, with what changes until they are delivered or given up. `None` when nobody is there any more.
    async fn deliver(&mut self, mut changes: Changes) -> Option<()> {
        let (mut pause, mut attempts) = (PAUSES.0, 0);
        loop {
            let failure = match self.caller.expired() {
                Some(expired) => format!("the actor's token expired at {expired}"),
                None => {
                    let payload = encode(&self.id, &changes);
                    let guest = self.caller.guest()?;
                    match workers::call(&guest, DELIVER, &payload).await {
                        Ok(_) => return Some(()),
                        Err(CallFailure::Removed) => return None,
                        Err(failure) => {
                            let hopeful = matches!(failure, CallFailure::Busy(_) | CallFailure::Halted(_));
                            attempts += u32::from(!hopeful);
                            failure.to_string()
                        }
                    }
                }
            };
            let (actor, subscription) = (self.caller.key(), &self.id);
            if attempts >= ATTEMPTS {
                let keys: Vec<_> = mem::take(&mut changes).into_keys().collect();
                tracing::warn!(
                    target: "pillion::delivery", actor, subscription, ?keys, failure,
                    "a change of the configuration was given up"
                );
                return Some(());
            }
            tracing::debug!(target: "pillion::delivery", actor, subscription, failure, ?pause, "held");
            tokio::select! {
                () = sleep(pause) => {}
                more = self.subscription.next() => changes.extend(more?),
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

fn encode(id: &str, changes: &Changes) -> Vec<u8> {
    let mut payload = Vec::new();
    let there = changes.iter().filter_map(|(key, item)| Some((key.as_str(), item.as_ref()?)));
    let removed: Vec<&[u8]> =
        changes.iter().filter(|(_, item)| item.is_none()).map(|(key, _)| key.as_bytes()).collect();
    with_items(there, |items| {
        ConfigurationChange { id, items, removed: List::new(&removed) }.encode(&mut payload);
    });
    payload
}
