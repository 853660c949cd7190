//! The processes of a lane: sidecar, provider's server, runner.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use nix::sys::prctl;
use nix::sys::signal::Signal;

use crate::job::{Endpoints, Store};

/// What is wrong where there is no Redis, and the remedy.
pub(crate) const REDIS_MISSING: &str = "redis-server is missing: `apt-get install redis-server`";

/// How long a server may take until it is ready.
const START: Duration = Duration::from_secs(10);

/// Ports that are tried for a server.
const ATTEMPTS: usize = 8;

/// How long a process may take to end once its output is closed.
const END: Duration = Duration::from_secs(5);

/// A child process, killed when this goes.
#[derive(Debug)]
pub(crate) struct Guarded {
    child: Child,
    name: String,
    lines: Receiver<String>,
    errors: PathBuf,
}

// === impl Guarded ===

impl Guarded {
    /// Starts a process whose standard output is read line by line; its standard error goes to a file in `directory`.
    pub(crate) fn spawn(mut command: Command, name: &str, directory: &Path) -> Result<Self, String> {
        end_with_us(&mut command);
        let errors = directory.join(format!("{name}.stderr"));
        let file = fs::File::create(&errors).map_err(|error| format!("{}: {error}", errors.display()))?;
        let mut child = command
            // A backtrace on every error path would be measured.
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE")
            // So would tracing, if this machine asks every program for it.
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(|error| missing(&command, &error))?;
        let (sender, lines) = channel();
        if let Some(out) = child.stdout.take() {
            thread::spawn(move || {
                let lines = BufReader::new(out).lines().map_while(io::Result::ok);
                lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop);
            });
        }
        Ok(Self { child, name: name.to_owned(), lines, errors })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub(crate) fn stdin(&mut self) -> Option<&mut impl io::Write> {
        self.child.stdin.as_mut()
    }

    /// The next line of its standard output.
    pub(crate) fn line(&mut self, patience: Duration) -> Result<String, String> {
        self.lines.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                format!("{} gave no answer for {} s and was stopped", self.name, patience.as_secs())
            }
            RecvTimeoutError::Disconnected => self.ended(),
        })
    }

    /// Its exit code, if it has ended by itself.
    pub(crate) fn code(&mut self) -> Option<i32> {
        self.child.try_wait().ok().flatten().and_then(|status| status.code())
    }

    /// How it ended, with the end of what it said.
    fn ended(&mut self) -> String {
        // Its output is closed, so that it has ended or will; one that does not is stopped.
        let begin = Instant::now();
        while begin.elapsed() < END && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
        // This fails where it has ended.
        let _ = self.child.kill();
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let mut said = String::new();
        if let Ok(mut file) = fs::File::open(&self.errors) {
            // What cannot be read cannot be shown; the status is the message then.
            let _ = file.read_to_string(&mut said);
        }
        let last: Vec<&str> = said.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        format!("{} ended ({status}): {}", self.name, last.join(" / "))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has the kernel end a process when this one is gone, however it went: nothing else could after a `kill -9`.
#[expect(unsafe_code, reason = "code between fork and exec is unsafe by its nature")]
fn end_with_us(command: &mut Command) {
    // SAFETY: prctl(2) is one system call, and allocates nothing.
    unsafe {
        command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?));
    }
}

fn missing(command: &Command, error: &io::Error) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    if error.kind() != io::ErrorKind::NotFound {
        return format!("{program} does not start: {error}");
    }
    let name =
        Path::new(&program).file_name().map_or(program.clone(), |name| name.to_string_lossy().into_owned());
    if name == "redis-server" {
        REDIS_MISSING.to_owned()
    } else {
        format!(
            "{program} is missing: build it by `cargo build --release --workspace --bins --features pillion-sidecar/shared-memory`"
        )
    }
}

/// A Redis server without persistence, on a free port.
pub(crate) fn redis(directory: &Path) -> Result<(Guarded, String), String> {
    redis_on(directory, || Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port()))
}

