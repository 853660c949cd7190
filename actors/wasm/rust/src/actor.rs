//! From an operation and its payload to the reply.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use pillion_codec::http::{Headers, Request, Response};
use pillion_logic::{AppError, Handled, count, handle};

use crate::keyvalue::Value;
use crate::{Host, Store};

/// Answers one call of the host; `reply` is replaced, or cleared when a value is the reply.
///
/// # Errors
/// The text for the host.
pub fn answer<H: Host>(
    store: &Store<H>,
    operation: &str,
    request: &[u8],
    reply: &mut Vec<u8>,
) -> Result<Handled<Value>, String> {
    reply.clear();
    match operation {
        "HandleRequest" => http(store, request, reply).map(|()| Handled::Written),
        "HealthRequest" => Ok(Handled::Written),
        _ => now(handle(store, operation, request, reply)).map_err(|error| error.to_string()),
    }
}

/// waSCC's HTTP request: counts, and answers with a status whatever happens.
fn http<H: Host>(store: &Store<H>, request: &[u8], reply: &mut Vec<u8>) -> Result<(), String> {
    let request = Request::decode(request).map_err(|error| format!("not an HTTP request: {error}"))?;
    let mut body = Vec::new();
    let result = now(count(store, request.method, request.path, &mut body));
    let (status_code, status, content_type) = match &result {
        Ok(()) => (200, "OK", "application/json"),
        Err(AppError::BadRequest(_)) => (400, "Bad Request", "text/plain"),
        Err(_) => (500, "Internal Server Error", "text/plain"),
    };
    if let Err(error) = result {
        body = error.to_string().into_bytes();
    }
    let header = [("content-type", content_type)];
    let header = Headers::new(&header);
    Response { status_code, status, header, body: &body }.encode(reply);
    Ok(())
}

/// The result of a future whose every wait is a host call, which comes back with the answer.
fn now<T>(future: impl Future<Output = Result<T, AppError>>) -> Result<T, AppError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("host calls do not wait"),
    }
}
