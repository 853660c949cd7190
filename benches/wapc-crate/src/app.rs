//! The guest on the published engine, over a provider in the same process.

use std::sync::Arc;

use pillion_capabilities::KeyValue;
use pillion_harness::job::Job;
use pillion_harness::runner::{App, Setup};
use pillion_runners::{open, preload, stored};
use tokio::task::spawn_blocking;
use wasmparser::{Parser, Payload};

use crate::{PublishedError, PublishedHost};

/// Opens a [`PublishedApp`].
pub struct OpenPublished;

/// The guest on the published engine.
pub struct PublishedApp {
    host: Arc<PublishedHost>,
    store: Arc<dyn KeyValue>,
    /// Whether the module imports WASI, whose functions block their thread in the synchronous engine.
    waits: bool,
}

// === impl PublishedApp ===

impl Setup for OpenPublished {
    type App = PublishedApp;

    async fn open(&self, job: &Job, provider: &str) -> Result<PublishedApp, String> {
        let guest = job.guest.as_ref().ok_or("the job has no guest")?;
        let module =
            std::fs::read(&guest.path).map_err(|error| format!("{}: {error}", guest.path.display()))?;
        let store = open(job, provider).await?;
        let trusted = [guest.issuer.clone()].into();
        let waits = imports_wasi(&module);
        let stored = Arc::clone(&store);
        let open = move || PublishedHost::new(&module, &trusted, &stored).map_err(|error| error.to_string());
        let host =
            if waits { spawn_blocking(open).await.map_err(|error| error.to_string())? } else { open() }?;
        Ok(PublishedApp { host: Arc::new(host), store, waits })
    }
}

impl App for PublishedApp {
    #[inline]
    async fn call(&self, operation: &str, request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
        let called = if self.store.always_ready() && !self.waits {
            self.host.call(operation, request)
        } else {
            // The engine blocks the thread until the provider or WASI answers, which the runtime's own threads must be free
            // to bring about.
            let (host, operation, request) = (Arc::clone(&self.host), operation.to_owned(), request.to_vec());
            spawn_blocking(move || host.call(&operation, &request))
                .await
                .map_err(|error| error.to_string())?
        };
        // The engine puts words of its own in front of a guest's.
        let words =
            |error: PublishedError| error.to_string().trim_start_matches("Guest call failure: ").to_owned();
        reply.extend_from_slice(&called.map_err(words)?);
        Ok(())
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

/// Whether a module imports functions of WASI. One that cannot be read is refused by whoever compiles it.
fn imports_wasi(module: &[u8]) -> bool {
    let imports = Parser::new(0).parse_all(module).filter_map(|payload| match payload {
        Ok(Payload::ImportSection(section)) => Some(section.into_imports()),
        _ => None,
    });
    imports.flatten().flatten().any(|import| import.module.starts_with("wasi_"))
}
