//! Why something failed.

use std::borrow::Cow;
use std::fmt;

use pillion_codec::DecodeError;

/// Why a call of a capability or an operation failed: a text, which is what the caller of the actor gets.
///
/// Texts are put together without `format!`, whose machinery would be most of a small module.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    text: Cow<'static, str>,
}

/// Whose error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The host's or a provider's: the text is theirs. It also says that a capability is not granted or not bound.
    Host,
    /// A message, from the host or to it, is not what the contract has there.
    Malformed,
    /// The actor has no such operation.
    BadDispatch,
    /// The actor's own.
    Actor,
}

/// What came of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

// === impl Error ===

impl Error {
    /// An error of the actor's own.
    #[cold]
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: Kind::Actor, text: text.into() }
    }

    /// An error of a library, by its text: `.map_err(Error::of)`. This formats, which [`Error::new`] does not.
    #[cold]
    pub fn of(error: impl fmt::Display) -> Self {
        Self::new(error.to_string())
    }

    /// That the actor has no such operation, in the words of waSCC's actors.
    #[must_use]
    #[cold]
    pub fn bad_dispatch() -> Self {
        Self { kind: Kind::BadDispatch, text: Cow::Borrowed("bad dispatch") }
    }

    /// A host's or a provider's error.
    #[cold]
    pub(crate) fn host(text: String) -> Self {
        Self { kind: Kind::Host, text: Cow::Owned(text) }
    }

    /// That the host's answer to an operation is not what it should be.
    #[cold]
    pub(crate) fn answer(operation: &str, error: DecodeError) -> Self {
        Self::malformed("the host's answer to ", operation, error)
    }

    /// That the payload of an operation is not what it should be.
    #[cold]
    pub(crate) fn payload(operation: &str, error: DecodeError) -> Self {
        Self::malformed("the payload of ", operation, error)
    }

    #[inline(never)]
    fn malformed(what: &str, operation: &str, error: DecodeError) -> Self {
        let (reason, name) = reason(error);
        let text = [what, operation, " is malformed: ", reason, name].concat();
        Self { kind: Kind::Malformed, text: Cow::Owned(text) }
    }

    /// Whose error it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, taken out.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text.into_owned()
    }
}

impl From<&'static str> for Error {
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.text)
    }
}

impl std::error::Error for Error {}

/// The reason in words, and the name of a field that belongs behind them.
fn reason(error: DecodeError) -> (&'static str, &'static str) {
    match error {
        DecodeError::Truncated => ("it ends too early", ""),
        DecodeError::WrongKind { expected, .. } => ("a value is of another kind than ", expected),
        DecodeError::NotUtf8 => ("a text is not valid UTF-8", ""),
        DecodeError::OutOfRange => ("a number is out of range", ""),
        DecodeError::MissingField(name) => ("there is no field ", name),
        DecodeError::DuplicateField(name) => ("twice there is a field ", name),
        DecodeError::TooDeep => ("values are nested too deep", ""),
        DecodeError::TrailingBytes => ("bytes follow it", ""),
        _ => ("it cannot be read", ""),
    }
}
