//! Messages and events that are delivered to an actor.

use std::future::ready;
use std::time::{Duration, Instant};

use pillion_capabilities::delivery::{Delivery, Outcome, Subscription};
use pillion_capabilities::messaging::DeliveryGuarantee;
use pillion_capabilities::trace::{
    self, Context, FutureExt as _, KeyValue, SpanContext, SpanKind, TraceContextExt as _, Tracing,
};
use pillion_capabilities::{eventstreams, messaging};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::actor::ActorRef;
use crate::dispatch::Contract;
use crate::engine::CallFailure;
use crate::workers;

/// What arrives at an actor: a message or an event.
pub(crate) trait Arrived: Send + Sync + 'static {
    /// The operation by which the actor gets it.
    const OPERATION: &'static str;

    /// The topic or stream that it comes from.
    fn topic(&self) -> &str;

    /// 1 for the first delivery, and one more for each further.
    fn attempt(&self) -> u32;

    /// Of which trace it is, if it tells.
    fn trace(&self) -> Option<SpanContext> {
        None
    }

    /// What the actor gets.
    fn payload(&self) -> Vec<u8>;
}

/// What is to be delivered to an actor, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Messages(messaging::SubscribeOptions),
    Events(eventstreams::SubscribeOptions),
}

/// A topic or stream that an actor is subscribed to. Dropping it ends the subscription; deliveries under way are given
/// up, and made anew to others where the provider can.
pub(crate) struct Deliveries {
    pub(crate) binding: Box<str>,
    pub(crate) topic: Box<str>,
    pub(crate) wish: Wish,
    /// That no more is wanted.
    enough: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// How long a message may take. After the time to settle it in, a provider that delivers until it is settled would
/// deliver it beside this.
#[derive(Clone, Copy)]
struct Times {
    /// How long it is held for an actor that can take none, before it counts as not dealt with.
    hold: Duration,
    /// After so long in all, the actor's call is given up.
    all: Duration,
}

/// What makes a span of each delivery.
#[derive(Clone)]
pub(crate) struct Traced {
    pub(crate) tracing: Tracing,
    /// The provider, as `redis_streams`.
    pub(crate) provider: &'static str,
}

/// The pauses between the attempts at a message that is held double from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(1));

// === impl Times ===

impl Times {
    /// Held for half of the time to settle it in; the last tenth is for having the provider told.
    fn of(ack_wait: Duration, guarantee: DeliveryGuarantee) -> Self {
        let all = match guarantee {
            DeliveryGuarantee::AtLeastOnce => ack_wait - ack_wait / 10,
            // It would not come again: there is nothing to give way to.
            DeliveryGuarantee::AtMostOnce => Duration::MAX,
        };
        Self { hold: ack_wait / 2, all }
    }
}

// === impl Wish ===

impl Wish {
    /// Of which contract the provider is.
    pub(crate) fn contract(&self) -> Contract {
        match self {
            Self::Messages(_) => Contract::Messaging,
            Self::Events(_) => Contract::EventStreams,
        }
    }

    pub(crate) fn ack_wait(&self) -> Duration {
        match self {
            Self::Messages(options) => options.ack_wait,
            Self::Events(options) => options.ack_wait,
        }
    }

    fn concurrency(&self) -> usize {
        match self {
            Self::Messages(options) => options.concurrency,
            Self::Events(options) => options.concurrency,
        }
    }
}

// === impl Deliveries ===

impl Deliveries {
    /// Delivers what arrives from now on. To be called within a tokio runtime.
    pub(crate) fn start(
        binding: &str,
        topic: &str,
        subscription: Subscription<impl Arrived>,
        (wish, guarantee): (Wish, DeliveryGuarantee),
        actor: &ActorRef,
        traced: Option<Traced>,
    ) -> Self {
        let times = Times::of(wish.ack_wait(), guarantee);
        // What is fetched ahead and not delivered comes again from some providers; from others it has to be delivered.
        let ahead = match guarantee {
            DeliveryGuarantee::AtLeastOnce => 0,
            DeliveryGuarantee::AtMostOnce => wish.concurrency(),
        };
        let (enough, is_enough) = watch::channel(false);
        let task = tokio::spawn(run(subscription, times, actor.clone(), traced, is_enough, ahead));
        Self { binding: binding.into(), topic: topic.into(), wish, enough, task }
    }

    /// Whether it is of that contract's provider under that name.
    pub(crate) fn is_by(&self, contract: Contract, binding: &str) -> bool {
        self.wish.contract() == contract && *self.binding == *binding
    }

    /// Whether it is that subscription.
    pub(crate) fn is(&self, contract: Contract, binding: &str, topic: &str) -> bool {
        self.is_by(contract, binding) && *self.topic == *topic
    }

