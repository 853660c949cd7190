//! Calls over HTTP of an app that speaks gRPC: `AppCallback.OnInvoke`.

use std::sync::Arc;

use bytes::Bytes;
use dapr::dapr::proto::common::v1::http_extension::Verb;
use dapr::dapr::proto::common::v1::{HttpExtension, InvokeRequest, InvokeResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use prost_types::Any;
use serde_json::json;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::{Refused, binary, headers, spans};
use crate::Sidecar;
use crate::app::App;
use crate::body::{Body, whole};

/// Fields of HTTP that in gRPC's metadata would be taken for its own, or for the sidecar's: there they have a prefix.
const PERMANENT: [&str; 26] = [
    "accept",
    "accept-charset",
    "accept-language",
    "accept-ranges",
    "authorization",
    "cache-control",
    "content-type",
    "cookie",
    "date",
    "expect",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-schedule-tag-match",
    "if-unmodified-since",
    "max-forwards",
    "origin",
    "pragma",
    "referer",
    "user-agent",
    "via",
    "warning",
    "content-length",
    "te",
];

/// Has the app answer a request over HTTP, by its callback.
pub(super) async fn http(
    sidecar: &Arc<Sidecar>,
    app: &App,
    request: Request<Body>,
) -> Result<Response<Body>, Refused> {
    let (head, body) = request.into_parts();
    let body = read(body, sidecar.max_body_size).await?;
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let message = InvokeRequest {
        method: head.uri.path().trim_start_matches('/').to_owned(),
        data: Some(Any { type_url: String::new(), value: body.into() }),
        content_type: content_type.unwrap_or_default().to_owned(),
        http_extension: Some(HttpExtension {
            verb: verb(&head.method)? as i32,
            querystring: head.uri.query().unwrap_or_default().to_owned(),
        }),
    };
    let answer = invoke(sidecar, app, message, to_metadata(&head.headers)).await?;
    Ok(match answer {
        Ok(answer) => {
            let (metadata, message, _) = answer.into_parts();
            let mut response = Response::new(whole(message.data.unwrap_or_default().value));
            let fields = response.headers_mut();
            for (name, value) in metadata.into_headers().iter() {
                // Binary values are no text, and what the message has of its own is not the body's.
                let own = name == header::CONTENT_TYPE || name.as_str().starts_with("grpc-");
                if !own && !name.as_str().ends_with(binary::SUFFIX) {
                    fields.append(name.clone(), value.clone());
                }
            }
            headers::clean(fields);
            fields.remove(header::CONTENT_LENGTH);
            fields.remove(header::DATE);
            let content_type = Some(message.content_type).filter(|it| !it.is_empty());
            let content_type = content_type.and_then(|content_type| HeaderValue::try_from(content_type).ok());
            let json = HeaderValue::from_static("application/json");
            fields.insert(header::CONTENT_TYPE, content_type.unwrap_or(json));
            response
        }
        Err(status) => {
            let body = json!({ "code": status.code() as i32, "message": status.message() });
            let mut response = Response::new(whole(body.to_string()));
            *response.status_mut() = http_status(status.code());
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
    })
}

/// Calls the app's callback: its own refusal is an answer.
pub(super) async fn invoke(
    sidecar: &Arc<Sidecar>,
    app: &App,
    message: InvokeRequest,
    mut metadata: HeaderMap,
) -> Result<Result<tonic::Response<InvokeResponse>, Status>, Refused> {
    let _turn = app.admit().await?;
    headers::take_token(&mut metadata);
    let mut callbacks = app.callbacks().max_decoding_message_size(usize::MAX);
    // For the span's name alone.
    let method = if sidecar.tracing.is_some() { message.method.clone() } else { String::new() };
    let send = async |metadata| {
        let mut request = tonic::Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(metadata);
        callbacks.on_invoke(request).await
    };
    Ok(spans::called(sidecar, &method, metadata, send).await)
}

/// A whole body; the callback takes no other.
pub(super) async fn read(mut body: Body, limit: usize) -> Result<Bytes, Refused> {
    let read = Limited::new(&mut body, limit).collect().await;
    if read.as_ref().is_err_and(|error| error.is::<http_body_util::LengthLimitError>()) {
        // A client that is still writing would not see the answer.
        crate::http::hear_out(&mut body).await;
        return Err(Refused::too_long(limit));
    }
    read.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if let Some(status) = error.downcast_ref::<Status>() {
            Refused::new(status.code(), status.message())
        } else {
            Refused::new(Code::Internal, format!("error reading the request body: {error}"))
        }
    })
}

/// Fields of HTTP as gRPC's metadata.
pub(super) fn to_metadata(fields: &HeaderMap) -> HeaderMap {
    metadata(fields, false)
}

/// As [`to_metadata`], with the binary values of a caller who spoke gRPC, and knows what they are.
pub(super) fn to_binary_metadata(fields: &HeaderMap) -> HeaderMap {
    metadata(fields, true)
}

fn metadata(fields: &HeaderMap, binary: bool) -> HeaderMap {
    let mut metadata = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let text = name.as_str();
        if PERMANENT.contains(&text) {
            if let Ok(name) = HeaderName::try_from(format!("dapr-{name}")) {
                metadata.append(name, value.clone());
            }
        } else if text == spans::BINARY && binary
            || !text.starts_with("grpc-") && (binary || !text.ends_with(binary::SUFFIX))
        {
            metadata.append(name.clone(), value.clone());
        }
    }
    metadata
}

fn verb(method: &Method) -> Result<Verb, Refused> {
    let found = Verb::from_str_name(method.as_str()).filter(|verb| *verb != Verb::None);
    found.ok_or_else(|| Refused::new(Code::InvalidArgument, "invalid HTTP verb"))
}

/// The status over HTTP for gRPC's code, as Dapr has it.
pub(super) const fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::REQUEST_TIMEOUT,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// gRPC's code for a status over HTTP, as Dapr has it.
pub(super) fn grpc_code(status: StatusCode) -> Code {
    match status.as_u16() {
        200..300 => Code::Ok,
        408 => Code::Cancelled,
        400 => Code::Internal,
        504 => Code::DeadlineExceeded,
        404 => Code::NotFound,
        409 => Code::AlreadyExists,
        403 => Code::PermissionDenied,
        401 => Code::Unauthenticated,
        429 => Code::ResourceExhausted,
        501 => Code::Unimplemented,
        503 => Code::Unavailable,
        _ => Code::Unknown,
    }
}
