//! Traces: which request a call belongs to, and how long each part of it took.
//!
//! The context of a trace is OpenTelemetry's [`Context`], which a thread has while it works for a request; a future has
//! it by [`FutureExt::with_context`] wherever it is polled. It comes in and goes out by W3C's header fields
//! ([`from_headers`], [`inject`]) also where nothing is traced: then it is passed on as it came. With [`Tracing`], each
//! part of a request is a span, and spans are exported by OTLP.

mod binary;
mod client;
mod export;
mod options;
mod w3c;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use export::Background;
use opentelemetry::trace::{Span as _, SpanBuilder, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider};

pub use binary::{from_binary, to_binary};
pub use opentelemetry::trace::{FutureExt, SpanContext, SpanKind, Status, TraceContextExt};
pub use opentelemetry::{Context, KeyValue};
pub use options::{Export, Options, Protocol, SamplingRate};
pub use w3c::{TRACEPARENT, TRACESTATE, from_headers, from_pairs, inject, traceparent, tracestate};

use crate::{Error, Result};

/// Begins spans and has them exported. Clones are the same.
#[derive(Clone)]
pub struct Tracing {
    inner: Arc<Inner>,
}

struct Inner {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
    /// What the exporter runs on: its own, so that neither busy guests nor a collector that hangs are in the other's way.
    background: Option<Background>,
}

/// Texts of spans that others may have chosen have no more bytes than this.
pub const LONGEST_TEXT: usize = 256;

// === impl Tracing ===

impl Tracing {
    /// Starts tracing. With an exporter, a thread of its own exports what was ended, some seconds later at most; a
    /// collector that does not answer costs spans and nothing else.
    ///
    /// # Errors
    /// When the endpoint is none, or no thread can be started.
    pub fn start(options: &Options) -> Result<Self> {
        // A parent's own decision is the one that counts, so that a trace is whole or not there.
        let ratio = Sampler::TraceIdRatioBased(options.sampling_rate.get());
        let mut builder = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .with_resource(Resource::builder().with_service_name(options.service.clone()).build());
        let mut background = None;
        if let Some(export) = &options.export {
            let (exporter, runs) = export::exporter(export)?;
            builder = builder.with_span_processor(BatchSpanProcessor::builder(exporter).build());
            background = Some(runs);
        }
        let provider = builder.build();
        let tracer = provider.tracer("pillion");
        Ok(Self { inner: Arc::new(Inner { tracer, provider, background }) })
    }

    /// Begins a span: a child of the parent's, or of nobody, which is a new trace. What it is to be called and its
    /// attributes are asked only if it is recorded. It ends by [`end`], or when nobody has its context any more.
    pub fn begin(
        &self,
        parent: &Context,
        kind: SpanKind,
        describe: impl FnOnce() -> (Cow<'static, str>, Vec<KeyValue>),
    ) -> Context {
        let builder = SpanBuilder::from_name("").with_kind(kind);
        let mut span = self.inner.tracer.build_with_context(builder, parent);
        if span.is_recording() {
            let (name, attributes) = describe();
            span.update_name(name);
            span.set_attributes(attributes);
        }
        parent.with_span(span)
    }

    /// Has what ended until now exported, and waits for that: some seconds at most.
    ///
    /// # Errors
    /// When the exporter was not done in time.
    pub fn flush(&self) -> Result<()> {
        self.inner.provider.force_flush().map_err(unexported)
    }

    /// Has what ended until now exported, and no more from now on. Blocks this thread, as long as `patience` at most.
    ///
    /// # Errors
    /// When the exporter was not done in time.
    pub fn shutdown(&self, patience: Duration) -> Result<()> {
        self.inner.provider.shutdown_with_timeout(patience).map_err(unexported)
    }

    /// As [`Tracing::shutdown`], from within a runtime, whose threads go on; what goes wrong is logged.
    pub async fn close(self, patience: Duration) {
        // A runtime that ends gives it up, and there is nobody left to tell.
        let ended = tokio::task::spawn_blocking(move || self.shutdown(patience)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(target: "pillion::trace", %error, "the last spans may be lost");
        }
    }
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing").field("exports", &self.inner.background.is_some()).finish_non_exhaustive()
    }
}

// === free functions ===

/// Ends a context's span, with what went wrong if something did.
pub fn end(context: &Context, error: Option<&str>) {
    let span = context.span();
    if let Some(error) = error
        && span.is_recording()
    {
        span.set_status(Status::error(clipped(error.as_bytes())));
    }
    span.end();
}

/// The span that this thread works for; `None` where it works for none that anybody could know of.
#[must_use]
pub fn current() -> Option<SpanContext> {
    Context::map_current(|context| {
        let span = context.span();
        let context = span.span_context();
        context.is_valid().then(|| context.clone())
    })
}

/// As much of a text as a span needs, as an attribute's value or a name.
#[must_use]
pub fn clipped(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(LONGEST_TEXT)]).into_owned()
}

fn unexported(error: impl fmt::Display) -> Error {
    Error::Unavailable { provider: "the collector of traces".to_owned(), reason: error.to_string() }
}
