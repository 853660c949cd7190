//! Subscriptions that are streams: events go out, and what became of them comes back.

mod unsettled;

use std::collections::BTreeMap;
use std::sync::Arc;

use dapr::dapr::proto::runtime::v1::subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Asked;
use dapr::dapr::proto::runtime::v1::subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Told;
use dapr::dapr::proto::runtime::v1::{
    SubscribeTopicEventsRequestAlpha1, SubscribeTopicEventsResponseAlpha1,
    SubscribeTopicEventsResponseInitialAlpha1, TopicEventRequest,
};
use pillion_capabilities::messaging::{Delivery, Subscription as Source};
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::delivery::{Verdict, grpc_message, grpc_said, ready_for_stream, settle, told};
use super::envelope::of_raw;
use super::subscription::{Kind, Said, Subscription};
use super::{PubSub, error, publish};
use crate::grpc::{status, unread};
use crate::resiliency::{Judged, Policy};
use crate::{ApiError, Sidecar};
use unsettled::{Awaited, Unsettled};

/// What a client of a stream sends.
pub(crate) type StreamRequest = SubscribeTopicEventsRequestAlpha1;
/// What a client of a stream gets.
pub(crate) type StreamResponse = SubscribeTopicEventsResponseAlpha1;

type Outgoing = Result<StreamResponse, Status>;

/// Events that wait for the client's connection.
const AHEAD: usize = 16;

/// One stream.
struct Stream {
    pubsub: Arc<PubSub>,
    subscription: Arc<Subscription>,
    outgoing: mpsc::Sender<Outgoing>,
    unsettled: Arc<Unsettled>,
    /// Events that a policy is about, each until it is known what becomes of it; nothing if the client goes before.
    trying: JoinSet<Option<(Delivery, Verdict)>>,
    /// Whether the client is gone.
    gone: watch::Sender<bool>,
    settling: JoinSet<()>,
}

/// An event on its way to the client, as often as a policy has it.
struct Sending {
    message: TopicEventRequest,
    outgoing: mpsc::Sender<Outgoing>,
    unsettled: Arc<Unsettled>,
}

// === free functions ===

/// Begins a stream by the client's first message.
///
/// # Errors
/// A client that says nothing, or what is wrong; or a component that is not there or cannot be subscribed to.
pub(crate) async fn stream(
    sidecar: Arc<Sidecar>,
    mut incoming: Streaming<StreamRequest>,
) -> Result<ReceiverStream<Outgoing>, Status> {
    let first = incoming.message().await?.and_then(|message| message.subscribe_topic_events_request_type);
    let Some(Asked::InitialRequest(initial)) = first else {
        return Err(Status::invalid_argument("initial request must be set"));
    };
    // From before the look at the components, so that none of their changes is missed.
    let changed = sidecar.component_changes();
    let pubsub = find(&sidecar, &initial.pubsub_name, &initial.topic).map_err(|error| status(&error))?;
    let said = Said {
        pubsub: initial.pubsub_name,
        topic: initial.topic,
        metadata: initial.metadata.into_iter().collect::<BTreeMap<_, _>>(),
        default: Some("/".to_owned()),
        dead_letter: initial.dead_letter_topic,
        ..Said::default()
    };
    let subscription = Subscription::new(Kind::Streaming, said, false).map_err(Status::invalid_argument)?;
    let source = subscribe(&pubsub, &subscription).await.map_err(|error| status(&error))?;
    let (outgoing, sent) = mpsc::channel(AHEAD);
    let begun = StreamResponse {
        subscribe_topic_events_response_type: Some(Told::InitialResponse(
            SubscribeTopicEventsResponseInitialAlpha1 {},
        )),
    };
    // There is room for it.
    let _ = outgoing.try_send(Ok(begun));
    let stream = Stream {
        pubsub,
        subscription: Arc::new(subscription),
        outgoing,
        unsettled: Arc::default(),
        trying: JoinSet::new(),
        gone: watch::Sender::new(false),
        settling: JoinSet::new(),
    };
    tokio::spawn(async move { stream.run(&sidecar, source, incoming, changed).await });
    Ok(ReceiverStream::new(sent))
}

