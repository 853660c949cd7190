//! Events of a stream are delivered to an actor, and no longer.

use std::sync::Arc;

use pillion_capabilities::eventstreams::SubscribeOptions;
use pillion_capabilities::messaging::DeliveryGuarantee;

use super::Host;
use super::subscribe::warn_if_short;
use crate::actor::ActorRef;
use crate::delivery::{Deliveries, Times, Traced};
use crate::error::HostError;

impl Host {
    /// Has the events of a stream delivered to an actor, by its operation `DeliverEvent`, through the provider of event
    /// streams that it is bound to under that name. What it fails to deal with is delivered again as the options say, and
    /// so is what it takes too long for, as [`Host::subscribe`] has it. To be called within a tokio runtime, on which the
    /// deliveries then run.
    ///
    /// # Errors
    /// When it has no such provider under that name, is subscribed to the stream already, the provider does not subscribe,
    /// or the actor is not on this host.
    pub async fn subscribe_events(
        &self,
        actor: &ActorRef,
        binding: &str,
        stream: &str,
        options: SubscribeOptions,
    ) -> Result<(), HostError> {
        let (binding, provider) = {
            let registry = self.registry();
            registry.check(actor)?;
            actor.state().bindings.event_streams(binding)?
        };
        let times = Times::of(options.ack_wait, DeliveryGuarantee::AtLeastOnce);
        warn_if_short(actor, stream, options.ack_wait);
        let subscription = provider.subscribe(stream, options).wait().await?;
        let registry = self.registry();
        registry.check(actor)?;
        let mut state = actor.state();
        // It may have been unbound meanwhile, and another bound in its place.
        let (_, now) = state.bindings.event_streams(&binding)?;
        if !Arc::ptr_eq(&now, &provider) {
            return Err(HostError::Rebound { actor: actor.key().to_owned(), binding: binding.into() });
        }
        if state.streams.iter().any(|it| *it.binding == *binding && *it.topic == *stream) {
            return Err(HostError::Subscribed { actor: actor.key().to_owned(), topic: stream.to_owned() });
        }
        let traced = self.tracing.clone().map(|tracing| Traced { tracing, provider: provider.name() });
        state.streams.push(Deliveries::start(&binding, stream, subscription, times, actor, traced));
        Ok(())
    }

    /// Ends the subscription to a stream.
    ///
    /// # Errors
    /// When there is none to it under that name, or the actor is not on this host.
    pub fn unsubscribe_events(&self, actor: &ActorRef, binding: &str, stream: &str) -> Result<(), HostError> {
        let registry = self.registry();
        registry.check(actor)?;
        let mut state = actor.state();
        let (binding, _) = state.bindings.event_streams(binding)?;
        let before = state.streams.len();
        state.streams.retain(|it| *it.binding != *binding || *it.topic != *stream);
        if state.streams.len() == before {
            return Err(HostError::NotSubscribed { actor: actor.key().to_owned(), topic: stream.to_owned() });
        }
        Ok(())
    }
}
