//! The native app beside a sidecar, over HTTP or gRPC as the job says.

use pillion_harness::job::Job;
use pillion_harness::runner::{App, Setup};
use pillion_logic::Capabilities as _;
use pillion_native::{GrpcSidecar, HttpSidecar};

use crate::{address, provider_calls};

/// Opens a [`Beside`].
pub struct OpenBeside;

/// The native app beside a sidecar.
pub struct Beside {
    client: Client,
    metrics: String,
    component: String,
}

enum Client {
    Http(HttpSidecar),
    Grpc(GrpcSidecar),
}

// === impl Beside ===

impl Setup for OpenBeside {
    type App = Beside;

    async fn open(&self, job: &Job, provider: &str) -> Result<Beside, String> {
        let sidecar = job.sidecar.as_ref().ok_or("the job has no sidecar")?;
        let address = address(job)?;
        let client = match job.protocol.as_deref() {
            Some("http") => {
                let client = HttpSidecar::new(address, provider);
                // One call, so that the connection stands before anybody looks at it.
                client.get("nothing").await.map_err(|error| error.to_string())?;
                Client::Http(client)
            }
            _ => Client::Grpc(
                GrpcSidecar::connect(address, provider).await.map_err(|error| error.to_string())?,
            ),
        };
        Ok(Beside { client, metrics: sidecar.metrics.clone(), component: provider.to_owned() })
    }
}

impl App for Beside {
    #[inline]
    async fn call(&self, operation: &str, request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
        let handled = match &self.client {
            Client::Http(client) => pillion_logic::handle(client, operation, request, reply).await,
            Client::Grpc(client) => pillion_logic::handle(client, operation, request, reply).await,
        };
        handled.map(|handled| handled.finish(reply)).map_err(|error| error.to_string())
    }

    async fn preload(&self, key: &str, value: &[u8]) -> Result<(), String> {
        let set = match &self.client {
            Client::Http(client) => client.set(key, value).await,
            Client::Grpc(client) => client.set(key, value).await,
        };
        set.map_err(|error| error.to_string())
    }

    async fn provider_calls(&self) -> Result<u64, String> {
        provider_calls(&self.metrics, &self.component).await
    }
}