/// The same on one of the ports that `free` answers: between its being found free and the server's binding it,
/// another process may take it.
fn redis_on(
    directory: &Path,
    mut free: impl FnMut() -> io::Result<u16>,
) -> Result<(Guarded, String), String> {
    let mut failure = String::new();
    for _ in 0..ATTEMPTS {
        let port = free().map_err(|error| format!("no free port: {error}"))?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
        command.arg(port.to_string()).current_dir(directory);
        // What it says is looked for there if it ends.
        command.arg("--logfile").arg(directory.join("redis-server.stderr"));
        let mut server = Guarded::spawn(command, "redis-server", directory)?;
        let begin = Instant::now();
        loop {
            if matches!(server.child.try_wait(), Ok(Some(_))) {
                failure = server.ended();
                break;
            }
            if is_ours(port, server.child.id()) {
                return Ok((server, format!("127.0.0.1:{port}")));
            }
            if begin.elapsed() > START {
                return Err(format!(
                    "redis-server does not answer on port {port} after {} s",
                    START.as_secs()
                ));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
    Err(failure)
}

/// Whether the process `pid` itself answers there, and not another server that took the port.
fn is_ours(port: u16, pid: u32) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"INFO\r\nQUIT\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.contains(&format!("process_id:{pid}\r\n")) && answer.contains("\nloading:0\r\n"))
    };
    ask().unwrap_or(false)
}

/// How a sidecar is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SidecarOptions {
    /// Threads of its executor.
    pub(crate) threads: usize,
    /// Whether it listens on Unix sockets too.
    pub(crate) sockets: bool,
    /// Whether it serves through shared memory too.
    pub(crate) shared_memory: bool,
    /// Whether it polls without pause.
    pub(crate) busy_poll: bool,
}

/// A sidecar with a component for each store, ready to serve.
pub(crate) fn sidecar(
    binary: &Path,
    stores: &[Store],
    options: SidecarOptions,
    directory: &Path,
) -> Result<(Guarded, Endpoints), String> {
    let resources = directory.join("components");
    let write = || -> io::Result<()> {
        fs::create_dir_all(&resources)?;
        for store in stores {
            fs::write(resources.join(format!("{}.yaml", store.provider)), component(store))?;
        }
        Ok(())
    };
    write().map_err(|error| format!("{}: {error}", resources.display()))?;
    let mut command = Command::new(binary);
    command.args(["--app-id", "pillion", "--log-level", "warn"]);
    command.args(["--dapr-http-port", "0", "--dapr-grpc-port", "0", "--metrics-port", "0"]);
    command.arg("--worker-threads").arg(options.threads.to_string());
    command.arg("--resources-path").arg(&resources);
    if options.sockets {
        command.arg("--unix-domain-socket").arg(directory);
    }
    if options.shared_memory {
        // The directory's name is nobody else's.
        let name = directory.file_name().unwrap_or_default();
        command.arg("--shared-memory").arg(name);
    }
    if options.busy_poll {
        command.arg("--busy-poll");
    }
    let mut sidecar = Guarded::spawn(command, "pillion-sidecar", directory)?;
    let line = sidecar.line(START)?;
    let endpoints =
        serde_json::from_str(&line).map_err(|error| format!("pillion-sidecar said {line:?}: {error}"))?;
    Ok((sidecar, endpoints))
}

/// A component file in Dapr's format.
fn component(store: &Store) -> String {
    let (kind, metadata) = match store.provider.as_str() {
        "redis" => ("state.redis", Some(("redisHost", &store.address))),
        "redb" => ("state.redb", Some(("path", &store.address))),
        _ => ("state.in-memory", None),
    };
    let metadata = metadata.map_or_else(
        || "  metadata: []\n".to_owned(),
        |(name, value)| format!("  metadata:\n  - name: {name}\n    value: \"{value}\"\n"),
    );
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {}\nspec:\n  type: {kind}\n  version: v1\n{metadata}",
        store.provider
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_another_server_took_is_given_up_for_another() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (other, taken) = match redis(first.path()) {
            // Explained on a user's machine, a failure in CI.
            Err(reason) if reason == REDIS_MISSING && std::env::var_os("CI").is_none() => {
                eprintln!("SKIPPED: {reason}");
                return;
            }
            started => started.unwrap(),
        };
        let port = |address: &str| address.rsplit(':').next().unwrap().parse::<u16>().unwrap();
        let mut ports = vec![0, port(&taken)];
        let free = || match ports.pop() {
            Some(0) | None => Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port()),
            Some(taken) => Ok(taken),
        };
        let (ours, address) = redis_on(second.path(), free).unwrap();
        assert_ne!(address, taken);
        assert!(is_ours(port(&address), ours.child.id()) && !is_ours(port(&taken), ours.child.id()));
        assert!(is_ours(port(&taken), other.child.id()));

        let failure = redis_on(second.path(), || Ok(port(&taken))).unwrap_err();
        assert!(failure.contains("Address already in use"), "{failure}");
    }
}
