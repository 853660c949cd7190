//! The guest in our host, over a provider in the same process or, where the job has a sidecar, over the sidecar.

use std::sync::Arc;

use pillion_capabilities::KeyValue;
use pillion_harness::job::Job;
use pillion_harness::runner::{App, Setup};
use pillion_host::engine::UnknownCompiler;
use pillion_host::identity::TrustedIssuers;
use pillion_host::{ActorRef, Host, HostConfig};
use pillion_native::{GrpcSidecar, SidecarKeyValue};

use crate::{address, open, preload, provider_calls, stored};

/// Opens a [`HostApp`].
pub struct OpenHost;

/// The guest in our host.
pub struct HostApp {
    host: Host,
    actor: ActorRef,
    store: Arc<dyn KeyValue>,
    /// The address of the sidecar's metrics and the component, where there is a sidecar.
    metrics: Option<(String, String)>,
}

// === impl HostApp ===

impl Setup for OpenHost {
    type App = HostApp;

    async fn open(&self, job: &Job, provider: &str) -> Result<HostApp, String> {
        let guest = job.guest.as_ref().ok_or("the job has no guest")?;
        let module =
            std::fs::read(&guest.path).map_err(|error| format!("{}: {error}", guest.path.display()))?;
        let compiler = job.compiler.as_deref().map(str::parse).transpose();
        let config = HostConfig {
            compiler: compiler.map_err(|error: UnknownCompiler| error.to_string())?.unwrap_or_default(),
            trust: TrustedIssuers::from([guest.issuer.clone()]).into(),
            cache: Some(job.cache.clone()),
            ..HostConfig::default()
        };
        let host = Host::new(config).map_err(|error| error.to_string())?;
        let actor = host.load(&module).map_err(|error| error.to_string())?;
        let (store, metrics): (Arc<dyn KeyValue>, _) = match &job.sidecar {
            None => (open(job, provider).await?, None),
            Some(sidecar) => {
                let client = GrpcSidecar::connect(address(job)?, provider).await;
                let client = client.map_err(|error| error.to_string())?;
                let metrics = (sidecar.metrics.clone(), provider.to_owned());
                (Arc::new(SidecarKeyValue::new(client)), Some(metrics))
            }
        };
        host.bind(&actor, "default", Arc::clone(&store)).map_err(|error| error.to_string())?;
        Ok(HostApp { host, actor, store, metrics })
    }
}

impl App for HostApp {
    #[inline]
    async fn call(&self, operation: &str, request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
        if self.actor.always_ready() {
            let called = self.host.call_into(&self.actor, operation, request, reply);
            return called.map_err(|error| error.to_string());
        }
        let answer = self.host.call(&self.actor, operation, request).wait().await;
        reply.extend_from_slice(&answer.map_err(|error| error.to_string())?);
        Ok(())
    }

    async fn preload(&self, key: &str, value: &[u8]) -> Result<(), String> {
        preload(&*self.store, key, value).await
    }

    async fn stored(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        stored(&*self.store, key).await
    }

    async fn provider_calls(&self) -> Result<u64, String> {
        match &self.metrics {
            None => Ok(self.store.counters().total()),
            Some((address, component)) => provider_calls(address, component).await,
        }
    }
}
