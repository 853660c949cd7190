//! Events on their way to the app, and what becomes of them.

mod bulk;
mod grpc;
mod http;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pillion_capabilities::messaging::{Delivery, Received, Subscription as Source};
use pillion_capabilities::trace::{
    self as spans, Context, FutureExt as _, KeyValue, SpanContext, SpanKind, TraceContextExt as _,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

pub(super) use grpc::{message as grpc_message, said as grpc_said};
pub(super) use verdict::{Verdict, settle};

use super::PubSub;
use super::envelope::of_raw;
use super::event::Event;
use super::rules::route;
use super::subscription::Subscription;
use crate::Sidecar;
use crate::resiliency::Policy;

/// Delivers the events of one subscription.
pub(super) struct Runner {
    sidecar: Arc<Sidecar>,
    pubsub: Arc<PubSub>,
    subscription: Arc<Subscription>,
    /// The app could not be reached: no more is taken before it listens again.
    unreachable: watch::Sender<bool>,
}

/// Why no events are to be had for the app.
enum Interrupted {
    /// It does not want any, now.
    Unwelcome,
    /// It is told to stop, or the runtime ends.
    Ending,
}

/// An event that is to go to the app.
struct Ready<'a> {
    event: Event<'a>,
    path: &'a str,
}

/// The first pause before a provider is asked again, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

// === impl Runner ===

impl Runner {
    pub(super) fn new(sidecar: Arc<Sidecar>, pubsub: Arc<PubSub>, subscription: Arc<Subscription>) -> Self {
        Self { sidecar, pubsub, subscription, unreachable: watch::Sender::new(false) }
    }

    /// Subscribes, and delivers in a task of its own until it is told to stop. A provider that fails is tried again there, unless
    /// it takes no such subscription.
    pub(super) async fn start(self, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
        let source = self.subscribe().await;
        tokio::spawn(async move {
            let source = match source {
                Ok(source) => source,
                Err(error) => {
                    self.complain(&error);
                    if matches!(error, pillion_capabilities::Error::InvalidArgument(_)) {
                        return;
                    }
                    // The sender lives as long as this is listed.
                    match tokio::select! {
                        biased;
                        () = told(&mut stop) => None,
                        source = self.subscribe_at_last() => Some(source),
                    } {
                        Some(source) => source,
                        None => return,
                    }
                }
            };
            Arc::new(self).run(source, stop).await;
        })
    }

    async fn subscribe(&self) -> Result<Source, pillion_capabilities::Error> {
        let batch = self.subscription.bulk.map_or(1, |bulk| bulk.most);
        let options =
            self.pubsub.options(self.subscription.dead_letter.as_deref(), self.handlers().max(batch));
        self.pubsub.provider.subscribe(&self.subscription.topic, options).wait().await
    }

