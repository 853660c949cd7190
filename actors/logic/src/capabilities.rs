//! What an app may ask of whatever it rides on.

use std::future::Future;

/// A capability call that failed, with the message of the host, the sidecar or the provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CallError(pub String);

/// What an app may ask for. One value of this type is bound to one store.
pub trait Capabilities {
    /// The bytes of a value, owned or borrowed from the answer they came in.
    type Value: AsRef<[u8]> + Send;

    /// The value of a key.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Self::Value>, CallError>> + Send;

    /// The values of two keys that are wanted together: one call where there is one for that, else two gets, and the
    /// second only if the first key is there.
    fn get_two(
        &self,
        keys: [&str; 2],
    ) -> impl Future<Output = Result<[Option<Self::Value>; 2], CallError>> + Send
    where
        Self: Sync,
    {
        one_by_one(self, keys)
    }

    /// Sets a value; the last write wins.
    fn set(&self, key: &str, value: &[u8]) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Adds to a counter atomically, and answers the sum. A missing key counts as 0.
    fn add(&self, key: &str, delta: i64) -> impl Future<Output = Result<i64, CallError>> + Send;
}

/// [`Capabilities::get_two`] for what has no call for it.
///
/// # Errors
/// Those of the gets.
pub async fn one_by_one<C: Capabilities + Sync + ?Sized>(
    capabilities: &C,
    [first, second]: [&str; 2],
) -> Result<[Option<C::Value>; 2], CallError> {
    let first = capabilities.get(first).await?;
    // An app that misses the first has no use for the second.
    let second = if first.is_some() { capabilities.get(second).await? } else { None };
    Ok([first, second])
}
