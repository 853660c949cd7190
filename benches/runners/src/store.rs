//! The providers' own doors, for apps in the same process.

use std::sync::Arc;

use bytes::Bytes;
use pillion_capabilities::keyvalue::SetOptions;
use pillion_capabilities::{KeyValue, Memory, Redb, Redis};
use pillion_harness::job::Job;

/// Opens the store of a provider, as the job says where it is.
///
/// # Errors
/// The job does not name the provider, or it cannot be reached.
pub async fn open(job: &Job, provider: &str) -> Result<Arc<dyn KeyValue>, String> {
    let store = job.stores.iter().find(|store| store.provider == provider);
    let store = store.ok_or_else(|| format!("the job has no store of the provider {provider}"))?;
    match provider {
        "memory" => Ok(Arc::new(Memory::new())),
        "redb" => Ok(Arc::new(Redb::open(&store.address).map_err(|error| error.to_string())?)),
        "redis" => {
            let url = format!("redis://{}", store.address);
            Ok(Arc::new(Redis::connect(&url).await.map_err(|error| error.to_string())?))
        }
        _ => Err(format!("no provider is called {provider}; there are memory, redis, redb")),
    }
}

/// What a store holds under a key.
///
/// # Errors
/// The provider's.
pub async fn stored(store: &dyn KeyValue, key: &str) -> Result<Option<Vec<u8>>, String> {
    let found = store.get(key).wait().await.map_err(|error| error.to_string())?;
    Ok(found.map(|found| found.value.to_vec()))
}

/// Puts a record into a store.
///
/// # Errors
/// The provider's.
pub async fn preload(store: &dyn KeyValue, key: &str, value: &[u8]) -> Result<(), String> {
    let set = store.set(key, Bytes::copy_from_slice(value), SetOptions::default());
    set.wait().await.map(|_| ()).map_err(|error| error.to_string())
}
