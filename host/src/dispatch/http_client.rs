//! The contract `wascc:http_client` in MessagePack, over a provider.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::StatusCode;
use pillion_capabilities::HttpClient;
use pillion_capabilities::httpclient::{Request, Response};
use pillion_capabilities::trace;
use pillion_codec::{Headers, Request as ActorRequest, Response as ActorResponse};

use super::Contract;
use super::answer::{answer, malformed, unknown};
use crate::engine::{Dispatched, Reply};

/// Makes one call of the contract.
pub(super) fn dispatch(
    provider: &dyn HttpClient,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Dispatched {
    if operation != b"PerformRequest" {
        return unknown(Contract::HttpClient, operation, reply);
    }
    match ActorRequest::decode(payload) {
        Ok(request) => {
            let mut request = decoded(&request);
            // What the actor says itself stays only where nothing is known: it cannot make its requests another trace's.
            if let Some(context) = trace::current() {
                trace::inject(&context, &mut request.headers);
            }
            answer(provider.request(request), &[], reply, |response, _, reply| encode(&response, reply))
        }
        Err(error) => malformed(Contract::HttpClient, operation, error, reply),
    }
}

/// The path is the whole URL, which may have a query of its own.
fn decoded(request: &ActorRequest<'_>) -> Request {
    let ActorRequest { method, path, query_string, header, body } = *request;
    let mut url = path.to_owned();
    if !query_string.is_empty() {
        url.push(if path.contains('?') { '&' } else { '?' });
        url.push_str(query_string);
    }
    let field = |(name, value): (&str, &str)| (name.to_owned(), Bytes::copy_from_slice(value.as_bytes()));
    let headers = header.iter().map(field).collect();
    Request { method: method.to_owned(), url, headers, body: Bytes::copy_from_slice(body) }
}

/// The response as actors get it. Fields of the same name are joined, since actors know one value of each name.
fn encode(response: &Response, reply: &mut Reply) {
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &response.headers {
        let value = String::from_utf8_lossy(value);
        fields
            .entry(name)
            .and_modify(|joined| {
                joined.push_str(", ");
                joined.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
    let known = StatusCode::from_u16(response.status).ok();
    let message = ActorResponse {
        status_code: response.status.into(),
        status: known.and_then(|status| status.canonical_reason()).unwrap_or_default(),
        header: Headers::new(&fields),
        body: &response.body,
    };
    message.encode(reply.respond());
}
