//! The app called direct, over a provider in the same process; with the argument `noop`, an empty call.

use std::sync::Arc;

use pillion_capabilities::KeyValue;
use pillion_harness::job::Job;
use pillion_harness::runner::{App, Setup, serve};
use pillion_native::Direct;
use pillion_runners::{open, preload};

struct OpenDirect;

struct DirectApp {
    store: Arc<dyn KeyValue>,
    capabilities: Direct,
}

struct OpenNoop;

struct Noop;

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("noop") => serve(&OpenNoop)?,
        _ => serve(&OpenDirect)?,
    }
    Ok(())
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
    async fn call(&self, operation: &str, request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
        let handled = pillion_logic::handle(&self.capabilities, operation, request, reply).await;
        handled.map(|handled| handled.finish(reply)).map_err(|error| error.to_string())
    }

    async fn preload(&self, key: &str, value: &[u8]) -> Result<(), String> {
        preload(&*self.store, key, value).await
    }

    async fn provider_calls(&self) -> Result<u64, String> {
        Ok(self.store.counters().total())
    }
}

// === impl Noop ===

impl Setup for OpenNoop {
    type App = Noop;

    async fn open(&self, _job: &Job, _provider: &str) -> Result<Noop, String> {
        Ok(Noop)
    }
}

impl App for Noop {
    async fn call(&self, _operation: &str, request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
        std::hint::black_box((request, reply));
        Ok(())
    }

    async fn preload(&self, _key: &str, _value: &[u8]) -> Result<(), String> {
        Ok(())
    }

    async fn provider_calls(&self) -> Result<u64, String> {
        Ok(0)
    }
}
