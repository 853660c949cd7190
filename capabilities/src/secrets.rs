//! The contract `Secrets`: what an app must know and nobody else may see.
//!
//! It serves Dapr's secrets API; waSCC has no contract of its own for them. A value is a [`SecretString`]: it never
//! shows in `Debug` output, and its memory is wiped when it is dropped.

mod allowed;
mod environment;
mod file;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use secrecy::{ExposeSecret, SecretString};

use crate::binding::{Binding, Bound};
use crate::{Answer, Counters, Result, counters};

pub use allowed::allowed;
pub use environment::Environment;
pub use file::{File, Shape};

counters::operations! {
    Get = "get",
    Bulk = "bulk",
}

/// A secret: one or more values, by key. The key of a single value is the secret's own name.
pub type Secret = BTreeMap<String, SecretString>;

/// The capability contract for secrets. They are read, and written by other means.
///
/// No error and no log line has a value in it; names are no secret.
pub trait Secrets: Send + Sync + 'static {
    /// The provider's name, for errors and metrics: `environment`, `file`.
    fn name(&self) -> &'static str;

    /// How often this provider was reached.
    fn counters(&self) -> &Counters<Operation>;

    /// Whether every call answers [`Answer::Ready`].
    fn always_ready(&self) -> bool;

    /// One secret, `None` if it is not there.
    fn get(&self, secret: &str) -> Answer<Option<Secret>>;

    /// Every secret, by name.
    fn bulk(&self) -> Answer<BTreeMap<String, Secret>>;

    /// Makes a binding: answers what serves it, which reads what [`allowed`] lets it. See
    /// [`crate::binding`]; `this` is the provider itself.
    fn bind(&self, this: Arc<dyn Secrets>, binding: &Binding<'_>) -> Result<Bound<dyn Secrets>> {
        allowed(this, binding)
    }
}
