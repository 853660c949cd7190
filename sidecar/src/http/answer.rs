//! Answers over HTTP.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use pillion_capabilities::keyvalue::Entry;
use serde_json::{Value, json};

use crate::ApiError;
use crate::body::{Body, whole};
use crate::error::{DOMAIN, Detail};
use crate::state::expire_time;

/// An answer.
pub(super) type Answer = Response<Body>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The header that carries the response metadata of this name.
const EXPIRE_TIME: HeaderName = HeaderName::from_static("metadata.ttlexpiretime");

/// A stored value, with its etag and when it goes away.
#[must_use]
pub fn value(entry: Entry) -> Answer {
    let mut response = Response::new(whole(entry.value));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::ETAG, HeaderValue::from(entry.etag.0));
    if let Some(expires) = entry.expires
        && let Ok(text) = HeaderValue::try_from(expire_time(expires))
    {
        headers.insert(EXPIRE_TIME, text);
    }
    response
}

/// Success without a body.
pub(super) fn empty() -> Answer {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Success with a JSON body.
pub(super) fn json(body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(whole(body));
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// Plain text.
pub(super) fn text(status: StatusCode, body: &'static str) -> Answer {
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The path takes other methods only.
pub(super) fn method_not_allowed(allowed: &'static str) -> Answer {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// A failure.
pub(super) fn error(error: &ApiError) -> Answer {
    let mut body = json!({ "errorCode": error.error_code, "message": error.message });
    if !error.details.is_empty()
        && let Some(body) = body.as_object_mut()
    {
        body.insert("details".to_owned(), error.details.iter().map(detail).collect());
    }
    let mut response = self::json(body.to_string());
    *response.status_mut() = error.status;
    if matches!(error.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
        response = last(response);
    }
    response
}

/// The last answer on its connection: the rest of the request's body may still be under way.
pub(super) fn last(mut response: Answer) -> Answer {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn detail(detail: &Detail) -> Value {
    match detail {
        Detail::ErrorInfo { reason, metadata } => json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": DOMAIN,
            "metadata": metadata.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
                .collect::<serde_json::Map<_, _>>(),
        }),
        Detail::ResourceInfo { kind, name } => json!({
            "@type": "type.googleapis.com/google.rpc.ResourceInfo",
            "resource_type": kind,
            "resource_name": name,
            "owner": "",
            "description": "",
        }),
        Detail::BadRequest { field, description } => json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "field_violations": [{ "field": field, "description": description }],
        }),
    }
}
