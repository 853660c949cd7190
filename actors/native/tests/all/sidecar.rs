//! A sidecar process over a store in memory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use pillion_native::Address;

use crate::process::{self, MEMORY, Process};

/// A sidecar with the store `statestore`; it ends with this value.
pub(crate) struct Sidecar(Process);

// === impl Sidecar ===

impl Sidecar {
    pub(crate) fn start() -> Self {
        Self::with_environment(&[])
    }

    pub(crate) fn with_environment(environment: &[(&str, &str)]) -> Self {
        let component = MEMORY.replace("name: store", "name: statestore");
        Self(Process::start(binary(), &component, &[], environment))
    }

    pub(crate) fn http(&self) -> [Address; 2] {
        [Address::Tcp(self.0.text("http")), Address::Unix(self.0.text("http_socket").into())]
    }

    pub(crate) fn grpc(&self) -> [Address; 2] {
        [Address::Tcp(self.0.text("grpc")), Address::Unix(self.0.text("grpc_socket").into())]
    }

    /// How often the provider was reached by `operation`.
    pub(crate) async fn reached(&self, operation: &str) -> u64 {
        let (_, metrics) = get(&self.0.text("metrics"), "/metrics").await;
        process::calls(&metrics, "statestore", Some(operation))
    }

    /// Starts it anew at its sockets, once it has ended.
    pub(crate) fn again(&mut self) {
        self.0.again(binary(), &[]);
    }

    pub(crate) fn end(&mut self) {
        self.0.child.kill().unwrap();
        self.0.child.wait().unwrap();
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
            .args(["build", "--quiet", "--workspace", "--bin", "pillion-sidecar"])
            .args(["--features", "pillion-sidecar/shared-memory", "--target-dir"])
            .arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the sidecar does not build");
        profile.join("pillion-sidecar")
    })
}
