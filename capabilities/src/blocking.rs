//! Blocking calls, away from the executor's threads.

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::{Answer, Error, Result};

/// Where the blocking calls of a provider run.
#[derive(Clone, Debug)]
pub(crate) struct Blocking {
    provider: &'static str,
    runtime: Handle,
}

// === impl Blocking ===

impl Blocking {
    /// On the threads of the tokio runtime that this is called within.
    pub(crate) fn of(provider: &'static str) -> Result<Self> {
        match Handle::try_current() {
            Ok(runtime) => Ok(Self { provider, runtime }),
            Err(_) => Err(Error::InvalidArgument(format!(
                "the provider {provider} needs a tokio runtime; make it within one"
            ))),
        }
    }

    /// Runs `act` as soon as the answer is awaited. Once begun it runs to its end, awaited or not.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        let Self { provider, runtime } = self.clone();
        Answer::pending(async move {
            runtime.spawn_blocking(act).await.unwrap_or_else(|error| {
                Err(Error::Failed { provider: provider.to_owned(), reason: error.to_string() })
            })
        })
    }

    /// Runs a task of its own.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.runtime.spawn(task)
    }

    /// Drops what takes a blocking call to drop.
    pub(crate) fn drop<T: Send + 'static>(&self, what: T) {
        // Nothing waits for it. If the runtime is shutting down, it is dropped at once.
        drop(self.runtime.spawn_blocking(move || drop(what)));
    }
}
