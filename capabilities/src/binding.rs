//! What a provider is told of those who are bound to it.
//!
//! A provider is asked once for each binding, by the `bind` of its contract, and answers what serves that binding:
//! itself, or something made for it alone, which knows the binding's values. It must not wait meanwhile, nor call the
//! host. A host asks before anything is bound, and may not bind in the end; what was made ends then as if it had been.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::{Error, Result};

/// A binding of an actor to a provider.
#[derive(Clone, Copy)]
pub struct Binding<'a> {
    /// Its name, as `default`.
    pub name: &'a str,
    /// Who is bound.
    pub actor: &'a Actor,
    /// What it was given.
    pub values: &'a Values,
}

/// An actor by its verified claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// Its public key, `M…`.
    pub key: String,
    /// The public key of the account that signed it, `A…`; empty if nobody verified it.
    pub issuer: String,
    /// Its name, for people.
    pub name: Option<String>,
    /// What its claims grant.
    pub capabilities: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// When its token expires, in Unix seconds.
    pub expires: Option<u64>,
}

/// What a binding is given: values by name. They may be secrets, so that no error repeats one.
pub type Values = BTreeMap<String, String>;

/// What serves a binding.
pub struct Bound<P: ?Sized> {
    /// Serves it.
    pub provider: Arc<P>,
    /// Wants to know more of it.
    pub told: Option<Arc<dyn Told>>,
}

/// Wants to know what becomes of a binding. It is told while the host is amid a change: it must not wait, nor call the
/// host.
pub trait Told: Send + Sync + 'static {
    /// The actor's claims are others now, since its module was updated.
    fn update(&self, actor: &Actor) {
        let _ = actor;
    }

    /// The binding has ended, and so have the calls that came by it.
    fn end(&self) {}
}

// === impl Binding ===

impl Binding<'_> {
    /// Refuses values of other names than these, for a provider.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`], which names the value and what is known instead.
    pub fn knows(&self, provider: &str, names: &[&str]) -> Result<()> {
        let Some(unknown) = self.values.keys().find(|name| !names.contains(&name.as_str())) else {
            return Ok(());
        };
        let known = match names {
            [] => "it takes none".to_owned(),
            names => format!("it knows {}", names.join(", ")),
        };
        Err(Error::InvalidArgument(format!(
            "the provider {provider} knows no value {unknown:?} of a binding; {known}"
        )))
    }
}

impl fmt::Debug for Binding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.values.keys().collect();
        f.debug_struct("Binding")
            .field("name", &self.name)
            .field("actor", &self.actor)
            .field("values", &names)
            .finish()
    }
}

// === impl Bound ===

impl<P: ?Sized> Bound<P> {
    /// This provider, which wants to know nothing more.
    pub fn by(provider: Arc<P>) -> Self {
        Self { provider, told: None }
    }
}

impl<P: ?Sized> fmt::Debug for Bound<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("told", &self.told.is_some()).finish_non_exhaustive()
    }
}
