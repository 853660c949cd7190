//! The native app beside a sidecar, by whatever way the job says.

use pillion_harness::job::Job;
use pillion_harness::runner::{App, Setup};
use pillion_logic::Capabilities as _;
use pillion_native::{GrpcSidecar, HttpSidecar, SharedMemorySidecar, StreamSidecar};
use tokio::task::JoinHandle;

use crate::{address, provider_calls};

/// Opens a [`Beside`].
pub struct OpenBeside;

/// The native app beside a sidecar.
pub struct Beside {
    client: Client,
    metrics: String,
    component: String,
    /// Keeps the executor from sleeping, if the lane wants that.
    spinning: Option<JoinHandle<()>>,
}

enum Client {
    Http(HttpSidecar),
    Grpc(GrpcSidecar),
    Stream(StreamSidecar),
    SharedMemory(SharedMemorySidecar),
}

/// Does the same with whichever client it is, without boxing what comes of it.
macro_rules! with {
    ($beside:expr, $client:ident => $what:expr) => {
        match &$beside.client {
            Client::Http($client) => $what,
            Client::Grpc($client) => $what,
            Client::Stream($client) => $what,
            Client::SharedMemory($client) => $what,
        }
    };
}

// === impl Beside ===

impl Setup for OpenBeside {
    type App = Beside;

    async fn open(&self, job: &Job, provider: &str) -> Result<Beside, String> {
        let sidecar = job.sidecar.as_ref().ok_or("the job has no sidecar")?;
        let client = Client::open(job, provider).await?;
        // Calls through shared memory spin by themselves.
        let spins = job.busy_poll && !matches!(client, Client::SharedMemory(_));
        let spinning = spins.then(|| tokio::spawn(spin()));
        let (metrics, component) = (sidecar.metrics.clone(), provider.to_owned());
        let beside = Beside { client, metrics, component, spinning };
        // One call, so that the connection stands before anybody looks at it.
        with!(beside, client => client.get("nothing").await).map_err(|error| error.to_string())?;
        Ok(beside)
    }
}

impl App for Beside {
    #[inline]
    async fn call(&self, operation: &str, request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
        let handled = with!(self, client => pillion_logic::handle(client, operation, request, reply).await);
        handled.map(|handled| handled.finish(reply)).map_err(|error| error.to_string())
    }

    async fn preload(&self, key: &str, value: &[u8]) -> Result<(), String> {
        with!(self, client => client.set(key, value).await).map_err(|error| error.to_string())
    }

    async fn stored(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        let found = with!(self, client => {
            client.get(key).await.map(|value| value.map(|value| value.as_ref().to_vec()))
        });
        found.map_err(|error| error.to_string())
    }

    async fn provider_calls(&self) -> Result<u64, String> {
        provider_calls(&self.metrics, &self.component).await
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(spinning) = &self.spinning {
            spinning.abort();
        }
    }
}

// === impl Client ===

impl Client {
    async fn open(job: &Job, store: &str) -> Result<Self, String> {
        if job.pipelined && job.protocol.as_deref() != Some("http") {
            return Err(format!("pipelining is of the protocol http, not of {:?}", job.protocol));
        }
        if job.protocol.as_deref() == Some("shared-memory") {
            let name = job.sidecar.as_ref().and_then(|sidecar| sidecar.shared_memory.as_deref());
            let name = name.ok_or("the sidecar has no shared memory")?;
            let client = SharedMemorySidecar::new(name, store, None, job.busy_poll);
            return Ok(Self::SharedMemory(bulk(client, job, SharedMemorySidecar::with_bulk)));
        }
        let failed = |error: pillion_logic::CallError| error.to_string();
        let address = address(job)?;
        Ok(match job.protocol.as_deref() {
            Some("http") => {
                let open = if job.pipelined { HttpSidecar::pipelined } else { HttpSidecar::new };
                Self::Http(bulk(open(address, store), job, HttpSidecar::with_bulk))
            }
            Some("http2") => {
                Self::Http(bulk(HttpSidecar::http2(address, store), job, HttpSidecar::with_bulk))
            }
            Some("grpc") => {
                let client = GrpcSidecar::connect(address, store).await.map_err(failed)?;
                Self::Grpc(bulk(client, job, GrpcSidecar::with_bulk))
            }
            Some("stream") => {
                let client = StreamSidecar::connect(address, store).await.map_err(failed)?;
                Self::Stream(bulk(client, job, StreamSidecar::with_bulk))
            }
            other => return Err(format!("no client speaks {other:?}")),
        })
    }
}

fn bulk<C>(client: C, job: &Job, with_bulk: impl FnOnce(C) -> C) -> C {
    if job.bulk { with_bulk(client) } else { client }
}

/// Keeps the executor asking the kernel what is ready, without waiting, for as long as it has nothing else to do.
async fn spin() {
    loop {
        tokio::task::yield_now().await;
    }
}
