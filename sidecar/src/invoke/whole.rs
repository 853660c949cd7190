//! Calls with a whole message each way, as `InvokeService` and Dapr's `CallLocal` have them.

use std::borrow::Cow;
use std::sync::Arc;

use dapr::dapr::proto::common::v1::http_extension::Verb;
use dapr::dapr::proto::common::v1::{InvokeRequest, InvokeResponse};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use prost_types::Any;
use tonic::Code;

use super::{Refused, binary, cleaned, headers, local, message, oninvoke};
use crate::Sidecar;
use crate::body::{Body, whole};

/// What a path or a query has no room for as it is. What is encoded already stays so.
const UNFIT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What an app answered.
#[derive(Debug, Default)]
pub(super) struct Answered {
    pub(super) status: message::Status,
    pub(super) headers: HeaderMap,
    pub(super) trailers: HeaderMap,
    pub(super) message: InvokeResponse,
}

/// Has this sidecar's own app answer.
pub(super) async fn local(
    sidecar: &Arc<Sidecar>,
    message: InvokeRequest,
    metadata: HeaderMap,
) -> Result<Answered, Refused> {
    let app = local::app(sidecar)?;
    if !app.protocol.is_grpc() {
        let data = message.data.as_ref().map(|data| data.value.clone()).unwrap_or_default();
        let response = local::http(sidecar, request(&message, metadata, whole(data))?).await?;
        return answered(response, sidecar.max_body_size).await;
    }
    Ok(match oninvoke::invoke(sidecar, app, message, oninvoke::to_binary_metadata(&metadata)).await? {
        Ok(response) => {
            let (metadata, message, _) = response.into_parts();
            let status = message::Status { code: Code::Ok as i32, ..message::Status::default() };
            Answered { status, headers: own(metadata.into_headers()), trailers: HeaderMap::new(), message }
        }
        Err(status) => {
            let details = prost::Message::decode(status.details());
            let details = details.map(|status: tonic_types::pb::Status| status.details).unwrap_or_default();
            let code = status.code() as i32;
            let headers = own(status.metadata().clone().into_headers());
            let status = message::Status { code, message: status.message().to_owned(), details };
            Answered { status, headers, ..Answered::default() }
        }
    })
}

/// The request over HTTP that a message stands for.
pub(super) fn request(
    message: &InvokeRequest,
    metadata: HeaderMap,
    body: Body,
) -> Result<Request<Body>, Refused> {
    let wrong = |text: &str| Refused::new(Code::InvalidArgument, text);
    let extension = message.http_extension.as_ref().ok_or_else(|| wrong("missing HTTP extension field"))?;
    let method = match extension.verb() {
        Verb::None | Verb::Connect => return Err(wrong("invalid HTTP verb")),
        verb => Method::from_bytes(verb.as_str_name().as_bytes()).map_err(|_| wrong("invalid HTTP verb"))?,
    };
    let mut path = method_path(&message.method)?;
    if !extension.querystring.is_empty() {
        path.push('?');
        path.push_str(&extension.querystring);
    }
    let path = Cow::from(utf8_percent_encode(&path, UNFIT));
    let path = PathAndQuery::try_from(&*path).map_err(|error| wrong(&format!("invalid method: {error}")))?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = path.into();
    *request.headers_mut() = metadata;
    let fields = request.headers_mut();
    headers::clean(fields);
    // What gRPC's message has of its own says nothing of HTTP's.
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TE, header::ACCEPT_ENCODING] {
        fields.remove(name);
    }
    let of_grpc = |name: &str| name.starts_with("grpc-") || name.ends_with(binary::SUFFIX);
    let names: Vec<_> = fields.keys().filter(|name| of_grpc(name.as_str())).cloned().collect();
    names.iter().for_each(|name| drop(fields.remove(name)));
    if let Ok(value) = HeaderValue::try_from(&message.content_type)
        && !value.is_empty()
    {
        fields.insert(header::CONTENT_TYPE, value);
    }
    Ok(request)
}

/// The path of a method. As with Dapr, nothing in it may hide where it leads.
pub(super) fn method_path(method: &str) -> Result<String, Refused> {
    if method.contains(['?', '#']) || method.contains(|c: char| c.is_ascii_control()) {
        let text =
            "invalid method: it has ?, # or a control character; a query belongs into the HTTP extension";
        return Err(Refused::new(Code::InvalidArgument, text));
    }
    Ok(cleaned(method))
}

/// The message that an answer over HTTP comes to.
pub(super) async fn answered(response: Response<Body>, limit: usize) -> Result<Answered, Refused> {
    let (head, body) = response.into_parts();
    let body = http_body_util::Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            let text = format!("the answer has more than {limit} bytes; --max-body-size raises the limit");
            Refused::new(Code::ResourceExhausted, text)
        } else {
            Refused::new(Code::Internal, format!("the answer broke off: {error}"))
        }
    })?;
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let data = Any { type_url: String::new(), value: body.to_bytes().into() };
    let reason = head.status.canonical_reason().unwrap_or_default();
    Ok(Answered {
        status: message::Status {
            code: i32::from(head.status.as_u16()),
            message: reason.to_owned(),
            ..message::Status::default()
        },
        headers: head.headers,
        trailers: HeaderMap::new(),
        message: InvokeResponse { data: Some(data), content_type },
    })
}

/// What an app said itself in its metadata.
fn own(mut metadata: HeaderMap) -> HeaderMap {
    headers::clean(&mut metadata);
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::DATE] {
        metadata.remove(name);
    }
    let names: Vec<_> = metadata.keys().filter(|name| name.as_str().starts_with("grpc-")).cloned().collect();
    names.iter().for_each(|name| drop(metadata.remove(name)));
    metadata
}
