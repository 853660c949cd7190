//! How the app is asked which bindings it wants, and called with their events.

use std::sync::Arc;

use dapr::dapr::proto::runtime::v1::BindingEventRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use percent_encoding::utf8_percent_encode;
use pillion_capabilities::trace::{self, Context, FutureExt as _, KeyValue, SpanKind};
use tonic::metadata::MetadataMap;

use super::answer::Answer;
use super::{Event, Read};
use crate::app::App;
use crate::body::{Body, PATH, whole};
use crate::{Sidecar, invoke};

/// Which bindings the app wants: asked once of an app that speaks gRPC, and for each binding otherwise.
#[derive(Default)]
pub(super) struct Wishes(Option<Vec<String>>);

// === impl Wishes ===

impl Wishes {
    /// Whether the app wants a binding.
    pub(super) async fn ask(&mut self, sidecar: &Arc<Sidecar>, binding: &Read) -> bool {
        let Some(app) = &sidecar.app else { return false };
        if binding.certain {
            return true;
        }
        let asked =
            if app.protocol.is_grpc() { self.grpc(app, binding).await } else { http(app, binding).await };
        asked.unwrap_or_else(|reason| {
            tracing::error!("the app was not asked whether it wants binding {}: {reason}", binding.name);
            false
        })
    }

    async fn grpc(&mut self, app: &App, binding: &Read) -> Result<bool, String> {
        let bindings = match self.0.take() {
            Some(bindings) => bindings,
            None => match app.callbacks().list_input_bindings(()).await {
                Ok(response) => response.into_inner().bindings,
                // It has none.
                Err(status) if status.code() == tonic::Code::Unimplemented => Vec::new(),
                Err(status) => return Err(status.to_string()),
            },
        };
        let wanted = bindings.contains(&binding.name);
        self.0 = Some(bindings);
        Ok(wanted)
    }
}

async fn http(app: &App, binding: &Read) -> Result<bool, String> {
    let request = request(Method::OPTIONS, &binding.route, whole(Vec::new()))?;
    let status = app.send(request).await.map_err(|error| error.to_string())?.status();
    Ok(status.is_success() || status == StatusCode::METHOD_NOT_ALLOWED)
}

/// Calls the app with an event, within a span if there are any; answers what it wants done.
pub(super) async fn deliver(sidecar: &Arc<Sidecar>, binding: &Read, event: Event) -> Result<Answer, String> {
    let Some(app) = &sidecar.app else { return Err("there is none".to_owned()) };
    let Some(tracing) = &sidecar.tracing else { return send(sidecar, app, binding, event, None).await };
    // Nobody asked for it: each event begins a trace.
    let context = tracing.begin(&Context::new(), SpanKind::Consumer, || {
        // Dapr's names.
        let attributes =
            vec![KeyValue::new("db.system", "bindings"), KeyValue::new("db.name", binding.name.clone())];
        (trace::clipped(format!("bindings/{}", binding.name).as_bytes()).into(), attributes)
    });
    let sent = send(sidecar, app, binding, event, Some(&context)).with_context(context.clone()).await;
    trace::end(&context, sent.as_ref().err().map(String::as_str));
    sent.map(|answer| answer.within(context))
}

async fn send(
    sidecar: &Arc<Sidecar>,
    app: &App,
    binding: &Read,
    event: Event,
    context: Option<&Context>,
) -> Result<Answer, String> {
    if app.protocol.is_grpc() {
        let metadata = event.metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let request = BindingEventRequest { name: binding.name.clone(), data: event.data, metadata };
        let mut request = tonic::Request::new(request);
        if let Some(context) = context {
            let mut fields = HeaderMap::new();
            invoke::inject(context, &mut fields);
            invoke::inject_binary(context, &mut fields);
            *request.metadata_mut() = MetadataMap::from_headers(fields);
        }
        let _turn = app.admit().await.map_err(|error| error.to_string())?;
        let response = app.callbacks().on_binding_event(request).await;
        return response.map(|response| response.into_inner().into()).map_err(|status| status.to_string());
    }
    let mut request = request(Method::POST, &binding.route, whole(event.data))?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in event.metadata {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    if let Some(context) = context {
        invoke::inject(context, headers);
    }
    let response = app.forward(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), sidecar.max_body_size).collect().await;
    if !status.is_success() {
        return Err(format!("it answered {status}"));
    }
    let body = body.map_err(|error| format!("its answer cannot be read: {error}"))?.to_bytes();
    Ok(Answer::read(&body))
}

fn request(method: Method, route: &str, body: Body) -> Result<Request<Body>, String> {
    let path = format!("/{}", utf8_percent_encode(route.trim_start_matches('/'), PATH));
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() =
        Uri::try_from(path).map_err(|error| format!("its route {route:?} is no path: {error}"))?;
    Ok(request)
}
