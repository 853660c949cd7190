//! A sidecar process, for the tests of the sidecar and of its clients: this file is a module of both.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

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

/// Free ones.
const PORTS: [&str; 6] = ["--dapr-http-port", "0", "--dapr-grpc-port", "0", "--metrics-port", "0"];

/// A sidecar of the app `app` on free ports and with sockets in a folder of its own, killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) ready: Value,
    pub(crate) folder: TempDir,
}

// === impl Process ===

impl Process {
    /// Starts the binary with these components, further arguments and variables, and waits until it is ready.
    pub(crate) fn start(
        binary: &Path,
        components: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = command(binary, folder.path(), components);
        command.arg("--unix-domain-socket").arg(folder.path()).args(arguments);
        let (child, ready) = spawn(command.envs(environment.iter().copied()));
        Self { child, ready, folder }
    }

    /// Starts the binary anew over the same components and at the same sockets, once it has ended.
    #[allow(dead_code, reason = "not every test starts one again")]
    pub(crate) fn again(&mut self, binary: &Path, arguments: &[&str]) {
        let resources = self.folder.path().join("resources");
        let mut command = bare(binary, [OsStr::new("--resources-path"), resources.as_os_str()]);
        command.args(["--app-id", "app"]).args(PORTS);
        command.arg("--unix-domain-socket").arg(self.folder.path()).args(arguments);
        (self.child, self.ready) = spawn(&mut command);
    }

    /// A text of the ready line.
    pub(crate) fn text(&self, name: &str) -> String {
        self.ready[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.ready)).to_owned()
    }
}

/// Starts a sidecar and reads its ready line.
fn spawn(command: &mut Command) -> (Child, Value) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if line.is_empty() {
        let status = child.wait().unwrap();
        panic!("the sidecar ended with {status} before it was ready");
    }
    (child, serde_json::from_str(&line).unwrap())
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sidecar's command with components written into a folder, on free ports.
pub(crate) fn command(binary: &Path, folder: &Path, components: &str) -> Command {
    let resources = folder.join("resources");
    std::fs::create_dir(&resources).unwrap();
    std::fs::write(resources.join("components.yaml"), components).unwrap();
    let mut command = bare(binary, [OsStr::new("--resources-path"), resources.as_os_str()]);
    command.args(["--app-id", "app"]).args(PORTS);
    command
}

/// The sidecar's command and nothing else.
pub(crate) fn bare<A: AsRef<OsStr>>(binary: &Path, arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(binary);
    for variable in [
        "DAPR_API_TOKEN",
        "NAMESPACE",
        "POD_NAME",
        "APP_ID",
        "DAPR_HTTP_DISABLE_H2C",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ] {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// How often a component's provider was reached for an operation, or for any, as the metrics' text has it.
pub(crate) fn calls(metrics: &str, component: &str, operation: Option<&str>) -> u64 {
    let start = format!("pillion_provider_calls_total{{component=\"{component}\"");
    let wanted = operation.map(|operation| format!("operation=\"{operation}\""));
    let lines: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with(&start))
        .filter(|line| wanted.as_ref().is_none_or(|wanted| line.contains(wanted)))
        .collect();
    assert!(!lines.is_empty(), "no such metric in {metrics}");
    lines.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}
