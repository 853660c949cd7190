//! Providers come under the names of an actor's bindings, and go.

use pillion_capabilities::binding::Values;

use super::Host;
use crate::actor::ActorRef;
use crate::dispatch::{Contract, Provider};
use crate::error::HostError;

impl Host {
    /// Binds a provider to an actor under a name, as `default`. Later calls see it.
    ///
    /// # Errors
    /// When the actor's claims do not grant the contract, the name is taken, the provider refuses, or the actor is not on
    /// this host.
    pub fn bind(
        &self,
        actor: &ActorRef,
        binding: &str,
        provider: impl Into<Provider>,
    ) -> Result<(), HostError> {
        self.inner.change(actor, |bindings| bindings.bind(binding, provider))
    }

    /// As [`Host::bind`], and gives the binding values, which its provider has to know: see
    /// [`pillion_capabilities::binding`].
    ///
    /// # Errors
    /// As [`Host::bind`].
    pub fn bind_with(
        &self,
        actor: &ActorRef,
        binding: &str,
        provider: impl Into<Provider>,
        values: &Values,
    ) -> Result<(), HostError> {
        self.inner.change(actor, |bindings| bindings.bind_with(binding, provider, values))
    }

    /// Takes the provider of a contract under a name away from an actor. Calls under way keep it.
    ///
    /// # Errors
    /// When there is none, or the actor is not on this host.
    pub fn unbind(&self, actor: &ActorRef, binding: &str, contract: Contract) -> Result<(), HostError> {
        let registry = self.inner.registry();
        self.inner.change_in(&registry, actor, |bindings| bindings.unbind(binding, contract))?;
        // Before anybody can bind another provider under that name.
        actor.end_deliveries();
        Ok(())
    }
}
