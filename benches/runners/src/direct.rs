//! The app called direct, over a provider in the same process.

use std::sync::Arc;

use pillion_capabilities::KeyValue;
use pillion_harness::job::Job;
use pillion_harness::runner::{App, Setup};
use pillion_native::Direct;

use crate::{open, preload, stored};

/// Opens a [`DirectApp`].
pub struct OpenDirect;

/// The app called direct, over a provider in the same process.
pub struct DirectApp {
    store: Arc<dyn KeyValue>,
    capabilities: Direct,
}

// === impl DirectApp ===

impl Setup for OpenDirect {
    type App = DirectApp;

    async fn open(&self, job: &Job, provider: &str) -> Result<DirectApp, String> {
        let store = open(job, provider).await?;
        Ok(DirectApp { capabilities: Direct(Arc::clone(&store)), store })
    }
}

impl App for DirectApp {
    #[inline]
    async fn call(&self, operation: &str, request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
        let handled = pillion_logic::handle(&self.capabilities, operation, request, reply).await;
        handled.map(|handled| handled.finish(reply)).map_err(|error| error.to_string())
    }

    async fn preload(&self, key: &str, value: &[u8]) -> Result<(), String> {
        preload(&*self.store, key, value).await
    }

    async fn stored(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        stored(&*self.store, key).await
    }

    async fn provider_calls(&self) -> Result<u64, String> {
        Ok(self.store.counters().total())
    }
}
