//! A sidecar process for a test.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::wire::{self, Answer, At};

/// A sidecar of the app `app`, killed when dropped.
pub(crate) struct Sidecar {
    child: Child,
    pub(crate) ready: Value,
    folder: TempDir,
}

/// The component `store`, in memory.
pub(crate) const MEMORY: &str = "\
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: store
spec:
  type: state.in-memory
  version: v1
";

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
        let folder = TempDir::new().unwrap();
        let mut command = command(folder.path(), components);
        let mut child = command
            .arg("--unix-domain-socket")
            .arg(folder.path())
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let status = child.wait().unwrap();
            panic!("the sidecar ended with {status} before it was ready");
        }
        Self { child, ready: serde_json::from_str(&line).unwrap(), folder }
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

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A text of the ready line.
    pub(crate) fn text(&self, name: &str) -> String {
        self.ready[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.ready)).to_owned()
    }

    /// Sends a request over HTTP and TCP.
    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        wire::call(&self.http(), method, path, &[], body).await
    }

    /// How often the store's provider was reached for an operation, or for any.
    pub(crate) async fn reached(&self, operation: Option<&str>) -> u64 {
        let answer = wire::call(&At::Tcp(self.text("metrics")), "GET", "/metrics", &[], "").await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let calls =
            text.lines().filter(|line| line.starts_with("pillion_provider_calls_total{component=\"store\""));
        let calls = calls.filter(|line| {
            operation.is_none_or(|operation| line.contains(&format!("operation=\"{operation}\"")))
        });
        let mut seen = 0;
        let total = calls.map(|line| {
            seen += 1;
            line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
        });
        let total = total.sum();
        assert!(seen > 0, "no such metric in {text}");
        total
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Waits for the process to end by itself; meanwhile the test's own connections go on.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sidecar's command with components written into a folder, on free ports.
fn command(folder: &Path, components: &str) -> Command {
    let resources = folder.join("resources");
    fs::create_dir(&resources).unwrap();
    fs::write(resources.join("components.yaml"), components).unwrap();
    let mut command = bare([OsStr::new("--resources-path"), resources.as_os_str()]);
    command.args([
        "--app-id",
        "app",
        "--dapr-http-port",
        "0",
        "--dapr-grpc-port",
        "0",
        "--metrics-port",
        "0",
    ]);
    command
}

/// The sidecar's command and nothing else.
pub(crate) fn bare<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pillion-sidecar"));
    for variable in ["DAPR_API_TOKEN", "NAMESPACE", "APP_ID", "DAPR_HTTP_DISABLE_H2C"] {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Starts a sidecar that is expected to refuse to, and answers what it said.
pub(crate) fn refused(components: &str, arguments: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    let output = command(folder.path(), components).args(arguments).output().unwrap();
    refusal(&output)
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
