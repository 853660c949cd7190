//! A sidecar process for a test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use crate::process::MEMORY;
use crate::process::{self, Process};
use crate::wire::{self, Answer, At};

/// A sidecar of the app `app`, killed when dropped.
pub(crate) struct Sidecar(Process);

const BINARY: &str = env!("CARGO_BIN_EXE_pillion-sidecar");

// === impl Sidecar ===

impl Sidecar {
    /// Starts a sidecar with the store `store` in memory, and waits until it is ready.
    pub(crate) fn memory() -> Self {
        Self::with(MEMORY, &[])
    }

    /// Starts a sidecar with these components and further arguments, and waits until it is ready.
    pub(crate) fn with(components: &str, arguments: &[&str]) -> Self {
        Self::with_environment(components, arguments, &[])
    }

    pub(crate) fn with_environment(
        components: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        // Spans that a test waits for come soon.
        let environment = [&[("OTEL_BSP_SCHEDULE_DELAY", "100")][..], environment].concat();
        Self(Process::start(BINARY.as_ref(), components, arguments, &environment))
    }

    /// HTTP over TCP.
    pub(crate) fn http(&self) -> At {
        At::Tcp(self.text("http"))
    }

    /// HTTP over the Unix socket.
    pub(crate) fn http_socket(&self) -> At {
        At::Unix(self.text("http_socket").into())
    }

    /// gRPC over TCP.
    pub(crate) fn grpc(&self) -> At {
        At::Tcp(self.text("grpc"))
    }

    /// gRPC over the Unix socket.
    pub(crate) fn grpc_socket(&self) -> At {
        At::Unix(self.text("grpc_socket").into())
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.0.child.id()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.folder.path()
    }

    /// The ready line.
    pub(crate) fn ready(&self) -> &Value {
        &self.0.ready
    }

    /// A text of the ready line.
    pub(crate) fn text(&self, name: &str) -> String {
        self.0.text(name)
    }

    /// Sends a request over HTTP and TCP.
    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        wire::call(&self.http(), method, path, &[], body).await
    }

    /// How often the store's provider was reached for an operation, or for any.
    pub(crate) async fn reached(&self, operation: Option<&str>) -> u64 {
        self.reached_at("store", operation).await
    }

    /// As [`Self::reached`], for any component.
    pub(crate) async fn reached_at(&self, component: &str, operation: Option<&str>) -> u64 {
        let answer = wire::call(&At::Tcp(self.text("metrics")), "GET", "/metrics", &[], "").await;
        process::calls(std::str::from_utf8(&answer.body).unwrap(), component, operation)
    }

    /// How much of its memory is resident, in bytes.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.0.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Tells it to stop while something is under way, and looks whether it waits for that: it is not healthy any more, and
    /// answers all the same.
    pub(crate) async fn begin_to_stop(&self) {
        self.signal("TERM");
        while self.call("GET", "/v1.0/healthz", "").await.status == 204 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // One that does not wait has gone before so many calls.
        for _ in 0..200 {
            assert_ne!(self.call("GET", "/v1.0/healthz", "").await.status, 204);
        }
    }

    /// Waits for the process to end by itself; meanwhile the test's own connections go on.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.0.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The sidecar's command and nothing else.
pub(crate) fn bare<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    process::bare(BINARY.as_ref(), arguments)
}

/// Starts a sidecar that is expected to refuse to, and answers what it said.
pub(crate) fn refused(components: &str, arguments: &[&str]) -> String {
    refused_with_environment(components, arguments, &[])
}

pub(crate) fn refused_with_environment(
    components: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> String {
    let folder = TempDir::new().unwrap();
    let mut command = process::command(BINARY.as_ref(), folder.path(), components);
    refusal(&command.args(arguments).envs(environment.iter().copied()).output().unwrap())
}

/// What a sidecar said that did not start.
pub(crate) fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "the sidecar started");
    assert!(output.stdout.is_empty(), "no ready line is due");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Starts a command and hands out its first line of standard output.
pub(crate) fn first_line(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

/// Waits for a child and answers what it wrote to standard error.
pub(crate) fn errors(mut child: Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    text
}

/// A redb component in a file.
pub(crate) fn redb(file: &Path) -> String {
    MEMORY.replace("state.in-memory", "state.redb")
        + &format!("  metadata:\n  - name: path\n    value: {}\n", file.display())
}

/// A Redis component at an address.
pub(crate) fn redis(address: std::net::SocketAddr) -> String {
    MEMORY.replace("state.in-memory", "state.redis")
        + &format!("  metadata:\n  - name: redisHost\n    value: {address}\n")
}

/// The path of a socket of the app `app`.
pub(crate) fn socket(folder: &Path, scheme: &str) -> PathBuf {
    folder.join(format!("dapr-app-{scheme}.socket"))
}
