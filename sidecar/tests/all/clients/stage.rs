//! What the official clients' programs run beside: a sidecar with every building block, and room for an app.

use std::sync::atomic::{AtomicU16, Ordering};

use crate::sidecar::{MEMORY, Sidecar};
use crate::wire;

/// A sidecar of the app `app`, which listens on a port that is known before it is there.
pub(super) struct Stage {
    pub(super) sidecar: Sidecar,
    app_port: u16,
}

// === impl Stage ===

impl Stage {
    /// A sidecar whose app speaks this.
    pub(super) fn for_app(protocol: &str) -> Self {
        let app_port = free_port();
        let port = app_port.to_string();
        let sidecar = Sidecar::with(MEMORY, &["--app-port", &port, "--app-protocol", protocol]);
        Self { sidecar, app_port }
    }

    /// A sidecar without an app.
    pub(super) fn alone() -> Self {
        Self { sidecar: Sidecar::memory(), app_port: 0 }
    }

    /// The variables by which Dapr's clients find the sidecar, and apps their port.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let port = |name: &str| self.sidecar.text(name).rsplit(':').next().unwrap().to_owned();
        vec![
            ("DAPR_HTTP_PORT", port("http")),
            ("DAPR_GRPC_PORT", port("grpc")),
            ("APP_PORT", self.app_port.to_string()),
            ("APP_ID", "app".to_owned()),
        ]
    }

    /// Waits until the sidecar has seen its app, with so many subscriptions.
    pub(super) async fn until_subscribed(&self, subscriptions: usize) {
        loop {
            let metadata = self.sidecar.call("GET", "/v1.0/metadata", "").await.json();
            let healthy = wire::call(&self.sidecar.http(), "GET", "/v1.0/healthz", &[], "").await;
            if healthy.status.is_success()
                && metadata["subscriptions"].as_array().unwrap().len() == subscriptions
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// A port that nobody listens on, and that the system gives to nobody who asks for any.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other processes of tests begin elsewhere.
    let start = u16::try_from(std::process::id() % 1_000).unwrap() * 10;
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
