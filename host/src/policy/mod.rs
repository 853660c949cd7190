//! Who else has a say: an authorizer can take away what claims and bindings grant, and never add to it.

mod algorithm;
mod anti_forgery;
mod guard;
mod notices;
#[cfg(feature = "opa")]
mod opa;

use std::sync::Arc;

use crate::identity::Claims;

pub use algorithm::SignatureAlgorithm;
pub use anti_forgery::AntiForgery;
pub(crate) use anti_forgery::Notarized;
pub(crate) use guard::Guard;
#[cfg(feature = "opa")]
pub use opa::{Opa, OpaError, PolicyKey};

/// Has a say in what is loaded and what is called, after identity, claims and bindings had theirs.
pub trait Authorizer: Send + Sync + 'static {
    /// Whether a verified module may be loaded, or take the place of its earlier revision.
    fn can_load(&self, claims: &Claims) -> Decision;

    /// Whether an actor may make a call that its claims and bindings grant.
    fn can_invoke(&self, claims: &Claims, invocation: &Invocation<'_>) -> Decision;

    /// Whether [`Authorizer::can_invoke`] gives the same decision for the same claims and invocation as long as an actor
    /// stays as it is, so that it need not be asked again. [`Decision::Fail`] is never remembered.
    fn cacheable(&self) -> bool;
}

/// A call that an actor wants to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invocation<'a> {
    /// The binding's name, as `default`; it may be empty, which means the same, and says nothing for a call of an actor.
    pub binding: &'a str,
    /// The contract, as `wascc:keyvalue`, or the called actor's public key or alias.
    pub namespace: &'a str,
    /// The operation, as `Get`.
    pub operation: &'a str,
}

/// What an authorizer decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow,
    /// It may not, for this reason.
    Deny(Arc<str>),
    /// There was no decision, for this reason. It may not this time, and is asked anew the next.
    Fail(Arc<str>),
}

// === impl Decision ===

impl Decision {
    /// Why it may not, if it may not.
    #[must_use]
    pub fn refusal(&self) -> Option<&Arc<str>> {
        match self {
            Self::Allow => None,
            Self::Deny(reason) | Self::Fail(reason) => Some(reason),
        }
    }
}
