//! Messages are delivered to an actor, and no longer.

use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::eventstreams;
use pillion_capabilities::messaging::{DeliveryGuarantee, SubscribeOptions, Subscription};
use pillion_capabilities::trace::Tracing;
use pillion_capabilities::{EventStreams, Messaging};

use super::Host;
use crate::actor::ActorRef;
use crate::delivery::{Deliveries, Traced, Wants};
use crate::dispatch::Contract;
use crate::engine::Limits;
use crate::error::HostError;

/// A subscription of which nothing is delivered yet.
pub(crate) struct Subscribed {
    binding: Box<str>,
    topic: Box<str>,
    /// The provider's name.
    provider: &'static str,
    fetched: Fetched,
    wants: Wants,
    guarantee: DeliveryGuarantee,
}

/// What arrives by it.
enum Fetched {
    Messages(Subscription),
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
        let (binding, provider) = {
            let registry = self.inner.registry();
            registry.check(actor)?;
            actor.state().bindings.messaging(binding)?
        };
        let limits = actor.guest().limits();
        let subscribed = Subscribed::to(actor.key(), &binding, &provider, topic, options, limits).await?;
        let registry = self.inner.registry();
        registry.check(actor)?;
        let mut state = actor.state();
        // It may have been unbound meanwhile, and another bound in its place.
        let (_, now) = state.bindings.messaging(&binding)?;
        if !Arc::ptr_eq(&now, &provider) {
            return Err(HostError::Rebound { actor: actor.key().to_owned(), binding: binding.into() });
        }
        if state.deliveries.iter().any(|it| it.is(Contract::Messaging, &binding, topic)) {
            return Err(HostError::Subscribed { actor: actor.key().to_owned(), topic: topic.to_owned() });
        }
        state.deliveries.push(subscribed.start(actor, self.tracing()));
        Ok(())
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// When there is none to that topic under that name, or the actor is not on this host.
    pub fn unsubscribe(&self, actor: &ActorRef, binding: &str, topic: &str) -> Result<(), HostError> {
        let registry = self.inner.registry();
        registry.check(actor)?;
        let (binding, _) = actor.state().bindings.messaging(binding)?;
        let mut state = actor.state();
        let before = state.deliveries.len();
        state.deliveries.retain(|it| !it.is(Contract::Messaging, &binding, topic));
        if state.deliveries.len() == before {
            return Err(HostError::NotSubscribed { actor: actor.key().to_owned(), topic: topic.to_owned() });
        }
        Ok(())
    }
}

// === impl Subscribed ===

impl Subscribed {
    /// Subscribes to messages for an actor of those limits.
    pub(crate) async fn to(
        actor: &str,
        binding: &str,
        provider: &Arc<dyn Messaging>,
        topic: &str,
        options: SubscribeOptions,
        limits: Limits,
    ) -> Result<Self, HostError> {
        let guarantee = provider.guarantees().delivery;
        if guarantee == DeliveryGuarantee::AtLeastOnce {
            warn_if_short(actor, topic, options.ack_wait, limits);
        }
        let fetched = Fetched::Messages(provider.subscribe(topic, options.clone()).wait().await?);
        let (wants, provider) = (Wants::Messages(options), provider.name());
        Ok(Self { binding: binding.into(), topic: topic.into(), provider, fetched, wants, guarantee })
    }

    /// Subscribes to a stream of events for an actor of those limits.
    pub(crate) async fn to_events(
        actor: &str,
        binding: &str,
        provider: &Arc<dyn EventStreams>,
        stream: &str,
        options: eventstreams::SubscribeOptions,
        limits: Limits,
    ) -> Result<Self, HostError> {
        warn_if_short(actor, stream, options.ack_wait, limits);
        let fetched = Fetched::Events(provider.subscribe(stream, options.clone()).wait().await?);
        let (wants, provider, guarantee) =
            (Wants::Events(options), provider.name(), DeliveryGuarantee::AtLeastOnce);
        Ok(Self { binding: binding.into(), topic: stream.into(), provider, fetched, wants, guarantee })
    }

    /// Delivers what arrives to an actor. To be called within a tokio runtime.
    pub(super) fn start(self, actor: &ActorRef, tracing: Option<&Tracing>) -> Deliveries {
        let Self { binding, topic, provider, fetched, wants, guarantee } = self;
        let traced = tracing.cloned().map(|tracing| Traced { tracing, provider });
        let wants = (wants, guarantee);
        match fetched {
            Fetched::Messages(it) => Deliveries::start(&binding, &topic, it, wants, actor, traced),
            Fetched::Events(it) => Deliveries::start(&binding, &topic, it, wants, actor, traced),
        }
    }
}

/// Says that what is delivered may be delivered again while the actor still deals with it.
fn warn_if_short(actor: &str, topic: &str, ack_wait: Duration, limits: Limits) {
    let deadline = limits.deadline;
    if ack_wait <= deadline {
        let remedy = "set ack_wait above the actor's deadline";
        tracing::warn!(
            target: "pillion::delivery", actor, topic, ?ack_wait, ?deadline, remedy,
            "messages may be delivered again while the actor still deals with them"
        );
    }
}
