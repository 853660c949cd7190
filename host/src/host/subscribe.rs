//! Messages and events are delivered to an actor, and no longer.

use std::sync::Arc;

use pillion_capabilities::messaging::{DeliveryGuarantee, SubscribeOptions};
use pillion_capabilities::trace::Tracing;
use pillion_capabilities::{EventStreams, Messaging, eventstreams, messaging};

use super::Host;
use crate::actor::ActorRef;
use crate::delivery::{Deliveries, Traced, Wish};
use crate::dispatch::{BindError, Bindings, Contract};
use crate::engine::Limits;
use crate::error::HostError;

/// Where messages or events come from.
pub(crate) struct Feed {
    /// The binding's name.
    pub(crate) binding: Box<str>,
    source: Source,
}

enum Source {
    Messages(Arc<dyn Messaging>),
    Events(Arc<dyn EventStreams>),
}

/// A subscription of which nothing is delivered yet.
pub(crate) struct Subscribed {
    binding: Box<str>,
    topic: Box<str>,
    /// The provider's name.
    provider: &'static str,
    arriving: Arriving,
    wish: Wish,
    guarantee: DeliveryGuarantee,
}

enum Arriving {
    Messages(messaging::Subscription),
    Events(eventstreams::Subscription),
}

// === impl Host ===

impl Host {
    /// Has the messages on a topic delivered to an actor, by its operation `DeliverMessage`, through the messaging
    /// provider that it is bound to under that name. What it fails to deal with is delivered again as the options say.
    /// To be called within a tokio runtime, on which the deliveries then run.
    ///
    /// Where the provider delivers at least once, a call that has not ended shortly before the options' `ack_wait` is
    /// given up, however long [`Limits::patience`] is, and counts as one that failed: the provider would deliver the
    /// message beside it. So `ack_wait` has to be longer than the actor takes. An actor that is always ready ends by its
    /// [`Limits::deadline`] alone; an `ack_wait` that is not longer than that is warned of in the log.
    ///
    /// # Errors
    /// When it has no messaging provider under that name, is subscribed to the topic already, the provider does not
    /// subscribe, or the actor is not on this host.
    pub async fn subscribe(
        &self,
        actor: &ActorRef,
        binding: &str,
        topic: &str,
        options: SubscribeOptions,
    ) -> Result<(), HostError> {
        self.deliver(actor, binding, topic, Wish::Messages(options)).await
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// When there is none to that topic under that name, or the actor is not on this host.
    pub fn unsubscribe(&self, actor: &ActorRef, binding: &str, topic: &str) -> Result<(), HostError> {
        self.end(actor, Contract::Messaging, binding, topic)
    }

    /// Has what is wished for delivered to an actor.
    pub(super) async fn deliver(
        &self,
        actor: &ActorRef,
        binding: &str,
        topic: &str,
        wish: Wish,
    ) -> Result<(), HostError> {
        let feed = {
            let registry = self.inner.registry();
            registry.check(actor)?;
            Feed::of(&actor.state().bindings, binding, wish.contract())?
        };
        let limits = actor.guest().limits();
        let subscribed = Subscribed::to(actor.key(), &feed, topic, wish, limits).await?;
        let registry = self.inner.registry();
        registry.check(actor)?;
        let mut state = actor.state();
        let contract = feed.contract();
        // It may have been unbound meanwhile, and another bound in its place.
        if !Feed::of(&state.bindings, &feed.binding, contract)?.is(&feed) {
            return Err(HostError::Rebound { actor: actor.key().to_owned(), binding: feed.binding.into() });
        }
        if state.deliveries.iter().any(|it| it.is(contract, &feed.binding, topic)) {
            return Err(HostError::Subscribed { actor: actor.key().to_owned(), topic: topic.to_owned() });
        }
        state.deliveries.push(subscribed.start(actor, self.tracing()));
        Ok(())
    }

    pub(super) fn end(
        &self,
        actor: &ActorRef,
        contract: Contract,
        binding: &str,
        topic: &str,
    ) -> Result<(), HostError> {
        let registry = self.inner.registry();
        registry.check(actor)?;
        let mut state = actor.state();
        let Feed { binding, .. } = Feed::of(&state.bindings, binding, contract)?;
        let before = state.deliveries.len();
        state.deliveries.retain(|it| !it.is(contract, &binding, topic));
        if state.deliveries.len() == before {
            return Err(HostError::NotSubscribed { actor: actor.key().to_owned(), topic: topic.to_owned() });
        }
        Ok(())
    }
}

// === impl Feed ===

impl Feed {
    /// The provider of that contract under a name.
    pub(crate) fn of(bindings: &Bindings, binding: &str, contract: Contract) -> Result<Self, BindError> {
        if contract == Contract::EventStreams {
            let (binding, provider) = bindings.event_streams(binding)?;
            return Ok(Self { binding, source: Source::Events(provider) });
        }
        let (binding, provider) = bindings.messaging(binding)?;
        Ok(Self { binding, source: Source::Messages(provider) })
    }

