//! The binary `pillion-sidecar`.

use std::io::Write;

use anyhow::Context;
use pillion_sidecar::{Flags, Server, logging};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

fn main() -> anyhow::Result<()> {
    let flags = Flags::from_environment();
    logging::start(&flags.log_level, flags.log_as_json).map_err(anyhow::Error::msg)?;
    runtime(&flags).context("cannot start the executor")?.block_on(run(&flags))
}

async fn run(flags: &Flags) -> anyhow::Result<()> {
    // Before anything is announced, so that a signal right after the ready line is not lost.
    let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let server = Server::start(flags).await?;
    announce(&server)?;
    server.run(stop(terminate, interrupt)).await;
    tracing::info!("stopped");
    Ok(())
}

fn runtime(flags: &Flags) -> std::io::Result<Runtime> {
    match flags.worker_threads {
        Some(threads) if threads.get() == 1 => Builder::new_current_thread().enable_all().build(),
        Some(threads) => Builder::new_multi_thread().worker_threads(threads.get()).enable_all().build(),
        None => Builder::new_multi_thread().enable_all().build(),
    }
}

fn announce(server: &Server) -> anyhow::Result<()> {
    let line = serde_json::to_string(server.ready())?;
    tracing::info!("ready: {line}");
    let mut out = std::io::stdout().lock();
    // Whoever started us may not read the line.
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        tracing::warn!("cannot print the ready line: {error}");
    }
    Ok(())
}

async fn stop(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => tracing::info!("stopping on SIGTERM"),
        _ = interrupt.recv() => tracing::info!("stopping on SIGINT"),
    }
}
