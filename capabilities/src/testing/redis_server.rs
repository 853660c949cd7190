//! A `redis-server` process that ends with its owner.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A real `redis-server` on a free port of the loopback interface. It keeps nothing on disk, and is killed when
/// this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    address: SocketAddr,
    directory: TempDir,
    child: Option<Child>,
}

/// How long a server may take until it answers. Only a broken one takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between choosing a free port and the server's binding it, another process may take it.
const ATTEMPTS: usize = 8;

// === impl RedisServer ===

impl RedisServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if `redis-server` is not installed; otherwise what kept it from starting.
    pub fn start() -> Result<Self> {
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            let mut server = Self { address: free_address()?, directory: TempDir::new()?, child: None };
            match server.restart() {
                Ok(()) => return Ok(server),
                Err(error) if error.kind() == ErrorKind::AddrInUse => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(failure.unwrap_or_else(|| ErrorKind::AddrInUse.into()))
    }

    /// Starts a server; if `redis-server` is not installed, explains on stderr that the caller's test is skipped
    /// and answers `None`.
    ///
    /// # Errors
    ///
    /// As [`Self::start`]. Under CI (the variable `CI` is set) a missing `redis-server` is an error too.
    pub fn start_or_skip() -> Result<Option<Self>> {
        match Self::start() {
            Ok(server) => Ok(Some(server)),
            Err(error) if error.kind() == ErrorKind::NotFound && std::env::var_os("CI").is_none() => {
                eprintln!("SKIPPED: {error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL: `redis://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The id of its process while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills the server (SIGKILL) and waits for its end.
    ///
    /// # Errors
    ///
    /// If the process cannot be killed or waited for.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Starts the server again on the same port, empty, and waits until it answers.
    ///
    /// # Errors
    ///
    /// As [`Self::start`]; [`ErrorKind::AddrInUse`] if the port was taken meanwhile.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let log = self.directory.path().join("log");
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.address.port().to_string()])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "notice"])
            .arg("--dir")
            .arg(self.directory.path())
            .arg("--logfile")
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => Error::new(
                    ErrorKind::NotFound,
                    "redis-server is not installed; install it (on Debian: apt-get install redis-server)",
                ),
                _ => error,
            })?;
        let child = self.child.insert(child);
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let kind = if said.contains("Address already in use") {
                    ErrorKind::AddrInUse
                } else {
                    ErrorKind::Other
                };
                return Err(Error::new(kind, format!("redis-server ended with {status}: {said}")));
            }
            if answers(self.address, child.id()) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::new(ErrorKind::TimedOut, "redis-server does not answer"));
            }
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Nothing can be done about a process that cannot be killed.
        let _ = self.stop();
    }
}

fn free_address() -> Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Whether the process `pid` itself answers there, and not another server that took the port.
fn answers(address: SocketAddr, pid: u32) -> bool {
    let ask = || -> Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"INFO server\r\nQUIT\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.contains(&format!("process_id:{pid}\r\n")))
    };
    ask().unwrap_or(false)
}