/// The component of this name, if this app may subscribe to the topic.
fn find(sidecar: &Sidecar, pubsub: &str, topic: &str) -> Result<Arc<PubSub>, ApiError> {
    let components = sidecar.components();
    let found = publish::find(&components, pubsub, topic)?;
    if !found.scopes.may_subscribe(topic) {
        return Err(error::not_for_app(pubsub, topic));
    }
    components.pubsub.find(pubsub).cloned().ok_or_else(|| error::not_found(pubsub))
}

async fn subscribe(pubsub: &PubSub, subscription: &Subscription) -> Result<Source, ApiError> {
    let Subscription { topic, pubsub: name, dead_letter, .. } = subscription;
    let options = pubsub.options(dead_letter.as_deref(), pubsub.terms.handlers);
    pubsub.provider.subscribe(topic, options).wait().await.map_err(|error| {
        let message = format!("failed to subscribe to topic {topic} of pubsub {name}: {error}");
        ApiError::internal("ERR_PUBSUB_SUBSCRIBE", message)
    })
}

/// The next delivery, once there is a place for it on its way to the client.
async fn next(
    outgoing: &mpsc::Sender<Outgoing>,
    source: &mut Source,
) -> Option<(OwnedPermit<Outgoing>, Delivery)> {
    let place = outgoing.clone().reserve_owned().await.ok()?;
    Some((place, source.next().await?))
}

/// An event as it goes to the client.
fn told_of(message: TopicEventRequest) -> Outgoing {
    Ok(StreamResponse { subscribe_topic_events_response_type: Some(Told::EventMessage(message)) })
}

// === impl Stream ===

impl Stream {
    /// Goes on until the client goes, or the sidecar stops and all is settled.
    async fn run(
        mut self,
        sidecar: &Sidecar,
        mut source: Source,
        mut incoming: Streaming<StreamRequest>,
        mut changed: watch::Receiver<()>,
    ) {
        let subscriptions = &sidecar.subscriptions;
        let _listed = subscriptions.list_stream(Arc::clone(&self.subscription));
        let mut closing = subscriptions.closing();
        let mut closed = false;
        let outgoing = self.outgoing.clone();
        while !closed || !self.unsettled.is_empty() || !self.trying.is_empty() {
            tokio::select! {
                biased;
                () = told(&mut closing), if !closed => {
                    closed = true;
                    source.pause().await;
                }
                message = incoming.message() => match message {
                    Ok(Some(message)) => self.heard(message),
                    Ok(None) => break,
                    Err(status) => {
                        // A client that leaves unread what waits for it hears of the end alone.
                        let _ = outgoing.try_send(Err(unread(sidecar.max_body_size, status)));
                        break;
                    }
                },
                () = outgoing.closed() => break,
                // Its sender lives as long as the sidecar.
                Ok(()) = changed.changed(), if !closed => match self.follow(sidecar).await {
                    Ok(None) => {}
                    // The client is heard meanwhile.
                    Ok(Some(other)) => drop(tokio::spawn(std::mem::replace(&mut source, other).close())),
                    Err(error) => {
                        // A client that leaves unread what waits for it hears of the end alone.
                        let _ = outgoing.try_send(Err(status(&error)));
                        break;
                    }
                },
                Some(tried) = self.trying.join_next() => self.tried(tried),
                // A client that does not read is sent nothing more, and is heard.
                next = next(&outgoing, &mut source), if !closed => match next {
                    Some((place, delivery)) => self.tell(place, delivery),
                    None => break,
                },
            }
            while self.settling.try_join_next().is_some() {}
        }
        // What the client has said nothing of is delivered again. What it said last still counts.
        self.unsettled.clear();
        self.gone.send_replace(true);
        while let Some(tried) = self.trying.join_next().await {
            self.tried(tried);
        }
        while self.settling.join_next().await.is_some() {}
        source.close().await;
    }

    /// Looks whether the component is still the same one. Another in its place is subscribed to in its stead; what the client
    /// has not settled yet is still to be settled where it came from.
    ///
    /// # Errors
    /// There is none any more that this app may subscribe to, or that fails to be: its client may come again.
    async fn follow(&mut self, sidecar: &Sidecar) -> Result<Option<Source>, ApiError> {
        let Subscription { pubsub, topic, .. } = &*self.subscription;
        let found = find(sidecar, pubsub, topic)?;
        if Arc::ptr_eq(&found, &self.pubsub) {
            return Ok(None);
        }
        let source = subscribe(&found, &self.subscription).await?;
        self.pubsub = found;
        Ok(Some(source))
    }

