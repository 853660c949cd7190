//! Actors may call each other, and may no longer.

use super::Host;
use crate::actor::ActorRef;
use crate::error::HostError;

impl Host {
    /// Lets an actor call another, or itself, by those of the other's public key and call alias that stand among the
    /// first one's capabilities.
    ///
    /// # Errors
    /// When the claims grant neither, or one of the actors is not on this host.
    pub fn link(&self, from: &ActorRef, to: &ActorRef) -> Result<(), HostError> {
        // Under one lock: a link to an actor that is removed meanwhile would stay for ever, in the way of its next one.
        let registry = self.inner.registry();
        registry.check(to)?;
        // Its state is locked for this, and during a change that of the first is: they may be the same.
        let link = to.link();
        self.inner.change_in(&registry, from, |bindings| bindings.link(&link))
    }

    /// Takes away what [`Host::link`] gave. Calls under way end as they would have.
    ///
    /// # Errors
    /// When the first is not linked to the other, or not on this host.
    pub fn unlink(&self, from: &ActorRef, to: &ActorRef) -> Result<(), HostError> {
        let registry = self.inner.registry();
        registry.check(from)?;
        let unlinked = from.state().bindings.unlink(to.key());
        if !unlinked {
            return Err(HostError::NotLinked { actor: from.key().to_owned(), target: to.key().to_owned() });
        }
        self.inner.settle(&registry, from, None);
        Ok(())
    }
}
