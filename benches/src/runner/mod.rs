//! The runner's side: a process that holds an app and the load loop over it.
//!
//! A runner is generic over [`App`] and calls it without boxing: an app whose answer is ready at the first poll is
//! called without an executor having a say.

mod account;
mod drive;
mod measure;
mod placement;
mod play;
pub(crate) mod process;
mod questions;
mod serve;
#[cfg(test)]
mod tests;
mod verify;
mod work;

use std::future::Future;

pub use play::play;
pub use serve::serve;

use crate::job::Job;

/// An app, opened over one store. Many tasks may call it at the same time.
pub trait App: Send + Sync + 'static {
    /// Handles one request; appends the reply to `reply`, which is empty.
    fn call(
        &self,
        operation: &str,
        request: &[u8],
        reply: &mut Vec<u8>,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// Puts a record into the store: through the sidecar's API, or straight into the provider.
    fn preload(&self, key: &str, value: &[u8]) -> impl Future<Output = Result<(), String>> + Send;

    /// What the store holds under a key, past the app.
    fn stored(&self, key: &str) -> impl Future<Output = Result<Option<Vec<u8>>, String>> + Send;

    /// How often the provider was reached so far, by its own count.
    fn provider_calls(&self) -> impl Future<Output = Result<u64, String>> + Send;
}

/// Opens an app.
pub trait Setup {
    /// The app.
    type App: App;

    /// Opens the app over the store of a provider, with all of its connections.
    fn open(&self, job: &Job, provider: &str) -> impl Future<Output = Result<Self::App, String>>;
}