    /// Sends an event to the client.
    fn tell(&mut self, place: OwnedPermit<Outgoing>, delivery: Delivery) {
        let Subscription { pubsub, topic, raw, .. } = &*self.subscription;
        let body = &delivery.received.message.body;
        let text = if *raw { of_raw(body, topic, pubsub).into() } else { body.clone() };
        let made = ready_for_stream(&self.subscription, &text).and_then(|(event, path)| {
            grpc_message(&self.subscription, &event, path).map_err(Verdict::Failed)
        });
        let message = match made {
            Ok(message) => message,
            Err(verdict) => return self.settle(delivery, verdict),
        };
        let Some(policy) = self.pubsub.inbound.clone() else {
            self.unsettled.add(message.id.clone(), delivery);
            place.send(told_of(message));
            return;
        };
        let (outgoing, unsettled) = (self.outgoing.clone(), Arc::clone(&self.unsettled));
        let sending = Sending { message, outgoing, unsettled };
        let mut gone = self.gone.subscribe();
        self.trying.spawn(async move {
            tokio::select! {
                // Looked at first, so that a last word is heard.
                biased;
                said = sending.under(&policy, place) => said.map(|verdict| (delivery, verdict)),
                () = told(&mut gone) => None,
            }
        });
    }

    /// A policy is done with an event.
    fn tried(&mut self, tried: Result<Option<(Delivery, Verdict)>, JoinError>) {
        // One that panicked is delivered again.
        if let Ok(Some((delivery, verdict))) = tried {
            self.settle(delivery, verdict);
        }
    }

    /// The client said what became of an event.
    fn heard(&mut self, message: StreamRequest) {
        let Some(Asked::EventProcessed(processed)) = message.subscribe_topic_events_request_type else {
            return;
        };
        let status = processed.status.map_or(0, |status| status.status);
        let verdict = grpc_said(status, &processed.id);
        match self.unsettled.take(&processed.id) {
            Some(Awaited::Delivery(delivery)) => self.settle(delivery, verdict),
            // It may have been given up meanwhile.
            Some(Awaited::Try(_, says)) => drop(says.send(verdict)),
            None => tracing::warn!(
                "a client of topic {} of pubsub {} settles event {:?}, which it was not sent or is not waited for any more",
                self.subscription.topic,
                self.subscription.pubsub,
                processed.id
            ),
        }
    }

    fn settle(&mut self, delivery: Delivery, verdict: Verdict) {
        let (pubsub, subscription) = (Arc::clone(&self.pubsub), Arc::clone(&self.subscription));
        self.settling.spawn(async move { settle(&pubsub, &subscription, delivery, verdict).await });
    }
}

// === impl Sending ===

impl Sending {
    /// Sends it, and waits for the client's word, as often as the policy has it; nothing if the client goes before. There is
    /// a place for it at first.
    async fn under(&self, policy: &Policy, place: OwnedPermit<Outgoing>) -> Option<Verdict> {
        let mut place = Some(place);
        // A client that goes has not failed.
        let judge = |said: &Option<Verdict>| said.as_ref().map_or(Judged::Neutral, Verdict::judged);
        let outcome = policy.run(|| self.once(place.take()), judge).await;
        outcome.unwrap_or_else(|stopped| Some(Verdict::Failed(stopped.to_string())))
    }

    async fn once(&self, place: Option<OwnedPermit<Outgoing>>) -> Option<Verdict> {
        // Known before it is sent, so that no word of it comes too early.
        let mut awaited = self.unsettled.begin(&self.message.id);
        let message = told_of(self.message.clone());
        match place {
            Some(place) => drop(place.send(message)),
            None => tokio::select! {
                biased;
                // What is said late of an earlier try counts, too.
                said = awaited.said() => return said,
                sent = self.outgoing.send(message) => drop(sent),
            },
        }
        awaited.said().await
    }
}
