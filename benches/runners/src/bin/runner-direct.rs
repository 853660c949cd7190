//! The app called direct, over a provider in the same process; with the argument `noop`, an empty call.

use pillion_harness::job::Job;
use pillion_harness::runner::{App, Setup, serve};
use pillion_runners::OpenDirect;

struct OpenNoop;

struct Noop;

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("noop") => serve(&OpenNoop)?,
        _ => serve(&OpenDirect)?,
    }
    Ok(())
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

    async fn stored(&self, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }

    async fn provider_calls(&self) -> Result<u64, String> {
        Ok(0)
    }
}
