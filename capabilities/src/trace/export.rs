//! Spans on their way to a collector.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::Uri;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{SpanExporter as Otlp, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;

use super::client::{Client, Reason};
use super::options::{Export, Protocol};
use crate::{Error, Result};

/// An exporter that runs on a runtime of its own, whoever asks it, and tells of what it could not export: once when that
/// begins, and once when it ends.
pub(super) struct Exporter {
    otlp: Arc<Otlp>,
    runtime: Handle,
    export: Export,
    /// Why the last batch over HTTP could not be sent.
    reason: Reason,
    /// The spans that were lost since the last batch that was exported.
    lost: AtomicU64,
}

/// What exporters run on. It may be dropped within another runtime, as it waits for nothing.
pub(super) struct Background {
    handle: Handle,
    /// Taken when it ends.
    runtime: Option<Runtime>,
}

/// Where OTLP over HTTP takes traces.
const PATH: &str = "/v1/traces";

// === free functions ===

pub(super) fn exporter(export: &Export) -> Result<(Exporter, Background)> {
    let endpoint = endpoint(export)?;
    let wrong =
        |error: &dyn fmt::Display| Error::InvalidArgument(format!("endpoint {:?}: {error}", export.endpoint));
    let background = Background::start()?;
    // Both make tasks of theirs.
    let within = background.handle.enter();
    let reason = Reason::default();
    let otlp = match export.protocol {
        Protocol::Grpc => {
            let mut builder = Otlp::builder().with_tonic();
            if endpoint.scheme_str() == Some("https") {
                builder = builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots());
            }
            builder.with_endpoint(endpoint.to_string()).with_timeout(export.timeout).build()
        }
        Protocol::Http => {
            let client = Client::new(export.timeout, Arc::clone(&reason))?;
            Otlp::builder()
                .with_http()
                .with_http_client(client)
                .with_endpoint(endpoint.to_string())
                .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
                .with_timeout(export.timeout)
                .build()
        }
    };
    let otlp = otlp.map_err(|error| wrong(&error))?;
    let (otlp, runtime) = (Arc::new(otlp), background.handle.clone());
    drop(within);
    let (export, lost) = (export.clone(), AtomicU64::new(0));
    Ok((Exporter { otlp, runtime, export, reason, lost }, background))
}

/// The URL that batches are sent to.
pub(super) fn endpoint(export: &Export) -> Result<Uri> {
    let Export { endpoint, protocol, .. } = export;
    let (scheme, port) = match protocol {
        Protocol::Http => ("http", 4318),
        Protocol::Grpc => ("grpc", 4317),
    };
    let wrong = |reason: &str| {
        Error::InvalidArgument(format!(
            "endpoint {endpoint:?} {reason}; write the collector's URL for {scheme}, as http://127.0.0.1:{port}"
        ))
    };
    let url: Uri = endpoint.parse().map_err(|_| wrong("is no URL"))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err(wrong("begins with neither http:// nor https://"));
    }
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        // What it is stays unsaid.
        let said =
            "endpoint has a user or a password in it; say such by the variable OTEL_EXPORTER_OTLP_HEADERS";
        return Err(Error::InvalidArgument(said.to_owned()));
    }
    if url.host().is_none_or(str::is_empty) || url.query().is_some() {
        return Err(wrong("is not the URL of a server"));
    }
    if *protocol == Protocol::Grpc || url.path().trim_end_matches('/').ends_with(PATH) {
        return Ok(url);
    }
    let mut parts = url.into_parts();
    let path = parts.path_and_query.as_ref().map_or("", |path| path.path()).trim_end_matches('/');
    parts.path_and_query = Some(format!("{path}{PATH}").parse().map_err(|_| wrong("has no path"))?);
    Uri::from_parts(parts).map_err(|_| wrong("is no URL"))
}

// === impl Background ===

impl Background {
    fn start() -> Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("pillion-traces").enable_all().build();
        let runtime =
            runtime.map_err(|error| Error::InvalidArgument(format!("no thread can be started: {error}")))?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

// === impl Exporter ===

impl Exporter {
    async fn send(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (otlp, patience) = (Arc::clone(&self.otlp), self.export.timeout);
        // Its own patience does not bound an attempt that is under way.
        let sent = self.runtime.spawn(async move { timeout(patience, otlp.export(batch)).await });
        match sent.await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(OTelSdkError::Timeout(patience)),
            Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
        }
    }

    fn tell(&self, spans: u64, result: &OTelSdkResult) {
        let (endpoint, reason) = (&self.export.endpoint, self.reason.lock().take());
        match result {
            Ok(()) => {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    tracing::warn!(target: "pillion::trace", endpoint, lost, "spans are exported again");
                }
            }
            Err(error) if self.lost.fetch_add(spans, Ordering::Relaxed) == 0 => {
                let remedy = "start the collector, or correct the endpoint; requests are not affected";
                tracing::warn!(target: "pillion::trace", endpoint, %error, reason, remedy, "spans are not exported");
            }
            Err(error) => {
                tracing::debug!(target: "pillion::trace", endpoint, %error, reason, "nor are these")
            }
        }
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exporter to {}", self.export.endpoint)
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.send(batch).await;
        self.tell(spans, &result);
        // Told as it should be; the SDK would tell it with each batch.
        Ok(())
    }

    fn shutdown_with_timeout(&self, patience: std::time::Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(patience)
    }

    fn set_resource(&mut self, resource: &Resource) {
        // Nothing is exported before it is there, so that there is no other handle yet.
        if let Some(otlp) = Arc::get_mut(&mut self.otlp) {
            otlp.set_resource(resource);
        }
    }
}
