//! A collector of traces: OTLP over HTTP and gRPC on one port.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{Error, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tower::Service as _;

/// A collector of traces that runs on a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: watch::Sender<Vec<CollectedSpan>>,
    runtime: Option<Runtime>,
}

/// A span that was exported. Identifiers are in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectedSpan {
    /// Whose it is: `service.name`.
    pub service: String,
    /// What it is called.
    pub name: String,
    /// Its kind, as `SPAN_KIND_SERVER`.
    pub kind: String,
    /// The trace that it is of.
    pub trace: String,
    /// Its own identifier.
    pub span: String,
    /// The span that it is within; empty for the first of a trace.
    pub parent: String,
    /// Its `tracestate`.
    pub state: String,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// What went wrong, if anything did.
    pub error: Option<String>,
}

/// How long spans may take to come. Only a broken exporter takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where OTLP over HTTP takes traces.
const PATH: &str = "/v1/traces";

/// What gRPC calls come to.
#[derive(Clone)]
struct Sink(watch::Sender<Vec<CollectedSpan>>);

// === impl Collector ===

impl Collector {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When there is no port or no thread.
    pub fn start() -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let spans = watch::Sender::default();
        let sink = Sink(spans.clone());
        let within = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        drop(within);
        runtime.spawn(serve(listener, sink));
        Ok(Self { address, spans, runtime: Some(runtime) })
    }

    /// Its URL, for either protocol.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came until now.
    #[must_use]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.spans.borrow().clone()
    }

    /// What came, once it is as it should be.
    ///
    /// # Errors
    /// When it never is; the error has what came.
    pub async fn until(&self, so: impl Fn(&[CollectedSpan]) -> bool) -> Result<Vec<CollectedSpan>> {
        let mut spans = self.spans.subscribe();
        let waited = tokio::time::timeout(PATIENCE, spans.wait_for(|spans| so(spans))).await;
        match waited {
            Ok(Ok(spans)) => Ok(spans.clone()),
            _ => Err(Error::other(format!("these spans are not as they should be: {:#?}", self.spans()))),
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

// === impl CollectedSpan ===

impl CollectedSpan {
    /// An attribute's value; empty if it is not there.
    #[must_use]
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

// === impl Sink ===

impl Sink {
    fn take(&self, request: ExportTraceServiceRequest) {
        let mut collected = Vec::new();
        for resource in request.resource_spans {
            let about = resource.resource.map(|resource| attributes(resource.attributes));
            let service = about.and_then(|mut about| about.remove("service.name"));
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let kind = span.kind().as_str_name().to_owned();
                let status = span.status.unwrap_or_default();
                collected.push(CollectedSpan {
                    service: service.clone().unwrap_or_default(),
                    name: span.name,
                    kind,
                    trace: hex(&span.trace_id),
                    span: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    state: span.trace_state,
                    attributes: attributes(span.attributes),
                    error: (status.code() == SpanStatus::Error).then_some(status.message),
                });
            }
        }
        self.0.send_modify(|spans| spans.extend(collected));
    }
}

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> std::result::Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        self.take(request.into_inner());
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

// === free functions ===

async fn serve(listener: TcpListener, sink: Sink) {
    while let Ok((stream, _)) = listener.accept().await {
        let sink = sink.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(sink.clone(), request));
            // The exporter may go before.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    sink: Sink,
    request: Request<Incoming>,
) -> std::result::Result<Response<UnsyncBoxBody<Bytes, tonic::Status>>, Infallible> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        let response = TraceServiceServer::new(sink).call(request).await?;
        return Ok(response.map(|body| body.boxed_unsync()));
    }
    let mut response = Response::new(Full::default().map_err(|never| match never {}).boxed_unsync());
    if request.uri().path() != PATH {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    }
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    match body.map(ExportTraceServiceRequest::decode) {
        Ok(Ok(request)) => sink.take(request),
        _ => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let pair = |KeyValue { key, value, .. }| (key, value.map(text).unwrap_or_default());
    pairs.into_iter().map(pair).collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
