//! Why a host could not be set up, or an actor not loaded, changed or bound.

use std::sync::Arc;
use std::time::Duration;

use crate::dispatch::BindError;
use crate::engine::{CallFailure, EngineError};
use crate::identity::IdentityError;

/// Why a host could not be set up, or an actor not loaded, changed or bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The module's identity is not believed.
    #[error("the module is refused: {0}")]
    Identity(#[from] IdentityError),
    /// The module is a capability provider.
    #[error("the module {0} is a capability provider, not an actor")]
    Provider(String),
    /// The authorizer does not let the module in.
    #[error("the module {module} is denied by policy: {reason}")]
    Denied {
        /// The module's public key.
        module: String,
        /// The authorizer's reason.
        reason: Arc<str>,
    },
    /// There is an actor of that public key already.
    #[error("the actor {0} is loaded already; update it, or remove it first")]
    Loaded(String),
    /// Another actor has that call alias.
    #[error("the call alias {alias:?} of {module} is that of {holder} already")]
    AliasTaken {
        /// The module that was to be loaded.
        module: String,
        /// The alias.
        alias: String,
        /// The public key of the actor that has it.
        holder: String,
    },
    /// The call alias could be taken for something else.
    #[error(
        "the call alias {alias:?} of {module} looks like {like}; sign the module with another alias, as \"shop/cart\""
    )]
    Alias {
        /// The module that was to be loaded.
        module: String,
        /// The alias.
        alias: String,
        /// What it looks like.
        like: &'static str,
    },
    /// The actor is not, or no longer, on this host.
    #[error("the actor {0} is not on this host")]
    NotHere(String),
    /// An update must be of the same module.
    #[error("the actor {actor} cannot be updated with the module {module}: load that as an actor of its own")]
    OtherModule {
        /// The public key of the actor.
        actor: String,
        /// The public key in the claims of the update.
        module: String,
    },
    /// An update must be newer.
    #[error(
        "the actor {actor} is at revision {present}, and the update is revision {update}: sign it with a higher one"
    )]
    Revision {
        /// The public key of the actor.
        actor: String,
        /// Its revision; 0 when its claims state none.
        present: i32,
        /// That of the update.
        update: i32,
    },
    /// An update did not say that it is well. The earlier revision stays.
    #[error("the update of the actor {actor} is not well, so that it stays as it is: {failure}")]
    Unhealthy {
        /// The public key of the actor.
        actor: String,
        /// How the health request failed.
        failure: CallFailure,
    },
    /// An update did not say in time whether it is well. The earlier revision stays.
    #[error(
        "the update of the actor {actor} did not answer {operation} within {patience:?}, so that it stays as it is"
    )]
    NoAnswer {
        /// The public key of the actor.
        actor: String,
        /// The health request's operation.
        operation: String,
        /// How long it had.
        patience: Duration,
    },
    /// There is no runtime to ask a revision on probation on.
    #[error("asking a revision on probation takes a tokio runtime; update the actor within one")]
    NoRuntime,
    /// The runtime ended during an update.
    #[error("the runtime ended before the module was checked; update the actor again")]
    Interrupted,
    /// Another provider came under the binding while the subscription was made.
    #[error("the binding {binding:?} of the actor {actor} was changed meanwhile; subscribe again")]
    Rebound {
        /// The public key of the actor.
        actor: String,
        /// The binding's name.
        binding: String,
    },
    /// There is no link to take away.
    #[error("the actor {actor} is not linked to {target}")]
    NotLinked {
        /// The public key of the actor.
        actor: String,
        /// The public key of the other.
        target: String,
    },
    /// The actor is subscribed to that topic already.
    #[error("the actor {actor} is subscribed to {topic} already")]
    Subscribed {
        /// The public key of the actor.
        actor: String,
        /// The topic.
        topic: String,
    },
    /// There is no subscription to end.
    #[error("the actor {actor} is not subscribed to {topic}")]
    NotSubscribed {
        /// The public key of the actor.
        actor: String,
        /// The topic.
        topic: String,
    },
    /// The claims do not grant HTTP requests.
    #[error(
        "the actor's claims do not grant wascc:http_server; they grant {granted:?}. Sign the module with that capability"
    )]
    HttpNotGranted {
        /// What they do grant.
        granted: Vec<String>,
    },
    /// The listener is of no use.
    #[error("the listener cannot be used: {0}")]
    Listen(std::io::Error),
    /// A provider did not do what it was asked to.
    #[error(transparent)]
    Capability(#[from] pillion_capabilities::Error),
    /// The module cannot be run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The provider cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
}
