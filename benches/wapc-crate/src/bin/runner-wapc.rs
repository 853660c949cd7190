//! The guest on the published engine, over a provider in the same process.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use pillion_capabilities::KeyValue;
use pillion_harness::job::Job;
use pillion_harness::runner::{App, Setup, serve};
use pillion_runners::{open, preload};
use pillion_wapc_crate::PublishedHost;
use tokio::runtime::{Builder, Runtime};

struct OpenPublished {
    /// Drives the connections of a networked provider: this engine's calls block the thread that makes them.
    connections: Runtime,
}

struct PublishedApp {
    host: PublishedHost,
    store: Arc<dyn KeyValue>,
}

fn main() -> Result<()> {
    let connections = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    serve(&OpenPublished { connections }).context("the harness has gone")
}

// === impl PublishedApp ===

impl Setup for OpenPublished {
    type App = PublishedApp;

    async fn open(&self, job: &Job, provider: &str) -> Result<PublishedApp, String> {
        let guest = job.guest.as_ref().ok_or("the job has no guest")?;
        let module = std::fs::read(&guest.path).map_err(|error| format!("{}: {error}", guest.path.display()))?;
        let trusted = [guest.issuer.clone()].into();
        let (job, provider) = (job.clone(), provider.to_owned());
        let opened = self.connections.spawn(async move { open(&job, &provider).await }).await;
        let store = opened.map_err(|error| error.to_string())??;
        let host = PublishedHost::new(&module, &trusted, &store).map_err(|error| error.to_string())?;
        Ok(PublishedApp { host, store })
    }
}

impl App for PublishedApp {
    async fn call(&self, operation: &str, request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
        *reply = self.host.call(operation, request).map_err(|error| error.to_string())?;
        Ok(())
    }

    async fn preload(&self, key: &str, value: &[u8]) -> Result<(), String> {
        preload(&*self.store, key, value).await
    }

    async fn provider_calls(&self) -> Result<u64, String> {
        Ok(self.store.counters().total())
    }
}
