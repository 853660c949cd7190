//! Events of a stream are delivered to an actor, and no longer.

use pillion_capabilities::eventstreams::SubscribeOptions;

use super::Host;
use crate::actor::ActorRef;
use crate::delivery::Wish;
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
        self.deliver(actor, binding, stream, Wish::Events(options)).await
    }

    /// Ends the subscription to a stream.
    ///
    /// # Errors
    /// When there is none to it under that name, or the actor is not on this host.
    pub fn unsubscribe_events(&self, actor: &ActorRef, binding: &str, stream: &str) -> Result<(), HostError> {
        self.end(actor, Contract::EventStreams, binding, stream)
    }
}
