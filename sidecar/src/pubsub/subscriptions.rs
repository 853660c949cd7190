//! All that is subscribed to.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::delivery::Runner;
use super::subscription::Subscription;
use super::{PubSub, asked};
use crate::Sidecar;
use crate::component::Components;

/// What an app subscribes to, and what is delivered of it.
#[derive(Default)]
pub(crate) struct Subscriptions {
    /// What runs for the app. Locked while it changes.
    running: Mutex<Tasks>,
    known: RwLock<Known>,
    /// Whether no more is to be delivered.
    closing: watch::Sender<bool>,
}

#[derive(Default)]
struct Tasks {
    current: Vec<Running>,
    /// Of those that were told to stop, whose last events may still be with the app.
    ending: Vec<JoinHandle<()>>,
}

/// What metadata tells.
#[derive(Default)]
struct Known {
    /// What the app said when it was asked; none while it was not.
    asked: Option<Vec<Arc<Subscription>>>,
    delivered: Vec<Arc<Subscription>>,
    streams: Vec<Arc<Subscription>>,
}

/// A subscription of the app whose events are delivered.
struct Running {
    subscription: Arc<Subscription>,
    pubsub: Arc<PubSub>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// A stream in the list, for as long as it lasts.
pub(super) struct Listed<'a> {
    subscriptions: &'a Subscriptions,
    subscription: Arc<Subscription>,
}

// === impl Subscriptions ===

impl Subscriptions {
    /// Asks the app, which listens, what it subscribes to, and has it delivered from now on.
    pub(crate) async fn begin(&self, sidecar: &Arc<Sidecar>) {
        let Some(app) = &sidecar.app else { return };
        let asked = asked::ask(app, sidecar.max_body_size).await;
        self.known(|known| known.asked = Some(asked));
        self.refresh(sidecar).await;
    }

    /// Has delivered what components and app say now: to be called whenever either has changed. What did not change goes
    /// on as it is. Nothing is begun before the app was asked.
    pub(crate) async fn refresh(&self, sidecar: &Arc<Sidecar>) {
        let mut running = self.running.lock().await;
        let Some(asked) = self.known(|known| known.asked.clone()) else { return };
        if *self.closing.borrow() {
            return;
        }
        let wanted = wanted(&sidecar.components(), asked);
        let Tasks { current, ending } = &mut *running;
        ending.retain(|task| !task.is_finished());
        let mut kept = Vec::new();
        for Running { subscription, pubsub, stop, task } in current.drain(..) {
            match wanted.iter().any(|(same, of)| **same == *subscription && Arc::ptr_eq(of, &pubsub)) {
                true => kept.push(Running { subscription, pubsub, stop, task }),
                false => {
                    stop.send_replace(true);
                    ending.push(task);
                }
            }
        }
        let is_new =
            |subscription: &Subscription| !kept.iter().any(|known| *known.subscription == *subscription);
        let starting = wanted.into_iter().filter(|(subscription, _)| is_new(subscription));
        let starting = starting.map(|(subscription, pubsub)| async {
            let stop = watch::Sender::new(false);
            let runner = Runner::new(Arc::clone(sidecar), Arc::clone(&pubsub), Arc::clone(&subscription));
            let task = runner.start(stop.subscribe()).await;
            Running { subscription, pubsub, stop, task }
        });
        let started = futures_util::future::join_all(starting).await;
        kept.extend(started);
        *current = kept;
        let delivered = current.iter().map(|running| Arc::clone(&running.subscription)).collect();
        self.known(|known| known.delivered = delivered);
    }

    /// Takes no more events, and waits until those under way are settled.
    pub(crate) async fn close(&self) {
        self.closing.send_replace(true);
        let mut running = self.running.lock().await;
        let Tasks { current, ending } = &mut *running;
        for running in &*current {
            running.stop.send_replace(true);
        }
        for task in current.drain(..).map(|Running { task, .. }| task).chain(ending.drain(..)) {
            // One that panicked has nothing under way any more.
            let _ = task.await;
        }
    }

    /// Tells when no more is to be delivered.
    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Whether the app was asked, and what it asked for was begun.
    pub(crate) fn list(&self) -> Vec<Arc<Subscription>> {
        self.known(|known| known.delivered.iter().chain(&known.streams).cloned().collect())
    }

    /// Has a stream listed until what is answered is dropped.
    pub(super) fn list_stream(&self, subscription: Arc<Subscription>) -> Listed<'_> {
        self.known(|known| known.streams.push(Arc::clone(&subscription)));
        Listed { subscriptions: self, subscription }
    }

    fn known<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.known.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.subscriptions.known(|known| {
            if let Some(at) = known.streams.iter().position(|stream| Arc::ptr_eq(stream, &self.subscription))
            {
                known.streams.swap_remove(at);
            }
        });
    }
}

// === free functions ===

/// What is to be delivered, each of which component. What the app says itself goes before what is declared.
fn wanted(components: &Components, asked: Vec<Arc<Subscription>>) -> Vec<(Arc<Subscription>, Arc<PubSub>)> {
    let mut wanted: Vec<(Arc<Subscription>, Arc<PubSub>)> = Vec::new();
    for subscription in asked.into_iter().chain(components.subscriptions.iter().cloned()) {
        let (name, topic) = (&subscription.pubsub, &subscription.topic);
        if wanted.iter().any(|(known, _)| known.place() == subscription.place()) {
            tracing::warn!(
                "two identical subscriptions found. pubsubname: {name}, topic: {topic}; the first counts"
            );
            continue;
        }
        let Some(pubsub) = components.pubsub.find(name) else {
            tracing::error!(
                "there is a subscription to topic {topic} of pubsub {name}, which no component defines"
            );
            continue;
        };
        if !pubsub.scopes.may_subscribe(topic) {
            tracing::warn!("subscription to topic '{topic}' on pubsub '{name}' is not allowed");
            continue;
        }
        if subscription.dead_letter.as_ref().is_some_and(|dead_letter| dead_letter == topic) {
            tracing::error!("topic {topic} of pubsub {name} cannot be its own deadLetterTopic; name another");
            continue;
        }
        wanted.push((Arc::clone(&subscription), Arc::clone(pubsub)));
    }
    wanted
}
