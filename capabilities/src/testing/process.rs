//! What all server processes have in common.

use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A process that is killed when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Process {
    child: Option<Child>,
}

/// How long a server may take until it answers. Only a broken one takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a port may be somebody else's when its server is started again.
const TAKEN: Duration = Duration::from_secs(30);

/// Between choosing a free port and the server's binding it, another process may take it.
const ATTEMPTS: usize = 8;

// === impl Process ===

impl Process {
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills the process (SIGKILL) and waits for its end.
    pub(super) fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Starts a server in the place of the one before, and waits until `answers` says of its process id that it is
    /// this process that answers.
    pub(super) fn start(
        &mut self,
        command: &mut Command,
        log: &Path,
        answers: impl Fn(u32) -> bool,
    ) -> Result<()> {
        self.stop()?;
        let program = command.get_program().to_string_lossy().into_owned();
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = silent.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(
                ErrorKind::NotFound,
                format!("{program} is not installed; install it (on Debian: apt-get install {program})"),
            ),
            _ => error,
        })?;
        let child = self.child.insert(child);
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                let taken = said.to_lowercase().contains("address already in use");
                let kind = if taken { ErrorKind::AddrInUse } else { ErrorKind::Other };
                return Err(Error::new(kind, format!("{program} ended with {status}: {said}")));
            }
            if answers(child.id()) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::new(ErrorKind::TimedOut, format!("{program} does not answer")));
            }
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about a process that cannot be killed.
        let _ = self.stop();
    }
}

// === free functions ===

/// Starts a server on a free port of the loopback interface.
pub(super) fn on_free_port<T>(start: impl Fn(SocketAddr) -> Result<T>) -> Result<T> {
    let mut failure = None;
    for _ in 0..ATTEMPTS {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        match start(free) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => failure = Some(error),
            result => return result,
        }
    }
    Err(failure.unwrap_or_else(|| ErrorKind::AddrInUse.into()))
}

/// Starts a server where it was before.
pub(super) fn on_same_port(mut start: impl FnMut() -> Result<()>) -> Result<()> {
    let begun = Instant::now();
    loop {
        match start() {
            // A connection of somebody's may have it for a while.
            Err(error) if error.kind() == ErrorKind::AddrInUse && begun.elapsed() < TAKEN => {
                sleep(Duration::from_millis(100));
            }
            done => return done,
        }
    }
}

/// If the server's program is not installed, explains on stderr that the caller's test is skipped and answers
/// `None`; under CI that is an error.
pub(super) fn or_skip<T>(started: Result<T>) -> Result<Option<T>> {
    match started {
        Ok(server) => Ok(Some(server)),
        Err(error) if error.kind() == ErrorKind::NotFound && std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
