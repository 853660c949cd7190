//! One binding's part of a provider that several share.

use std::sync::Arc;

use crate::binding::Binding;
use crate::{Answer, Error, Result};

/// The value of a binding that gives it a part of its own.
pub(crate) const PREFIX: &str = "prefix";

/// Stands between a prefix and a name. No prefix has it, so that no two parts overlap: a name's first one ends the
/// prefix.
const SEPARATOR: char = ':';

/// What stands before all names of one part, the separator included.
#[derive(Clone, Debug)]
pub(crate) struct Prefix(Box<str>);

/// A provider of which one binding sees the names of a prefix alone.
pub(crate) struct Prefixed<P: ?Sized> {
    pub(crate) inner: Arc<P>,
    pub(crate) prefix: Prefix,
}

// === impl Prefix ===

impl Prefix {
    /// The prefix of a binding, if it was given one, and nothing else.
    pub(crate) fn of(binding: &Binding<'_>, provider: &str) -> Result<Option<Self>> {
        binding.knows(provider, &[PREFIX])?;
        let Some(prefix) = binding.values.get(PREFIX) else { return Ok(None) };
        if prefix.is_empty() || prefix.contains([SEPARATOR, '/', '\\']) || prefix.contains(char::is_control) {
            return Err(Error::InvalidArgument(format!(
                "{prefix:?} is no prefix of a binding; give it a character or more, and none of : / \\ nor control \
                 characters"
            )));
        }
        Ok(Some(Self(format!("{prefix}{SEPARATOR}").into())))
    }

    /// The name that the provider knows.
    pub(crate) fn with(&self, name: &str) -> String {
        [&self.0, name].concat()
    }

    /// The name that the binding knows, if it is of its part.
    pub(crate) fn without<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&*self.0)
    }

    /// A provider's error as the binding is to see it.
    pub(crate) fn strip(&self, error: Error) -> Error {
        let strip = |name: String| self.without(&name).map_or_else(|| name.clone(), str::to_owned);
        match error {
            Error::EtagMismatch { key } => Error::EtagMismatch { key: strip(key) },
            Error::WrongType { key, expected, found } => {
                Error::WrongType { key: strip(key), expected, found }
            }
            Error::NotAnInteger { key } => Error::NotAnInteger { key: strip(key) },
            Error::Overflow { key } => Error::Overflow { key: strip(key) },
            Error::NotEmpty { container } => Error::NotEmpty { container: strip(container) },
            other => other,
        }
    }
}

// === impl Prefixed ===

impl<P: ?Sized> Prefixed<P> {
    /// Calls the provider with the name that it knows. What is wrong with the binding's own name is said of that, before
    /// it becomes another.
    pub(crate) fn at<T: Send + 'static>(
        &self,
        checked: Result<()>,
        name: &str,
        call: impl FnOnce(&P, &str) -> Answer<T>,
    ) -> Answer<T> {
        self.after(checked, || call(&self.inner, &self.prefix.with(name)))
    }

    pub(crate) fn after<T: Send + 'static>(
        &self,
        checked: Result<()>,
        call: impl FnOnce() -> Answer<T>,
    ) -> Answer<T> {
        match checked {
            Ok(()) => {
                let prefix = self.prefix.clone();
                call().map_error(move |error| prefix.strip(error))
            }
            Err(error) => Answer::Ready(Err(error)),
        }
    }
}