    async fn subscribe_at_last(&self) -> Source {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            match self.subscribe().await {
                Ok(source) => return source,
                Err(error) => tracing::debug!("{error}"),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn complain(&self, error: &pillion_capabilities::Error) {
        let Subscription { pubsub, topic, .. } = &*self.subscription;
        tracing::error!("cannot subscribe to topic {topic} of pubsub {pubsub}: {error}");
    }

    async fn run(self: Arc<Self>, mut source: Source, mut stop: watch::Receiver<bool>) {
        let Subscription { pubsub, topic, .. } = &*self.subscription;
        tracing::info!("app is subscribed to the following topics: [{topic}] through pubsub={pubsub}");
        let handlers = Arc::new(Semaphore::new(self.handlers()));
        let mut under_way = JoinSet::new();
        while let Some((deliveries, turn)) = self.next(&mut source, &handlers, &mut stop).await {
            let this = Arc::clone(&self);
            under_way.spawn(async move { this.deliver(deliveries, turn).await });
            while under_way.try_join_next().is_some() {}
        }
        // What was fetched ahead is for others, also while events are with the app.
        let settled = async { while under_way.join_next().await.is_some() {} };
        futures_util::join!(source.close(), settled);
    }

    /// How many deliveries may be with the app at a time: no more than it wants.
    fn handlers(&self) -> usize {
        let wanted = self.sidecar.app.as_ref().and_then(|app| app.max_concurrency());
        wanted.map_or(self.pubsub.terms.handlers, |wanted| wanted.min(self.pubsub.terms.handlers))
    }

    /// What is to be delivered next, as soon as the app wants it; nothing once it is told to stop.
    async fn next(
        &self,
        source: &mut Source,
        handlers: &Arc<Semaphore>,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<(Vec<Delivery>, OwnedSemaphorePermit)> {
        loop {
            let mut gathered = Vec::new();
            let turn = tokio::select! {
                biased;
                () = told(stop) => Err(Interrupted::Ending),
                () = self.until_unwelcome() => Err(Interrupted::Unwelcome),
                turn = async {
                    let turn = Arc::clone(handlers).acquire_owned().await.map_err(|_| Interrupted::Ending)?;
                    self.gather(&mut gathered, source).await?;
                    Ok(turn)
                } => turn,
            };
            let interrupted = match turn {
                Ok(turn) => return Some((gathered, turn)),
                Err(interrupted) => interrupted,
            };
            // A group's other members may have an app that is well.
            if self.pubsub.terms.group.is_some() {
                source.pause().await;
            }
            // Not before, or they would come here again.
            give_back(gathered).await;
            let Interrupted::Unwelcome = interrupted else { return None };
            tokio::select! {
                biased;
                () = told(stop) => return None,
                () = self.until_welcome() => {}
            }
        }
    }

    /// Waits until the app wants events: it listens, and is well.
    async fn until_welcome(&self) {
        let Some(app) = &self.sidecar.app else { return };
        if *self.unreachable.borrow() {
            app.opened().await;
            self.unreachable.send_replace(false);
        }
        // Its sender is with the app. Always true, unless the app is to be asked.
        let _ = app.healthy().wait_for(|healthy| *healthy).await;
    }

    /// Waits until the app wants no events.
    async fn until_unwelcome(&self) {
        let Some(app) = &self.sidecar.app else { return std::future::pending().await };
        let (mut unreachable, mut healthy) = (self.unreachable.subscribe(), app.healthy());
        // The senders are here and with the app.
        tokio::select! {
            _ = unreachable.wait_for(|unreachable| *unreachable) => {}
            _ = healthy.wait_for(|healthy| !healthy) => {}
        }
    }

    /// Waits for a delivery, and for more of them if they are delivered together. May be given up at any time.
    async fn gather(&self, gathered: &mut Vec<Delivery>, source: &mut Source) -> Result<(), Interrupted> {
        gathered.push(source.next().await.ok_or(Interrupted::Ending)?);
        let Some(bulk) = self.subscription.bulk else { return Ok(()) };
        let end = tokio::time::Instant::now() + bulk.wait;
        while gathered.len() < bulk.most {
            match tokio::time::timeout_at(end, source.next()).await {
                Ok(Some(delivery)) => gathered.push(delivery),
                Ok(None) | Err(_) => break,
            }
        }
        Ok(())
    }

    async fn deliver(&self, deliveries: Vec<Delivery>, turn: OwnedSemaphorePermit) {
        let received: Vec<&Received> = deliveries.iter().map(|delivery| &delivery.received).collect();
        let verdicts = match self.subscription.bulk {
            Some(_) => self.many(&received).await,
            None => {
                let mut verdicts = Vec::with_capacity(1);
                for received in received {
                    verdicts.push(match &self.pubsub.inbound {
                        None => self.one(received).await,
                        Some(policy) => Box::pin(self.under(policy, received)).await,
                    });
                }
                verdicts
            }
        };
        if verdicts.iter().any(|verdict| matches!(verdict, Verdict::Unreachable(_))) {
            self.unreachable.send_replace(true);
        }
        drop(turn);
        let settling = deliveries
            .into_iter()
            .zip(verdicts)
            .map(|(delivery, verdict)| settle(&self.pubsub, &self.subscription, delivery, verdict));
        futures_util::future::join_all(settling).await;
    }

    /// Delivers one event.
    async fn one(&self, received: &Received) -> Verdict {
        let text = self.text(received);
        let Ready { event, path } = match ready(&self.subscription, &text) {
            Ok(ready) => ready,
            Err(verdict) => return self.measured(verdict, Instant::now()),
        };
        let Some(app) = &self.sidecar.app else { return Verdict::Unreachable("there is no app".to_owned()) };
        let start = Instant::now();
        let verdict = self
            .spanned(event.trace(), async |trace| match app.protocol.is_grpc() {
                true => grpc::deliver(app, &self.subscription, &event, path, trace).await,
                false => {
                    let limit = self.sidecar.max_body_size;
                    http::deliver(app, &self.subscription, &event, path, text.clone(), trace, limit).await
                }
            })
            .await;
        self.measured(verdict, start)
    }

    /// The event as it is delivered: what comes without an envelope gets one.
    fn text(&self, received: &Received) -> Bytes {
        let Subscription { pubsub, topic, raw, .. } = &*self.subscription;
        match raw {
            true => of_raw(&received.message.body, topic, pubsub).into(),
            false => received.message.body.clone(),
        }
    }

    /// As [`Runner::one`], as often as a policy has it before the provider is told.
    async fn under(&self, policy: &Policy, received: &Received) -> Verdict {
        let outcome = policy.run(|| self.one(received), Verdict::judged).await;
        outcome.unwrap_or_else(|stopped| Verdict::Failed(stopped.to_string()))
    }

    fn measured(&self, verdict: Verdict, start: Instant) -> Verdict {
        let Some(metrics) = &self.sidecar.metrics else { return verdict };
        let status = match &verdict {
            Verdict::Success => "success",
            Verdict::Ignored(_) | Verdict::Dropped(_) => "drop",
            Verdict::Failed(_) | Verdict::Unreachable(_) => "retry",
        };
        let (Subscription { pubsub, topic, bulk, .. }, took) = (&*self.subscription, start.elapsed());
        match bulk {
            Some(_) => metrics.pubsub.bulk_ingress(pubsub, topic, status, took),
            None => metrics.pubsub.ingress(pubsub, topic, status, took),
        }
        verdict
    }

    /// Delivers within a span, if there are any, and tells the trace that the app is to know of.
    async fn spanned(
        &self,
        trace: Option<SpanContext>,
        deliver: impl AsyncFnOnce(Option<&SpanContext>) -> Verdict,
    ) -> Verdict {
        let Some(context) = self.begin(trace.as_ref()) else { return deliver(trace.as_ref()).await };
        let own = context.span().span_context().clone();
        let verdict = deliver(own.is_valid().then_some(&own)).with_context(context.clone()).await;
        spans::end(&context, verdict.failure());
        verdict
    }

    /// Begins the span of an event's delivery, if there are any: in the trace that the event is of.
    fn begin(&self, trace: Option<&SpanContext>) -> Option<Context> {
        let tracing = self.sidecar.tracing.as_ref()?;
        let parent =
            trace.map_or_else(Context::new, |trace| Context::new().with_remote_span_context(trace.clone()));
        let Subscription { pubsub, topic, .. } = &*self.subscription;
        Some(tracing.begin(&parent, SpanKind::Consumer, || {
            let attributes = vec![
                KeyValue::new("messaging.system", "pubsub"),
                KeyValue::new("messaging.destination", spans::clipped(topic.as_bytes())),
                KeyValue::new("messaging.destination_kind", "topic"),
                KeyValue::new("pillion.component.name", pubsub.clone()),
            ];
            (spans::clipped(format!("pubsub/{topic}").as_bytes()).into(), attributes)
        }))
    }
}

// === free functions ===

/// Gives back events that nobody looked at.
async fn give_back(gathered: Vec<Delivery>) {
    let answers = gathered.into_iter().map(|delivery| delivery.give_back().wait());
    for back in futures_util::future::join_all(answers).await {
        if let Err(error) = back {
            tracing::debug!("an event that was not delivered could not go back: {error}");
        }
    }
}

/// Waits until it is told to stop, or nobody could tell it any more.
pub(super) async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What an event is, and where it is to go; or what becomes of it without that.
fn ready<'a>(subscription: &'a Subscription, text: &'a [u8]) -> Result<Ready<'a>, Verdict> {
    let event = Event::read(text)
        .map_err(|error| Verdict::Failed(format!("error deserializing cloud event: {error}")))?;
    let id = event.text("id");
    if event.has_expired() {
        let at = event.text("expiration");
        return Err(Verdict::Dropped(format!("dropping expired pub/sub event {id} as of {at}")));
    }
    match route(&subscription.rules, &event) {
        Ok(Some(path)) => Ok(Ready { path, event }),
        Ok(None) => Err(Verdict::Dropped(format!("no matching route for event {id}"))),
        Err(error) => Err(Verdict::Failed(format!("error finding matching route for event {id}: {error}"))),
    }
}

/// As [`ready`], for who holds a stream.
pub(super) fn ready_for_stream<'a>(
    subscription: &'a Subscription,
    text: &'a [u8],
) -> Result<(Event<'a>, &'a str), Verdict> {
    ready(subscription, text).map(|Ready { event, path }| (event, path))
}
