//! Dapr's own protocol between sidecars: `dapr.proto.internals.v1.ServiceInvocation`.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use dapr::dapr::proto::common::v1::{InvokeRequest, InvokeResponse, StreamPayload};
use futures_util::stream::{self, Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use tonic::server::Grpc;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

use super::access::{Asked, Verb};
use super::internal::{is_here, wrapped};
use super::message::{
    self, InternalInvokeRequest, InternalInvokeRequestStream, InternalInvokeResponse,
    InternalInvokeResponseStream, to_fields, to_headers,
};
use super::whole::{self, Answered};
use super::{Refused, headers, local, measured};
use crate::Sidecar;
use crate::body::{Body, streamed};
use crate::grpc::{Reading, unread};
use crate::metrics::Outcome;

/// The path of every method up to its name.
pub(super) const SERVICE: &str = "/dapr.proto.internals.v1.ServiceInvocation/";
/// The path of the call with whole messages.
pub(super) const CALL_LOCAL: &str = "/dapr.proto.internals.v1.ServiceInvocation/CallLocal";

type Parts = Pin<Box<dyn Stream<Item = Result<InternalInvokeResponseStream, Status>> + Send>>;

/// Answers a sidecar that speaks Dapr's own protocol.
pub(super) async fn answer(
    sidecar: &Arc<Sidecar>,
    method: &str,
    request: Request<Incoming>,
) -> Response<Body> {
    let limit = sidecar.max_body_size;
    let response = match method {
        "CallLocal" => {
            let reading = Reading::default();
            let service = tower::service_fn(|request: tonic::Request<InternalInvokeRequest>| {
                reading.done();
                let sidecar = Arc::clone(sidecar);
                async move {
                    let answered = call(&sidecar, request.into_inner()).await;
                    answered.map(tonic::Response::new).map_err(Refused::into_status)
                }
            });
            let response = Grpc::new(ProstCodec::<InternalInvokeResponse, InternalInvokeRequest>::default())
                .max_decoding_message_size(limit)
                .unary(service, request)
                .await;
            reading.answer(limit, response)
        }
        "CallLocalStream" => {
            let service =
                tower::service_fn(|request: tonic::Request<Streaming<InternalInvokeRequestStream>>| {
                    let sidecar = Arc::clone(sidecar);
                    async move {
                        let answered = call_stream(&sidecar, request.into_inner()).await;
                        answered.map(tonic::Response::new).map_err(Refused::into_status)
                    }
                });
            Grpc::new(ProstCodec::<InternalInvokeResponseStream, InternalInvokeRequestStream>::default())
                .max_decoding_message_size(limit)
                .streaming(service, request)
                .await
        }
        other => {
            let message = format!("method {other} of service ServiceInvocation is not implemented");
            Status::unimplemented(message).into_http()
        }
    };
    response.map(streamed)
}

/// A call with a whole message each way.
async fn call(
    sidecar: &Arc<Sidecar>,
    request: InternalInvokeRequest,
) -> Result<InternalInvokeResponse, Refused> {
    let caller = caller(&request);
    let call = async {
        let (message, metadata) = admitted(sidecar, request)?;
        wrapped(whole::local(sidecar, message, metadata).await)
    };
    let outcome = |answered: &Answered| Outcome::of_number(answered.status.code);
    let answered = measured::received(sidecar, caller, false, outcome, call).await?;
    Ok(InternalInvokeResponse {
        status: Some(answered.status),
        headers: to_fields(&answered.headers),
        trailers: to_fields(&answered.trailers),
        message: Some(answered.message),
    })
}

/// A call whose bodies come in parts.
async fn call_stream(
    sidecar: &Arc<Sidecar>,
    mut parts: Streaming<InternalInvokeRequestStream>,
) -> Result<Parts, Refused> {
    let limit = sidecar.max_body_size;
    let broken = |status| {
        let status = unread(limit, status);
        Refused::new(status.code(), status.message())
    };
    let first = parts.message().await.map_err(broken)?.unwrap_or_default();
    let missing = || {
        Refused::new(
            Code::InvalidArgument,
            "request does not contain the required fields in the leading chunk",
        )
    };
    let request = first.request.ok_or_else(missing)?;
    let caller = caller(&request);
    let outcome = |(status, _): &(i32, Parts)| Outcome::of_number(*status);
    let call = answer_stream(sidecar, request, in_order(first.payload, parts, limit));
    let (_, answer) = measured::received(sidecar, caller, false, outcome, call).await?;
    Ok(answer)
}

/// What the app answers to a body that comes in parts, with its status.
async fn answer_stream(
    sidecar: &Arc<Sidecar>,
    request: InternalInvokeRequest,
    body: Body,
) -> Result<(i32, Parts), Refused> {
    let (message, metadata) = admitted(sidecar, request)?;
    if local::app(sidecar)?.protocol.is_grpc() {
        // The callback takes a whole message.
        let data = super::oninvoke::read(body, sidecar.max_body_size).await?;
        let data = prost_types::Any { type_url: String::new(), value: data.into() };
        let message = InvokeRequest { data: Some(data), ..message };
        let Answered { status, headers, trailers, message } =
            wrapped(whole::local(sidecar, message, metadata).await)?;
        let code = status.code;
        let InvokeResponse { data, content_type } = message;
        let response = InternalInvokeResponse {
            status: Some(status),
            headers: to_fields(&headers),
            trailers: to_fields(&trailers),
            message: Some(InvokeResponse { data: None, content_type }),
        };
        let data = data.unwrap_or_default().value;
        let payload = StreamPayload { data, seq: 0 };
        let part = InternalInvokeResponseStream { response: Some(response), payload: Some(payload) };
        return Ok((code, stream::iter([Ok(part)]).boxed()));
    }
    let request = whole::request(&message, metadata, body)?;
    let (head, body) = wrapped(local::http(sidecar, request).await)?.into_parts();
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let response = InternalInvokeResponse {
        status: Some(message::Status { code: i32::from(head.status.as_u16()), ..message::Status::default() }),
        headers: to_fields(&head.headers),
        trailers: message::Fields::new(),
        message: Some(InvokeResponse {
            data: None,
            content_type: content_type.unwrap_or_default().to_owned(),
        }),
    };
    let first = InternalInvokeResponseStream { response: Some(response), payload: None };
    let rest = stream::unfold((body, 0_u64), |(mut body, seq)| async move {
        loop {
            match body.frame().await? {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => {
                        let payload = StreamPayload { data: data.into(), seq };
                        let part = InternalInvokeResponseStream { response: None, payload: Some(payload) };
                        return Some((Ok(part), (body, seq + 1)));
                    }
                    // Dapr has no trailers here.
                    Err(_) => continue,
                },
                Err(error) => {
                    return Some((Err(Status::internal(error.to_string())), (body, seq)));
                }
            }
        }
    });
    Ok((i32::from(head.status.as_u16()), stream::iter([Ok(first)]).chain(rest).boxed()))
}

