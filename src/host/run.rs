//! `pillion host run`: from a manifest to a running host.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use pillion_host::manifest::{Changes, Manifest, Running, Watch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::arguments::RunOptions;
use crate::exit::Exit;
use crate::out::say;

/// How often it is looked whether the manifest's files have changed.
const LOOK: Duration = Duration::from_millis(500);

/// What tells the host to end, or to take its manifest anew.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// Why the manifest is to be taken anew.
enum Cause {
    Files,
    Signal,
}

pub(crate) fn run(options: &RunOptions) -> Result<Exit> {
    let said =
        std::env::var("RUST_LOG").ok().filter(|said| !said.is_empty()).and_then(|said| said.parse().ok());
    let wanted = said.unwrap_or_else(|| {
        Targets::new().with_default(LevelFilter::WARN).with_targets(
            ["pillion::guest", "pillion::reload", "pillion::update"].map(|it| (it, LevelFilter::INFO)),
        )
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(wanted)).init();
    let path = &options.manifest;
    let base = path.parent().unwrap_or(Path::new(""));
    // Before the files are looked at, so that no change after that is missed.
    let mut watch = Watch::new(path);
    let manifest = read(path)?;
    watch.follow(manifest.files(base));
    let runtime = tokio::runtime::Runtime::new().context("no threads can be started")?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        if options.check {
            let inventory =
                Running::check(&manifest, base).await.with_context(|| path.display().to_string())?;
            say!("{}", serde_json::to_string_pretty(&inventory)?);
            return Ok(Exit::Fine);
        }
        let mut running = Running::start(&manifest, base).await.with_context(|| path.display().to_string())?;
        for actor in running.host().actors() {
            let name = actor.claims().wascap.name.clone().unwrap_or_default();
            announce(&format!("actor {} {name}", actor.key()));
        }
        say_addresses(&running, &[]);
        announce("ready");
        let mut complaint = String::new();
        while let Some(cause) = signals.wait(&mut watch, !options.no_watch).await {
            let before = addresses(&running);
            tokio::select! {
                done = reload(&mut running, &mut watch, path, base) => match done {
                    Ok(changes) if changes.is_empty() && matches!(cause, Cause::Files) => complaint.clear(),
                    Ok(_) => {
                        complaint.clear();
                        say_addresses(&running, &before);
                        announce("reloaded");
                    }
                    // The same files are looked at twice now and then.
                    Err(error) if matches!(cause, Cause::Files) && complaint == format!("{error:#}") => {}
                    Err(error) => {
                        complaint = format!("{error:#}");
                        let remedy = "mend the manifest or what it names; it is looked at again when that changes, or \
                                      on SIGHUP";
                        tracing::error!(
                            target: "pillion::reload", error = complaint, remedy,
                            "not reloaded, the host goes on as it was"
                        );
                    }
                },
                () = signals.end() => break,
            }
        }
        running.stop().await;
        Ok(Exit::Fine)
    })
}

/// Whoever started the host may have stopped listening to it, which is no reason to end.
fn announce(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn read(path: &Path) -> Result<Manifest> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Manifest::parse(&text, |name| std::env::var(name).ok()).with_context(|| path.display().to_string())
}

/// Takes the manifest as it is now. Files that either it or the one before names are watched until it is taken.
async fn reload(running: &mut Running, watch: &mut Watch, path: &Path, base: &Path) -> Result<Changes> {
    let manifest = read(path)?;
    let files = manifest.files(base);
    watch.follow(files.iter().cloned());
    let changes = running.reload(&manifest, base).await.with_context(|| path.display().to_string())?;
    watch.forget_others(path, &files);
    Ok(changes)
}

/// Where actors and metrics listen, with the words for it.
fn addresses(running: &Running) -> Vec<(String, SocketAddr, String)> {
    let actors = running.addresses();
    let actors =
        actors.map(|(actor, address)| ("listening".to_owned(), address, format!(" {}", actor.key())));
    let metrics = running.metrics().map(|address| ("metrics".to_owned(), address, String::new()));
    actors.chain(metrics).collect()
}

/// Says where it listens and did not before.
fn say_addresses(running: &Running, before: &[(String, SocketAddr, String)]) {
    for listening in addresses(running).iter().filter(|it| !before.contains(it)) {
        let (what, address, whose) = listening;
        announce(&format!("{what} {address}{whose}"));
    }
}

// === impl Signals ===

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until the manifest is to be taken anew; `None` is the end.
    async fn wait(&mut self, watch: &mut Watch, watching: bool) -> Option<Cause> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return None,
                _ = self.terminate.recv() => return None,
                _ = self.hangup.recv() => return Some(Cause::Signal),
                _ = looks.tick(), if watching => {
                    if tokio::task::block_in_place(|| watch.changed()) {
                        return Some(Cause::Files);
                    }
                }
            }
        }
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
