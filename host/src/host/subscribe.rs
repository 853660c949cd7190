//! Messages are delivered to an actor, and no longer.

use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::messaging::{DeliveryGuarantee, SubscribeOptions};

use super::Host;
use crate::actor::ActorRef;
use crate::delivery::{Deliveries, Times, Traced};
use crate::error::HostError;

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
            let registry = self.registry();
            registry.check(actor)?;
            actor.state().bindings.messaging(binding)?
        };
        let guarantee = provider.guarantees().delivery;
        let times = Times::of(options.ack_wait, guarantee);
        if guarantee == DeliveryGuarantee::AtLeastOnce {
            warn_if_short(actor, topic, options.ack_wait);
        }
        let subscription = provider.subscribe(topic, options).wait().await?;
        let registry = self.registry();
        registry.check(actor)?;
        let mut state = actor.state();
        // It may have been unbound meanwhile, and another bound in its place.
        let (_, now) = state.bindings.messaging(&binding)?;
        if !Arc::ptr_eq(&now, &provider) {
            return Err(HostError::Rebound { actor: actor.key().to_owned(), binding: binding.into() });
        }
        if state.deliveries.iter().any(|it| *it.binding == *binding && *it.topic == *topic) {
            return Err(HostError::Subscribed { actor: actor.key().to_owned(), topic: topic.to_owned() });
        }
        let traced = self.tracing.clone().map(|tracing| Traced { tracing, provider: provider.name() });
        state.deliveries.push(Deliveries::start(&binding, topic, subscription, times, actor, traced));
        Ok(())
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// When there is none to that topic under that name, or the actor is not on this host.
    pub fn unsubscribe(&self, actor: &ActorRef, binding: &str, topic: &str) -> Result<(), HostError> {
        let registry = self.registry();
        registry.check(actor)?;
        let (binding, _) = actor.state().bindings.messaging(binding)?;
        let mut state = actor.state();
        let before = state.deliveries.len();
        state.deliveries.retain(|it| *it.binding != *binding || *it.topic != *topic);
        if state.deliveries.len() == before {
            return Err(HostError::NotSubscribed { actor: actor.key().to_owned(), topic: topic.to_owned() });
        }
        Ok(())
    }
}

/// Says that what is delivered may be delivered again while the actor still deals with it.
pub(super) fn warn_if_short(actor: &ActorRef, topic: &str, ack_wait: Duration) {
    let deadline = actor.guest().limits().deadline;
    if ack_wait <= deadline {
        let remedy = "set ack_wait above the actor's deadline";
        tracing::warn!(
            target: "pillion::delivery", actor = actor.key(), topic, ?ack_wait, ?deadline, remedy,
            "messages may be delivered again while the actor still deals with them"
        );
    }
}