/// The body that comes in parts, in their order.
fn in_order(
    first: Option<StreamPayload>,
    parts: Streaming<InternalInvokeRequestStream>,
    limit: usize,
) -> Body {
    let first = stream::iter(first.map(Ok));
    let rest = parts.filter_map(move |part| async move {
        match part {
            Ok(part) => part.payload.map(Ok),
            Err(status) => Some(Err(unread(limit, status))),
        }
    });
    let mut expected = 0;
    let frames = first.chain(rest).map(move |payload| {
        let payload: StreamPayload = payload?;
        if payload.seq != expected {
            return Err(Status::invalid_argument(format!(
                "invalid sequence number received: {} (expected: {expected})",
                payload.seq
            )));
        }
        expected += 1;
        Ok(Frame::data(Bytes::from(payload.data)))
    });
    streamed(StreamBody::new(frames))
}

/// Who calls, as the caller's sidecar says.
fn caller(request: &InternalInvokeRequest) -> Option<HeaderValue> {
    let value = request.metadata.get(headers::CALLER.as_str())?.values.first()?;
    HeaderValue::try_from(value).ok()
}

/// A call's message and metadata, if whoever calls may.
fn admitted(
    sidecar: &Sidecar,
    request: InternalInvokeRequest,
) -> Result<(InvokeRequest, HeaderMap), Refused> {
    let text = "parsing InternalInvokeRequest error: it has no message";
    let mut message = request.message.ok_or_else(|| Refused::new(Code::InvalidArgument, text))?;
    let mut metadata = to_headers(&request.metadata);
    headers::clean(&mut metadata);
    headers::take_token(&mut metadata);
    if let Some(callee) = metadata.get(headers::CALLEE).and_then(|id| id.to_str().ok()) {
        is_here(sidecar, callee)?;
    }
    // What is looked at is what the app is asked for.
    let path = whole::method_path(&message.method)?;
    if let Some(access) = &sidecar.invoker.access {
        let verb = message.http_extension.as_ref().map_or("NONE", |extension| extension.verb().as_str_name());
        let verb = Verb::of(sidecar, verb);
        access.check(&headers::caller(&metadata), &Asked { path: &path, verb })?;
    }
    let slash = usize::from(!message.method.starts_with('/'));
    message.method = path.get(slash..).unwrap_or_default().to_owned();
    Ok((message, metadata))
}