    /// Whether both are the same provider.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (&self.source, &other.source) {
            (Source::Messages(own), Source::Messages(other)) => Arc::ptr_eq(own, other),
            (Source::Events(own), Source::Events(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }

    fn contract(&self) -> Contract {
        match self.source {
            Source::Messages(_) => Contract::Messaging,
            Source::Events(_) => Contract::EventStreams,
        }
    }
}

// === impl Subscribed ===

impl Subscribed {
    /// Subscribes for an actor of those limits, where the feed is of the wish's contract.
    pub(crate) async fn to(
        actor: &str,
        feed: &Feed,
        topic: &str,
        wish: Wish,
        limits: Limits,
    ) -> Result<Self, HostError> {
        let (provider, guarantee) = match &feed.source {
            Source::Messages(provider) => (provider.name(), provider.guarantees().delivery),
            Source::Events(provider) => (provider.name(), DeliveryGuarantee::AtLeastOnce),
        };
        let (ack_wait, deadline) = (wish.ack_wait(), limits.deadline);
        if ack_wait <= deadline && guarantee == DeliveryGuarantee::AtLeastOnce {
            let remedy = "set ack_wait above the actor's deadline";
            tracing::warn!(
                target: "pillion::delivery", actor, topic, ?ack_wait, ?deadline, remedy,
                "what is delivered may be delivered again while the actor still deals with it"
            );
        }
        let arriving = match (&feed.source, &wish) {
            (Source::Messages(provider), Wish::Messages(options)) => {
                Arriving::Messages(provider.subscribe(topic, options.clone()).wait().await?)
            }
            (Source::Events(provider), Wish::Events(options)) => {
                Arriving::Events(provider.subscribe(topic, options.clone()).wait().await?)
            }
            _ => {
                let (contract, binding) = (wish.contract(), feed.binding.to_string());
                return Err(BindError::NotBound { contract, binding }.into());
            }
        };
        let (binding, topic) = (feed.binding.clone(), topic.into());
        Ok(Self { binding, topic, provider, arriving, wish, guarantee })
    }

    /// Delivers what arrives to an actor. To be called within a tokio runtime.
    pub(super) fn start(self, actor: &ActorRef, tracing: Option<&Tracing>) -> Deliveries {
        let Self { binding, topic, provider, arriving, wish, guarantee } = self;
        let traced = tracing.cloned().map(|tracing| Traced { tracing, provider });
        let wish = (wish, guarantee);
        match arriving {
            Arriving::Messages(arriving) => {
                Deliveries::start(&binding, &topic, arriving, wish, actor, traced)
            }
            Arriving::Events(arriving) => Deliveries::start(&binding, &topic, arriving, wish, actor, traced),
        }
    }
}
