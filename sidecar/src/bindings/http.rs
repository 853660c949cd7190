//! `bindings.http`: requests to one server.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use pillion_capabilities::trace::{self, Context, TraceContextExt as _};
use pillion_capabilities::{HttpClient, httpclient};

use super::error::Failure;
use super::go::canonical;
use super::{Request, Response};
use crate::flags::is_true;

pub(super) const OPERATIONS: &[&str] =
    &["create", "get", "head", "post", "put", "patch", "delete", "options", "trace"];

/// What a component says of a server.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where its paths begin.
    pub(crate) url: String,
    /// Whether an answer that tells of no success is a failure.
    pub(crate) error_if_not_2xx: bool,
    /// A header field that goes with each request.
    pub(crate) token: Option<Token>,
}

/// A header field whose value is a secret.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) header: String,
    pub(crate) value: String,
}

/// A server, by a client that reaches no other.
pub(crate) struct Http {
    pub(crate) client: Arc<dyn HttpClient>,
    settings: Settings,
}

// === impl Http ===

impl Http {
    pub(crate) fn new(client: Arc<dyn HttpClient>, settings: Settings) -> Self {
        Self { client, settings }
    }

    pub(super) async fn invoke(&self, request: Request) -> Result<Response, Failure> {
        let metadata = &request.metadata;
        let url = self.url(metadata.get("path").map_or("", String::as_str))?;
        let method = match request.operation.as_str() {
            "create" => "POST".to_owned(),
            operation => operation.to_ascii_uppercase(),
        };
        let body = match method.as_str() {
            "POST" | "PUT" | "PATCH" => Some(request.data),
            _ => None,
        };
        let headers = self.headers(metadata, body.is_some());
        let asked = httpclient::Request { method, url, headers, body: body.unwrap_or_default() };
        let answer = self.client.request(asked).wait().await?;
        let strict = metadata.get("errorIfNot2XX").map_or(self.settings.error_if_not_2xx, |set| is_true(set));
        if strict && !(200..300).contains(&answer.status) {
            return Err(Failure::Status(answer.status));
        }
        Ok(Response { metadata: described(&answer), data: answer.body })
    }

    /// Where a request goes. Nothing leads above the component's own path.
    fn url(&self, path: &str) -> Result<String, String> {
        if path.is_empty() {
            return Ok(self.settings.url.clone());
        }
        let url = format!("{}/{}", self.settings.url.trim_end_matches('/'), path.trim_start_matches('/'));
        // As percent signs have it, too: servers decode before they look.
        let plain = percent_encoding::percent_decode_str(&url).decode_utf8_lossy();
        if url.contains("..") || plain.contains("..") {
            return Err(format!("invalid path: {path}"));
        }
        Ok(url)
    }

    fn headers(&self, metadata: &HashMap<String, String>, has_body: bool) -> Vec<(String, Bytes)> {
        const JSON: Bytes = Bytes::from_static(b"application/json; charset=utf-8");
        let mut headers = Vec::new();
        if has_body && !metadata.contains_key("Content-Type") {
            headers.push(("content-type".to_owned(), JSON));
        }
        if !metadata.contains_key("Accept") {
            headers.push(("accept".to_owned(), JSON));
        }
        for (name, value) in metadata {
            if name.starts_with(char::is_uppercase) {
                headers.push((name.clone(), Bytes::from(value.clone())));
            }
        }
        if let Some(token) = &self.settings.token {
            headers.push((token.header.clone(), Bytes::from(token.value.clone())));
        }
        let context = Context::current().span().span_context().clone();
        if context.is_valid() {
            trace::inject(&context, &mut headers);
        } else {
            // Whoever calls may tell of a trace by these names, as Dapr's own runtime does.
            for name in ["traceparent", "tracestate"] {
                if let Some(value) = metadata.get(name) {
                    headers.push((name.to_owned(), Bytes::from(value.clone())));
                }
            }
        }
        headers
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("header", &self.header).finish_non_exhaustive()
    }
}

/// The metadata of an answer: its status, and its header fields as Go names them.
fn described(answer: &httpclient::Response) -> HashMap<String, String> {
    let mut metadata = HashMap::new();
    for (name, value) in &answer.headers {
        let value = String::from_utf8_lossy(value);
        metadata
            .entry(canonical(name))
            .and_modify(|values: &mut String| {
                values.push_str(", ");
                values.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    let reason = StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
    let status = format!("{} {}", answer.status, reason.unwrap_or_default());
    metadata.insert("statusCode".to_owned(), answer.status.to_string());
    metadata.insert("status".to_owned(), status.trim_end().to_owned());
    metadata
}
