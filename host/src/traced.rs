//! Spans around every call into an actor, and around every call that an actor makes; and which trace it all is of.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use pillion_capabilities::trace::{self, Context, FutureExt as _, KeyValue, SpanKind, Tracing};
use pillion_codec::{BrokerMessage, Request, RequestMessage};

use crate::dispatch::{Bindings, Contract, Target};
use crate::engine::{CallFailure, Dispatch, Dispatched, Gate, HostCall, Reply};

/// What a span says of itself: its name, and its attributes.
type Description = (Cow<'static, str>, Vec<KeyValue>);

/// Begins a span for each call into an actor, outside of all layers.
pub(crate) struct Entrance {
    pub(crate) tracing: Tracing,
    pub(crate) actor: Arc<str>,
    pub(crate) inner: Option<Arc<dyn Gate>>,
}

/// Begins a span for each call that an actor makes, outside of all layers.
pub(crate) struct Way {
    pub(crate) tracing: Tracing,
    /// Where its calls go.
    pub(crate) bindings: Bindings,
    pub(crate) inner: Arc<dyn Dispatch>,
}

// === impl Entrance ===

impl Gate for Entrance {
    fn context(&self, operation: &str) -> Option<Context> {
        let describe = || {
            let attributes = vec![
                KeyValue::new("pillion.actor", Arc::clone(&self.actor)),
                KeyValue::new("pillion.operation", trace::clipped(operation.as_bytes())),
            ];
            (Cow::Owned(trace::clipped(operation.as_bytes())), attributes)
        };
        Some(self.tracing.begin(&Context::current(), SpanKind::Internal, describe))
    }

    fn before(&self, operation: &str, payload: &[u8]) -> Result<(), CallFailure> {
        let before = self.inner.as_ref().map_or(Ok(()), |inner| inner.before(operation, payload));
        if let Err(failure) = &before {
            trace::end(&Context::current(), Some(&failure.to_string()));
        }
        before
    }

    fn after(&self, operation: &str, outcome: Result<&[u8], &CallFailure>, took: Duration) {
        if let Some(inner) = &self.inner {
            inner.after(operation, outcome, took);
        }
        let failure = outcome.err().map(ToString::to_string);
        trace::end(&Context::current(), failure.as_deref());
    }
}

// === impl Way ===

impl Way {
    fn begin(&self, call: &HostCall<'_>) -> Context {
        let target = self.bindings.find(call);
        let kind = match &target {
            Some(Target::Provider(provider, _))
                if provider.contract() == Contract::Messaging && call.operation == b"Publish" =>
            {
                SpanKind::Producer
            }
            _ => SpanKind::Client,
        };
        self.tracing.begin(&Context::current(), kind, || describe(target.as_ref(), call))
    }
}

impl Dispatch for Way {
    fn always_ready(&self) -> bool {
        self.inner.always_ready()
    }

    fn dispatch(&self, call: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        let context = self.begin(call);
        let attached = context.clone().attach();
        let dispatched = self.inner.dispatch(call, reply);
        drop(attached);
        match dispatched {
            Dispatched::Done => {
                trace::end(&context, reply.error().as_deref());
                Dispatched::Done
            }
            // Wherever it is polled, it is for this span.
            Dispatched::Pending(pending) => Dispatched::Pending(Box::pin(async move {
                let reply = pending.with_context(context.clone()).await;
                trace::end(&context, reply.error().as_deref());
                reply
            })),
        }
    }

    fn log(&self, line: &str) {
        self.inner.log(line);
    }
}

// === free functions ===

fn describe(target: Option<&Target<'_>>, call: &HostCall<'_>) -> Description {
    let (namespace, operation) = (trace::clipped(call.namespace), trace::clipped(call.operation));
    let name = format!("{namespace} {operation}");
    let mut attributes = vec![
        KeyValue::new("pillion.contract", namespace),
        KeyValue::new("pillion.operation", operation),
        KeyValue::new("pillion.binding", trace::clipped(call.binding)),
    ];
    match target {
        Some(Target::Provider(provider, _)) => {
            attributes.push(KeyValue::new("pillion.provider", provider.name()));
            match provider.contract() {
                Contract::Messaging => attributes.extend(of_message(provider.name(), call)),
                Contract::HttpClient => attributes.extend(of_request(call)),
                _ => {}
            }
        }
        Some(Target::Actor(link)) => attributes.push(KeyValue::new("pillion.callee", link.key().to_owned())),
        // It will be denied.
        None => {}
    }
    (name.into(), attributes)
}

/// After OpenTelemetry's conventions.
fn of_message(provider: &'static str, call: &HostCall<'_>) -> Vec<KeyValue> {
    let subject = match call.operation {
        b"Publish" => BrokerMessage::decode(call.payload).map(|message| message.subject),
        _ => RequestMessage::decode(call.payload).map(|message| message.subject),
    };
    let mut attributes = vec![KeyValue::new("messaging.system", provider)];
    if let Ok(subject) = subject {
        attributes.push(KeyValue::new("messaging.destination.name", trace::clipped(subject.as_bytes())));
    }
    attributes
}

/// After OpenTelemetry's conventions, without a query or a password, which may be nobody else's business.
fn of_request(call: &HostCall<'_>) -> Vec<KeyValue> {
    let Ok(request) = Request::decode(call.payload) else { return Vec::new() };
    let mut attributes =
        vec![KeyValue::new("http.request.method", trace::clipped(request.method.as_bytes()))];
    if let Ok(url) = request.path.parse::<Uri>()
        && let (Some(scheme), Some(host)) = (url.scheme_str(), url.host())
    {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let url = format!("{scheme}://{host}{port}{}", url.path());
        attributes.push(KeyValue::new("server.address", trace::clipped(host.as_bytes())));
        attributes.push(KeyValue::new("url.full", trace::clipped(url.as_bytes())));
    }
    attributes
}
