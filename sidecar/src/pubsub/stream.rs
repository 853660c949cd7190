//! Subscriptions that are streams: events go out, and what became of them comes back.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use dapr::dapr::proto::runtime::v1::subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Asked;
use dapr::dapr::proto::runtime::v1::subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Told;
use dapr::dapr::proto::runtime::v1::{
    SubscribeTopicEventsRequestAlpha1, SubscribeTopicEventsResponseAlpha1,
    SubscribeTopicEventsResponseInitialAlpha1,
};
use pillion_capabilities::messaging::{Delivery, Subscription as Source};
use tokio::sync::mpsc::{self, Permit};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::delivery::{Verdict, grpc_message, grpc_said, ready_for_stream, settle, told};
use super::envelope::of_raw;
use super::subscription::{Kind, Said, Subscription};
use super::{PubSub, error, publish};
use crate::grpc::status;
use crate::{ApiError, Sidecar};

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
    /// What the client has and has not said anything of, by the event's id: the oldest of an id first.
    unsettled: HashMap<String, VecDeque<Delivery>>,
    settling: JoinSet<()>,
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
    let components = sidecar.components();
    let found =
        publish::find(&components, &initial.pubsub_name, &initial.topic).and_then(|found| {
            match found.scopes.may_subscribe(&initial.topic) {
                true => components
                    .pubsub
                    .find(&initial.pubsub_name)
                    .cloned()
                    .ok_or_else(|| error::not_found(&initial.pubsub_name)),
                false => Err(error::not_for_app(&initial.pubsub_name, &initial.topic)),
            }
        });
    let pubsub = found.map_err(|error| status(&error))?;
    let said = Said {
        pubsub: initial.pubsub_name,
        topic: initial.topic,
        metadata: initial.metadata.into_iter().collect::<BTreeMap<_, _>>(),
        default: Some("/".to_owned()),
        dead_letter: initial.dead_letter_topic,
        ..Said::default()
    };
    let subscription = Subscription::new(Kind::Streaming, said, false).map_err(Status::invalid_argument)?;
    let options = pubsub.options(subscription.dead_letter.as_deref(), 1);
    let source = pubsub.provider.subscribe(&subscription.topic, options).wait().await;
    let source = source.map_err(|error| {
        let message = format!(
            "failed to subscribe to topic {} of pubsub {}: {error}",
            subscription.topic, subscription.pubsub
        );
        status(&ApiError::internal("ERR_PUBSUB_SUBSCRIBE", message))
    })?;
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
        unsettled: HashMap::new(),
        settling: JoinSet::new(),
    };
    tokio::spawn(async move { stream.run(&sidecar, source, incoming).await });
    Ok(ReceiverStream::new(sent))
}

/// The next delivery, once there is a place for it on its way to the client.
async fn next<'a>(
    outgoing: &'a mpsc::Sender<Outgoing>,
    source: &mut Source,
) -> Option<(Permit<'a, Outgoing>, Delivery)> {
    let place = outgoing.reserve().await.ok()?;
    Some((place, source.next().await?))
}

// === impl Stream ===

impl Stream {
    /// Goes on until the client goes, or the sidecar stops and all is settled.
    async fn run(mut self, sidecar: &Sidecar, mut source: Source, mut incoming: Streaming<StreamRequest>) {
        let subscriptions = &sidecar.subscriptions;
        let _listed = subscriptions.list_stream(Arc::clone(&self.subscription));
        let mut closing = subscriptions.closing();
        let mut closed = false;
        let outgoing = self.outgoing.clone();
        while !closed || !self.unsettled.is_empty() {
            tokio::select! {
                biased;
                () = told(&mut closing), if !closed => closed = true,
                message = incoming.message() => match message {
                    Ok(Some(message)) => self.heard(message),
                    Ok(None) | Err(_) => break,
                },
                () = outgoing.closed() => break,
                // A client that does not read is sent nothing more, and is heard.
                next = next(&outgoing, &mut source), if !closed => match next {
                    Some((place, delivery)) => self.tell(place, delivery),
                    None => break,
                },
            }
            while self.settling.try_join_next().is_some() {}
        }
        // What the client has said nothing of is delivered again.
        self.unsettled.clear();
        while self.settling.join_next().await.is_some() {}
        drop(source);
    }

    /// Sends an event to the client.
    fn tell(&mut self, place: Permit<'_, Outgoing>, delivery: Delivery) {
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
        self.unsettled.entry(message.id.clone()).or_default().push_back(delivery);
        let told = StreamResponse { subscribe_topic_events_response_type: Some(Told::EventMessage(message)) };
        place.send(Ok(told));
    }

    /// The client said what became of an event.
    fn heard(&mut self, message: StreamRequest) {
        let Some(Asked::EventProcessed(processed)) = message.subscribe_topic_events_request_type else {
            return;
        };
        let Some(deliveries) = self.unsettled.get_mut(&processed.id) else {
            tracing::warn!(
                "a client of topic {} of pubsub {} settles event {:?}, which it was not sent",
                self.subscription.topic,
                self.subscription.pubsub,
                processed.id
            );
            return;
        };
        let delivery = deliveries.pop_front();
        if deliveries.is_empty() {
            self.unsettled.remove(&processed.id);
        }
        if let Some(delivery) = delivery {
            let status = processed.status.map_or(0, |status| status.status);
            self.settle(delivery, grpc_said(status, &processed.id));
        }
    }

    fn settle(&mut self, delivery: Delivery, verdict: Verdict) {
        let (pubsub, subscription) = (Arc::clone(&self.pubsub), Arc::clone(&self.subscription));
        self.settling.spawn(async move { settle(&pubsub, &subscription, delivery, verdict).await });
    }
}
