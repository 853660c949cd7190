//! A sidecar process over a store in memory.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use pillion_native::Address;
use serde::Deserialize;
use tempfile::TempDir;

const COMPONENT: &str = "apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: statestore
spec:
  type: state.in-memory
  version: v1
";

/// A sidecar; it ends with this value.
pub(crate) struct Sidecar {
    process: Child,
    ready: Ready,
    _directory: TempDir,
}

#[derive(Deserialize)]
struct Ready {
    http: String,
    grpc: String,
    http_socket: PathBuf,
    grpc_socket: PathBuf,
    metrics: String,
}

// === impl Sidecar ===

impl Sidecar {
    pub(crate) fn start() -> Self {
        Self::with_environment(&[])
    }

    pub(crate) fn with_environment(environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("statestore.yaml"), COMPONENT).unwrap();
        let mut command = Command::new(binary());
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
        for variable in ["DAPR_API_TOKEN", "NAMESPACE", "APP_ID", "DAPR_HTTP_DISABLE_H2C"] {
            command.env_remove(variable);
        }
        command.envs(environment.iter().copied());
        command.arg("--resources-path").arg(directory.path());
        command.arg("--unix-domain-socket").arg(directory.path());
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, ready: serde_json::from_str(&line).unwrap(), _directory: directory }
    }

    pub(crate) fn http(&self) -> [Address; 2] {
        [Address::Tcp(self.ready.http.clone()), Address::Unix(self.ready.http_socket.clone())]
    }

    pub(crate) fn grpc(&self) -> [Address; 2] {
        [Address::Tcp(self.ready.grpc.clone()), Address::Unix(self.ready.grpc_socket.clone())]
    }

    /// How often the provider was reached by `operation`.
    pub(crate) async fn reached(&self, operation: &str) -> u64 {
        let (_, metrics) = get(&self.ready.metrics, "/metrics").await;
        let line = metrics.lines().find(|line| {
            line.starts_with("pillion_provider_calls_total{")
                && line.contains(&format!("operation=\"{operation}\""))
        });
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    pub(crate) fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Status and text of a GET.
pub(crate) async fn get(address: &str, path: &str) -> (u16, String) {
    ask(address, "GET", path, b"").await
}

/// Status and text of a request by a client that is not under test.
pub(crate) async fn ask(address: &str, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    use http_body_util::{BodyExt, Full};
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    let request = http::Request::builder().method(method).uri(format!("http://{address}{path}"));
    let request = request.body(Full::new(bytes::Bytes::copy_from_slice(body))).unwrap();
    let response = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// The sidecar's binary. Cargo builds only the binaries of the package under test, so it is built here, into the
/// folder that this test was built into; `PILLION_SIDECAR` names one that is there already.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("PILLION_SIDECAR") {
            return path.into();
        }
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            // With the features of the whole workspace, as the test was built with.
            .args(["build", "--quiet", "--workspace", "--bin", "pillion-sidecar", "--target-dir"])
            .arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the sidecar does not build");
        profile.join("pillion-sidecar")
    })
}
