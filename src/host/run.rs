//! `pillion host run`: from a manifest to a running host.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use pillion_host::manifest::{Manifest, Running};
use tokio::signal::unix::{SignalKind, signal};

use super::arguments::RunOptions;
use crate::exit::Exit;

pub(crate) fn run(options: &RunOptions) -> Result<Exit> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "warn,pillion::guest=info".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let path = &options.manifest;
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let manifest = Manifest::parse(&text, |name| std::env::var(name).ok())
        .with_context(|| path.display().to_string())?;
    let base = path.parent().unwrap_or(Path::new(""));
    let runtime = tokio::runtime::Runtime::new().context("no threads can be started")?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        if options.check {
            let inventory =
                Running::check(&manifest, base).await.with_context(|| path.display().to_string())?;
            println!("{}", serde_json::to_string_pretty(&inventory)?);
            return Ok(Exit::Fine);
        }
        let running = Running::start(&manifest, base).await.with_context(|| path.display().to_string())?;
        for actor in running.host().actors() {
            let name = actor.claims().wascap.name.clone().unwrap_or_default();
            println!("actor {} {name}", actor.key());
        }
        for (actor, address) in running.addresses() {
            println!("listening {address} {}", actor.key());
        }
        if let Some(address) = running.metrics() {
            println!("metrics {address}");
        }
        println!("ready");
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        running.stop().await;
        Ok(Exit::Fine)
    })
}
