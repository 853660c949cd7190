//! An answer that costs no future when it is ready.

use std::future::Future;
use std::pin::Pin;

use crate::{Error, Result};

/// What a provider hands back when it has to wait. It owns what it needs, so that a caller may drop its request.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// The answer to a capability call: there already, or to come.
///
/// An embedded provider answers [`Answer::Ready`] without allocating and without an executor; a networked one
/// answers [`Answer::Pending`]. Callers that can take the short way look first; the others call [`Answer::wait`].
#[must_use = "a pending answer does nothing until it is awaited"]
pub enum Answer<T> {
    /// The call is done.
    Ready(Result<T>),
    /// The call is under way.
    Pending(Pending<T>),
}

// === impl Answer ===

impl<T> Answer<T> {
    /// Boxes a future as a pending answer.
    pub fn pending(future: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        Self::Pending(Box::pin(future))
    }

    /// What `act` comes to, unless the arguments were refused: then it is not called.
    pub(crate) fn checked<F>(checked: Result<()>, act: impl FnOnce() -> F) -> Self
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        match checked {
            Ok(()) => Self::pending(act()),
            Err(error) => Self::Ready(Err(error)),
        }
    }

    /// The result, waiting for it if need be.
    pub async fn wait(self) -> Result<T> {
        match self {
            Self::Ready(result) => result,
            Self::Pending(future) => future.await,
        }
    }

    /// The same answer with its value changed by `change`.
    pub fn map<U>(self, change: impl FnOnce(T) -> U + Send + 'static) -> Answer<U>
    where
        T: Send + 'static,
    {
        match self {
            Self::Ready(result) => Answer::Ready(result.map(change)),
            Self::Pending(future) => Answer::pending(async move { future.await.map(change) }),
        }
    }
}

impl<T: Send + 'static> Answer<T> {
    /// The same answer with its error, if it is one, changed by `change`.
    pub(crate) fn map_error(self, change: impl FnOnce(Error) -> Error + Send + 'static) -> Self {
        match self {
            Self::Ready(result) => Self::Ready(result.map_err(change)),
            Self::Pending(future) => Self::pending(async move { future.await.map_err(change) }),
        }
    }
}

impl<T> From<Result<T>> for Answer<T> {
    fn from(result: Result<T>) -> Self {
        Self::Ready(result)
    }
}
