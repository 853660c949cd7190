//! The program `pillion-sidecar`: from the command line to the exit code.
//!
//! It is a part of the library, since what a binary awaits is compiled with it: whatever the library awaits elsewhere, too,
//! would be there twice.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::{Flags, Server, busy, logging};

/// Runs a sidecar as the command line and the environment say, until it is asked to stop. Fails, with a reason on standard
/// error, where it cannot be started or is asked again.
#[must_use]
pub fn program() -> ExitCode {
    let Err(error) = start() else { return ExitCode::SUCCESS };
    // In words alone: a wrong setting is no defect whose stack anybody wants to see. Whoever started us may not read them.
    let _ = writeln!(std::io::stderr(), "Error: {}", whole(&error));
    ExitCode::FAILURE
}

/// An error and its causes, but for those that it tells itself.
fn whole(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn start() -> anyhow::Result<()> {
    let flags = Flags::from_environment();
    logging::start(&flags.log_level, flags.log_as_json, &flags.app_id).map_err(anyhow::Error::msg)?;
    raise_open_files();
    runtime(&flags).context("cannot start the executor")?.block_on(run(&flags))
}

async fn run(flags: &Flags) -> anyhow::Result<()> {
    // Before anything is announced, so that a signal right after the ready line is not lost.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let server = Server::start(flags).await?;
    if flags.busy_poll {
        tokio::spawn(busy::spin());
    }
    announce(&server)?;
    let sidecar = Arc::clone(server.sidecar());
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            sidecar.reload();
        }
    });
    let (asked, heard) = oneshot::channel();
    let signals = async {
        // Not within the line that logs it: what is not logged is not awaited.
        let first = next(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping on {first}");
        // The server may have stopped by itself.
        let _ = asked.send(());
        let again = next(&mut terminate, &mut interrupt).await;
        anyhow::bail!("{again} again: requests under way are given up");
    };
    let serving = server.run(async {
        // The sender lives as long as the signals are waited for.
        let _ = heard.await;
    });
    tokio::select! {
        () = serving => tracing::info!("stopped"),
        given_up = signals => return given_up,
    }
    Ok(())
}

/// Takes as many files, and so connections, as the system allows, not the fewer that it gives to who does not ask: as
/// daprd does, and every program in Go.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!("no more than {:?} connections and files can be open: {error}", limit.current);
    }
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

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
