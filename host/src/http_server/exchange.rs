//! One request and its response.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, http};
use pillion_capabilities::trace::{
    self, Context, FutureExt as _, KeyValue, SpanContext, SpanKind, TRACEPARENT, TRACESTATE,
    TraceContextExt as _,
};
use pillion_codec::{Headers, Request as ActorRequest, Response as ActorResponse};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Shared, granted};
use crate::actor::ActorRef;
use crate::engine::CallFailure;
use crate::workers;

/// A response that says why there is no other.
type Refusal = Box<Response<Bytes>>;

/// Has a request answered, as part of the trace that it says, or of a new one.
pub(super) async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Bytes> {
    let parent = trace::from_headers(request.headers());
    let parent = parent.map(|parent| Context::new().with_remote_span_context(parent));
    let Some(tracing) = &shared.tracing else {
        return match parent {
            None => respond(shared, request, None).await,
            // The actor gets the fields as they came.
            Some(context) => respond(shared, request, None).with_context(context).await,
        };
    };
    let context = tracing.begin(&parent.unwrap_or_default(), SpanKind::Server, || describe(shared, &request));
    let own = context.span().span_context().clone();
    let response = respond(shared, request, Some(&own)).with_context(context.clone()).await;
    let status = response.status();
    context.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    trace::end(&context, status.is_server_error().then(|| status.as_str()));
    response
}

/// What a request's span is called, and says. A path may have anything in it, and names are to be few.
fn describe(shared: &Shared, request: &Request<Incoming>) -> (Cow<'static, str>, Vec<KeyValue>) {
    let method = trace::clipped(request.method().as_str().as_bytes());
    let attributes = vec![
        KeyValue::new("http.request.method", method.clone()),
        KeyValue::new("url.path", trace::clipped(request.uri().path().as_bytes())),
        KeyValue::new("pillion.actor", shared.actor.key().to_owned()),
    ];
    (method.into(), attributes)
}

/// `own` is the span that the actor is told of, in place of what the request says.
async fn respond(shared: &Shared, request: Request<Incoming>, own: Option<&SpanContext>) -> Response<Bytes> {
    let Shared { actor, options, room, .. } = shared;
    let claims = actor.claims();
    // An update may have taken it away.
    if !granted(&claims) {
        let said = "the actor is no longer granted wascc:http_server";
        return plain(StatusCode::FORBIDDEN, said.to_owned());
    }
    if claims.expired().is_some() {
        let said = "the actor's token has expired; it has to be updated with a module signed anew";
        return plain(StatusCode::SERVICE_UNAVAILABLE, said.to_owned());
    }
    let (head, body) = request.into_parts();
    let read = tokio::time::timeout(options.patience, read(body, options.body, room)).await;
    let (body, _permit) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(refusal)) => return *refusal,
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "the body did not come in time".to_owned()),
    };
    let payload = encode(&head, &body, own);
    drop(body);
    match workers::call(actor.guest(), "HandleRequest", &payload).await {
        Ok(response) => decode(actor, &response),
        Err(failure) => {
            tracing::warn!(target: "pillion::http", actor = actor.key(), %failure, "a request failed");
            let status = match failure {
                CallFailure::Removed | CallFailure::Expired(_) => StatusCode::SERVICE_UNAVAILABLE,
                ref busy if busy.is_busy() => StatusCode::SERVICE_UNAVAILABLE,
                CallFailure::Deadline(_) | CallFailure::Patience(_) | CallFailure::Fuel(_) => {
                    StatusCode::GATEWAY_TIMEOUT
                }
                CallFailure::Halted(_) => StatusCode::FORBIDDEN,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            // What went wrong within is not for the client.
            plain(status, "the actor did not answer".to_owned())
        }
    }
}

/// Reads a body whole. It takes up room as it arrives: what a client announces costs nothing.
async fn read(
    mut body: Incoming,
    limit: usize,
    room: &Arc<Semaphore>,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refusal> {
    let refuse = |status, text: String| Err(Box::new(plain(status, text)));
    let too_large = || refuse(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {limit} bytes"));
    if u64::try_from(limit).is_ok_and(|limit| body.size_hint().lower() > limit) {
        return too_large();
    }
    let (mut read, mut permit) = (BytesMut::new(), None::<OwnedSemaphorePermit>);
    while let Some(frame) = body.frame().await {
        let data = match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => data,
            // Trailers, which actors do not get.
            Ok(Err(_)) => continue,
            Err(error) => {
                return refuse(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}"));
            }
        };
        if read.len() + data.len() > limit {
            return too_large();
        }
        let length = u32::try_from(data.len()).ok();
        let Some(more) = length.and_then(|it| Arc::clone(room).try_acquire_many_owned(it).ok()) else {
            let said = "the server holds as many bytes of requests as it may; try again later";
            return refuse(StatusCode::SERVICE_UNAVAILABLE, said.to_owned());
        };
        match &mut permit {
            Some(permit) => permit.merge(more),
            None => permit = Some(more),
        }
        read.extend_from_slice(&data);
    }
    Ok((read.freeze(), permit))
}

/// The request as actors get it. Fields of the same name are joined, as HTTP allows.
fn encode(head: &http::request::Parts, body: &[u8], own: Option<&SpanContext>) -> Vec<u8> {
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        // Cookies are joined by another sign than all other fields.
        let sign = if name == header::COOKIE { "; " } else { ", " };
        fields
            .entry(name.as_str())
            .and_modify(|joined| {
                joined.push_str(sign);
                joined.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    // HTTP/2 names the host beside the fields; where both do, this is the one that counts.
    if let Some(authority) = head.uri.authority() {
        let authority = authority.as_str();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        fields.insert(header::HOST.as_str(), host.to_owned());
    }
    if let Some(own) = own.filter(|own| own.is_valid()) {
        fields.insert(TRACEPARENT, trace::traceparent(own));
        match trace::tracestate(own) {
            Some(state) => fields.insert(TRACESTATE, state),
            None => fields.remove(TRACESTATE),
        };
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
    let mut payload = Vec::with_capacity(body.len() + 512);
    let request = ActorRequest {
        method: head.method.as_str(),
        path: head.uri.path(),
        query_string: head.uri.query().unwrap_or_default(),
        header: Headers::new(&fields),
        body,
    };
    request.encode(&mut payload);
    payload
}

/// The response that an actor gave, or one that says that it is none.
fn decode(actor: &ActorRef, response: &[u8]) -> Response<Bytes> {
    match decoded(response) {
        Ok(response) => response,
        Err(reason) => {
            tracing::warn!(target: "pillion::http", actor = actor.key(), reason, "no HTTP response");
            plain(StatusCode::BAD_GATEWAY, "the actor's answer is no HTTP response".to_owned())
        }
    }
}

fn decoded(response: &[u8]) -> Result<Response<Bytes>, String> {
    let decoded = ActorResponse::decode(response).map_err(|error| error.to_string())?;
    let status = u16::try_from(decoded.status_code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    // 1xx announces a response and is none.
    let status = status
        .filter(|status| !status.is_informational())
        .ok_or_else(|| format!("the status code {}", decoded.status_code))?;
    let mut response = Response::new(Bytes::copy_from_slice(decoded.body));
    *response.status_mut() = status;
    for (name, value) in decoded.header.iter() {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return Err(format!("the header field {name:?}"));
        };
        // These belong to the connection, and follow from the body.
        if ![header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

fn plain(status: StatusCode, text: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
