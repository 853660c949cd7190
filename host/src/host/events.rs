//! Events of a stream are delivered to an actor, and no longer.

use std::sync::Arc;

use pillion_capabilities::eventstreams::SubscribeOptions;

use super::Host;
use super::subscribe::Subscribed;
use crate::actor::ActorRef;
use crate::dispatch::Contract;
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
            let registry = self.inner.registry();
            registry.check(actor)?;
            actor.state().bindings.event_streams(binding)?
        };
        let limits = actor.guest().limits();
        let subscribed =
            Subscribed::to_events(actor.key(), &binding, &provider, stream, options, limits).await?;
        let registry = self.inner.registry();
        registry.check(actor)?;
        let mut state = actor.state();
        // It may have been unbound meanwhile, and another bound in its place.
        let (_, now) = state.bindings.event_streams(&binding)?;
        if !Arc::ptr_eq(&now, &provider) {
            return Err(HostError::Rebound { actor: actor.key().to_owned(), binding: binding.into() });
        }
        if state.deliveries.iter().any(|it| it.is(Contract::EventStreams, &binding, stream)) {
            return Err(HostError::Subscribed { actor: actor.key().to_owned(), topic: stream.to_owned() });
        }
        state.deliveries.push(subscribed.start(actor, self.tracing()));
        Ok(())
    }

    /// Ends the subscription to a stream.
    ///
    /// # Errors
    /// When there is none to it under that name, or the actor is not on this host.
    pub fn unsubscribe_events(&self, actor: &ActorRef, binding: &str, stream: &str) -> Result<(), HostError> {
        let registry = self.inner.registry();
        registry.check(actor)?;
        let mut state = actor.state();
        let (binding, _) = state.bindings.event_streams(binding)?;
        let before = state.deliveries.len();
        state.deliveries.retain(|it| !it.is(Contract::EventStreams, &binding, stream));
        if state.deliveries.len() == before {
            return Err(HostError::NotSubscribed { actor: actor.key().to_owned(), topic: stream.to_owned() });
        }
        Ok(())
    }
}