    /// Ends the subscription once the deliveries under way are done.
    pub(crate) async fn drain(mut self) {
        self.enough.send_replace(true);
        // It ends by itself, and has nothing to answer.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Each message is a task of its own, so that as many workers deal with them as there are. The subscription itself
/// bounds how many are under way.
async fn run<R: Arrived>(
    mut subscription: Subscription<R>,
    times: Times,
    actor: ActorRef,
    traced: Option<Traced>,
    mut is_enough: watch::Receiver<bool>,
    ahead: usize,
) {
    // Dropped with this, it ends them.
    let mut under_way = JoinSet::new();
    loop {
        let expired = actor.claims().expired().is_some();
        tokio::select! {
            delivery = subscription.next(), if !expired => match delivery {
                Some(delivery) => {
                    let at = Instant::now();
                    let context = context(&delivery.received, traced.as_ref());
                    let handled = handle(delivery, at, times, actor.clone());
                    match context {
                        None => under_way.spawn(handled),
                        Some(context) => under_way.spawn(handled.with_context(context)),
                    };
                }
                None => break,
            },
            // No message is given to an actor that may have none; an update may give it a new token.
            () = sleep(PAUSES.1), if expired => {}
            Some(_) = under_way.join_next() => {}
            // Set; dropped it is when this task is aborted.
            Ok(_) = is_enough.wait_for(|enough| *enough) => break,
        }
    }
    for _ in 0..ahead {
        tokio::select! {
            biased;
            Some(delivery) = subscription.next() => {
                under_way.spawn(handle(delivery, Instant::now(), times, actor.clone()));
            }
            () = ready(()) => break,
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Of which trace a delivery is, if it is known or a new one begins.
fn context<R: Arrived>(received: &R, traced: Option<&Traced>) -> Option<Context> {
    let parent = received.trace();
    let Some(Traced { tracing, provider }) = traced else {
        return parent.map(|parent| Context::new().with_remote_span_context(parent));
    };
    let parent = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
    Some(tracing.begin(&parent, SpanKind::Consumer, || {
        let (topic, attempt) = (received.topic(), received.attempt());
        let attributes = vec![
            KeyValue::new("messaging.system", *provider),
            KeyValue::new("messaging.destination.name", topic.to_string()),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("pillion.attempt", i64::from(attempt)),
        ];
        (format!("process {topic}").into(), attributes)
    }))
}

/// The provider waits since `at`, and not only since a worker came to it.
async fn handle<R: Arrived>(delivery: Delivery<R>, at: Instant, times: Times, actor: ActorRef) {
    let Delivery { received, ticket } = delivery;
    let left = times.all.saturating_sub(at.elapsed());
    let outcome = match timeout(left, deliver(&actor, &received, times)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let (topic, attempt) = (received.topic(), received.attempt());
            let (actor, after) = (actor.key(), times.all);
            let remedy = "subscribe with an ack_wait that is longer than the actor takes";
            tracing::warn!(target: "pillion::delivery", actor, topic, attempt, ?after, remedy, "given up");
            Outcome::Redeliver
        }
    };
    let dealt_with = matches!(outcome, Outcome::Acknowledge);
    let settled = ticket.settle(outcome).wait().await;
    if let Err(error) = &settled {
        let topic = received.topic();
        tracing::warn!(target: "pillion::delivery", topic, %error, "could not be settled");
    }
    if trace::current().is_some() {
        let error = settled.err().map(|error| format!("could not be settled: {error}"));
        let error = error.or_else(|| (!dealt_with).then(|| "not dealt with".to_owned()));
        trace::end(&Context::current(), error.as_deref());
    }
}

/// A message that an actor did not deal with is delivered again, as often as its subscription allows. That it had no
/// room, may not run, or was not let in by middleware, says nothing about the message, which is held for a while instead.
async fn deliver<R: Arrived>(actor: &ActorRef, received: &R, times: Times) -> Outcome {
    let (topic, attempt) = (received.topic(), received.attempt());
    let payload = received.payload();
    let (since, mut pause) = (Instant::now(), PAUSES.0);
    loop {
        let (failure, hopeful) = match actor.claims().expired() {
            Some(expired) => (format!("the actor's token expired at {expired}"), true),
            None => match workers::call(actor.guest(), R::OPERATION, &payload).await {
                Ok(_) => return Outcome::Acknowledge,
                // Its subscriptions ended before it was closed: others get it.
                Err(CallFailure::Removed) => return Outcome::Redeliver,
                Err(failure) => {
                    let hopeful = failure.is_busy()
                        || matches!(failure, CallFailure::Halted(_) | CallFailure::Expired(_));
                    (failure.to_string(), hopeful)
                }
            },
        };
        if !hopeful || since.elapsed() >= times.hold {
            tracing::warn!(target: "pillion::delivery", topic, attempt, failure, "not dealt with");
            return Outcome::Redeliver;
        }
        tracing::debug!(target: "pillion::delivery", topic, attempt, failure, ?pause, "held");
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}
