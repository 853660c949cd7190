//! A `nats-server` process that ends with its owner.

use std::io::{BufRead, BufReader, Result};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, on_free_port, on_same_port, or_skip};

/// A real `nats-server` with JetStream on a free port of the loopback interface, its store in a temporary directory.
/// It is killed when this is dropped.
#[derive(Debug)]
pub struct NatsServer {
    address: SocketAddr,
    process: Process,
    directory: TempDir,
}

// === impl NatsServer ===

impl NatsServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    ///
    /// [`NotFound`](std::io::ErrorKind::NotFound) if `nats-server` is not installed; otherwise what kept it from
    /// starting.
    pub fn start() -> Result<Self> {
        on_free_port(|address| {
            let (process, directory) = (Process::default(), TempDir::new()?);
            let mut server = Self { address, process, directory };
            server.start_here()?;
            Ok(server)
        })
    }

    /// Starts a server; if `nats-server` is not installed, explains on stderr that the caller's test is skipped and
    /// answers `None`.
    ///
    /// # Errors
    ///
    /// As [`Self::start`]. Under CI (the variable `CI` is set) a missing `nats-server` is an error too.
    pub fn start_or_skip() -> Result<Option<Self>> {
        or_skip(Self::start())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL: `nats://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// The id of its process while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Kills the server (SIGKILL) and waits for its end.
    ///
    /// # Errors
    ///
    /// If the process cannot be killed or waited for.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop()
    }

    /// Starts the server again on the same port with the same store, and waits until it answers.
    ///
    /// # Errors
    ///
    /// As [`Self::start`]; [`AddrInUse`](std::io::ErrorKind::AddrInUse) if the port was taken meanwhile and is not given
    /// back soon.
    pub fn restart(&mut self) -> Result<()> {
        on_same_port(|| self.start_here())
    }

    fn start_here(&mut self) -> Result<()> {
        let (directory, address) = (self.directory.path(), self.address);
        let log = directory.join("log");
        // What a server before this one wrote must not explain why this one ended.
        let _ = std::fs::remove_file(&log);
        // No two of these have the same directory.
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new("nats-server");
        command
            .args(["--addr", "127.0.0.1", "--port", &address.port().to_string()])
            .args(["--name", &name, "--jetstream", "--store_dir"])
            .arg(directory.join("store"))
            .arg("--log")
            .arg(&log);
        self.process.start(&mut command, &log, |_| answers(address, &name))
    }
}

// === free functions ===

/// Whether the server of this name itself answers there, and not another one that took the port. A server begins
/// with what it is, and tells it only when its JetStream is ready.
fn answers(address: SocketAddr, name: &str) -> bool {
    let ask = || -> Result<bool> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut info = String::new();
        BufReader::new(stream).read_line(&mut info)?;
        Ok(info.contains(&format!("\"server_name\":\"{name}\"")) && info.contains("\"jetstream\":true"))
    };
    ask().unwrap_or(false)
}
