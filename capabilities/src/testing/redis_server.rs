//! A `redis-server` process that ends with its owner.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, on_free_port, on_same_port, or_skip};

/// A real `redis-server` on a free port of the loopback interface. It is killed when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    address: SocketAddr,
    process: Process,
    directory: TempDir,
    durable: bool,
    tls: Option<Tls>,
}

/// How it listens over TLS beside.
#[derive(Clone, Debug)]
struct Tls {
    address: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
}

// === impl RedisServer ===

impl RedisServer {
    /// Starts a server that keeps nothing on disk, and waits until it answers.
    ///
    /// # Errors
    ///
    /// [`NotFound`](std::io::ErrorKind::NotFound) if `redis-server` is not installed; otherwise what kept it from
    /// starting.
    pub fn start() -> Result<Self> {
        Self::start_as(false, None)
    }

    /// Starts a server that writes each change to disk before it answers, and waits until it answers.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_durable() -> Result<Self> {
        Self::start_as(true, None)
    }

    /// Starts a server as [`Self::start`] does that listens over TLS beside, with a certificate and its key in files of PEM,
    /// or skips as [`Self::start_or_skip`].
    ///
    /// # Errors
    ///
    /// As [`Self::start_or_skip`].
    pub fn start_with_tls_or_skip(certificate: &Path, key: &Path) -> Result<Option<Self>> {
        or_skip(on_free_port(|address| {
            let tls = Tls { address, certificate: certificate.to_owned(), key: key.to_owned() };
            Self::start_as(false, Some(&tls))
        }))
    }

    fn start_as(durable: bool, tls: Option<&Tls>) -> Result<Self> {
        on_free_port(|address| {
            let (process, directory) = (Process::default(), TempDir::new()?);
            let mut server = Self { address, process, directory, durable, tls: tls.cloned() };
            server.start_here()?;
            Ok(server)
        })
    }

    /// Starts a server as [`Self::start`] does; if `redis-server` is not installed, explains on stderr that the
    /// caller's test is skipped and answers `None`.
    ///
    /// # Errors
    ///
    /// As [`Self::start`]. Under CI (the variable `CI` is set) a missing `redis-server` is an error too.
    pub fn start_or_skip() -> Result<Option<Self>> {
        or_skip(Self::start())
    }

    /// Starts a server as [`Self::start_durable`] does, or skips as [`Self::start_or_skip`].
    ///
    /// # Errors
    ///
    /// As [`Self::start_or_skip`].
    pub fn start_durable_or_skip() -> Result<Option<Self>> {
        or_skip(Self::start_durable())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens over TLS, if it does.
    #[must_use]
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref().map(|tls| tls.address)
    }

    /// Its address as a URL: `redis://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
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

    /// Starts the server again on the same port, empty unless it is a durable one, and waits until it answers.
    ///
    /// # Errors
    ///
    /// As [`Self::start`]; [`AddrInUse`](std::io::ErrorKind::AddrInUse) if the port was taken meanwhile and is not given
    /// back soon.
    pub fn restart(&mut self) -> Result<()> {
        on_same_port(|| self.start_here())
    }

    fn start_here(&mut self) -> Result<()> {
        let log = self.directory.path().join("log");
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--port", &self.address.port().to_string()])
            .args(["--save", "", "--daemonize", "no", "--loglevel", "notice"])
            .args(["--appendonly", if self.durable { "yes" } else { "no" }, "--appendfsync", "always"])
            .arg("--dir")
            .arg(self.directory.path())
            .arg("--logfile")
            .arg(&log);
        if let Some(Tls { address, certificate, key }) = &self.tls {
            let port = address.port().to_string();
            command
                .args(["--tls-port", &port, "--tls-auth-clients", "no", "--tls-cert-file"])
                .arg(certificate);
            command.arg("--tls-key-file").arg(key).arg("--tls-ca-cert-file").arg(certificate);
        }
        self.process.start(&mut command, &log, |pid| answers(self.address, pid))
    }
}

// === free functions ===

/// Whether the process `pid` itself answers there, and not another server that took the port.
fn answers(address: SocketAddr, pid: u32) -> bool {
    let ask = || -> Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"INFO\r\nQUIT\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.contains(&format!("process_id:{pid}\r\n")) && answer.contains("\nloading:0\r\n"))
    };
    ask().unwrap_or(false)
}
